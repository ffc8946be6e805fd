# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# MariaDB: the machine's own, or Debian's package. Logins over mysql_native_password, TLS with a certificate of our own CA.

PORT_BASE=21006

# shellcheck source=tests/servers/mysql-common.sh
. "$HERE/mysql-common.sh"

mariadb_server() { PATH=$PATH:/usr/sbin:/usr/libexec command -v mariadbd; }

kind_packages() {
    mariadb_server >/dev/null || echo mariadb-server
    mysql_client >/dev/null || echo mariadb-client
    command -v openssl >/dev/null 2>&1 || echo openssl
}

kind_install() { mariadb_server >/dev/null || die "mariadb: no MariaDB server found; install the package mariadb-server"; }

make_data() {
    rm -rf "$DIR/data" "$DIR/temporary"
    # A server that starts removes every temporary table in its folder for them, another running server's too.
    server_folder "$DIR/data" && server_folder "$DIR/temporary" && tls_files "$DIR/tls" || return 1
    # The socket and the pid file lie in the data: nothing else here is the server's to write.
    throwaway_settings "$DIR/data" "$DIR/tls" >"$DIR/my.cnf"
    printf '%s\n' 'innodb-flush-method = nosync' "tmpdir = $DIR/temporary" >>"$DIR/my.cnf"
    as_server mariadb-install-db --no-defaults --datadir="$DIR/data" --tmpdir="$DIR/temporary" --skip-log-bin \
        --auth-root-authentication-method=normal --skip-test-db >>"$LOG" 2>&1
}

kind_start() {
    local fresh=
    if ! [ -e "$DIR/made" ]; then
        fresh=yes
        make_data || return 1
    fi
    launch "$(mariadb_server)" --defaults-file="$DIR/my.cnf"
    wait_until 60 mysql_answers || return 1
    [ -n "$fresh" ] || return 0
    throwaway_users "IDENTIFIED BY '$TEST_PASSWORD'" | mysql_admin >>"$LOG" 2>&1 && : >"$DIR/made"
}

kind_env() {
    mysql_variables MARIADB
    export_line STEPLADDER_TEST_MARIADB_SOCKET "$DIR/data/s"
}
