# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# What the kinds that speak MySQL's protocol share. Sourced.

# The ordinary user of the tests and its password: a word that a search for leaked secrets finds anywhere.
TEST_ROLE=stepladder
TEST_PASSWORD=ladder-secret-4711

# Settings for throw-away data on loopback that both servers take. $1 is the folder of data and socket, $2 that of the
# certificate, both as the server sees them.
throwaway_settings() {
    cat <<SETTINGS
[mysqld]
datadir = $1
socket = $1/s
pid-file = $1/pid
port = $PORT
bind-address = 127.0.0.1,127.0.0.2
character-set-server = utf8mb4
innodb-buffer-pool-size = 32M
innodb-flush-log-at-trx-commit = 2
innodb-doublewrite = OFF
max-connections = 200
performance-schema = OFF
event-scheduler = ON
local-infile = ON
ssl-ca = $2/ca.crt
ssl-cert = $2/server.crt
ssl-key = $2/server.key
skip-log-bin
SETTINGS
}

# stepladder may do anything in its database and in those of the tests (conf_...), and in no other; stepladder_tls is let in over TLS only;
# stepladder_reader may look, and create nothing. $1 says how a password is checked.
throwaway_users() {
    cat <<USERS
CREATE DATABASE stepladder CHARACTER SET utf8mb4;
CREATE USER $TEST_ROLE@'%' $1;
CREATE USER stepladder_tls@'%' $1 REQUIRE SSL;
CREATE USER stepladder_reader@'%' $1;
GRANT ALL ON stepladder.* TO $TEST_ROLE@'%', stepladder_tls@'%';
GRANT ALL ON \`conf\_%\`.* TO $TEST_ROLE@'%';
GRANT SELECT ON stepladder.* TO stepladder_reader@'%';
USERS
}

mysql_url() { echo "mysql://$1:$TEST_PASSWORD@$2:$PORT/stepladder"; }

# The client that looks: whichever of the two there is.
mysql_client() { command -v mariadb || command -v mysql; }

mysql_admin() { "$(mysql_client)" --no-defaults --connect-timeout=2 -h127.0.0.1 -P"$PORT" -uroot "$@"; }

mysql_answers() { mysql_admin -e 'SELECT 1'; }

# The variables of a kind; $1 is its name in capitals.
mysql_variables() {
    export_line "STEPLADDER_TEST_$1_URL" "$(mysql_url "$TEST_ROLE" 127.0.0.1)"
    export_line "STEPLADDER_TEST_$1_ADMIN_URL" "mysql://root@127.0.0.1:$PORT/mysql"
    export_line "STEPLADDER_TEST_$1_TLS_URL" "$(mysql_url stepladder_tls localhost)"
    export_line "STEPLADDER_TEST_$1_WRONG_HOST_URL" "$(mysql_url stepladder_tls 127.0.0.2)"
    export_line "STEPLADDER_TEST_$1_READER_URL" "$(mysql_url stepladder_reader 127.0.0.1)"
    export_line "STEPLADDER_TEST_$1_CA" "$DIR/tls/ca.crt"
    export_line "STEPLADDER_TEST_$1_WRONG_CA" "$DIR/tls/wrong-ca.crt"
}
