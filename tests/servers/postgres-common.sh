# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# What the kinds that speak PostgreSQL's protocol share. Sourced.

# The ordinary role of the tests and its password: a word that a search for leaked secrets finds anywhere.
TEST_ROLE=stepladder
TEST_PASSWORD=ladder-secret-4711

# The newest PostgreSQL of this machine, or the one that STEPLADDER_TEST_POSTGRES_BIN names.
postgres_bin() {
    local folder
    for folder in ${STEPLADDER_TEST_POSTGRES_BIN:-$(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* | sort -rV) \
        "$(dirname "$(command -v postgres 2>/dev/null)" 2>/dev/null)"}; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then
            echo "$folder"
            return 0
        fi
    done
    return 1
}

# Settings for throw-away data on loopback. $1 is the port.
throwaway_settings() {
    cat <<SETTINGS
listen_addresses = '127.0.0.1'
port = $1
unix_socket_directories = ''
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
lc_messages = 'C'
log_line_prefix = '%m [%p] %q%u@%d '
password_encryption = 'scram-sha-256'
SETTINGS
}

# The superuser comes in without a password, everybody else over SCRAM.
throwaway_hba() {
    cat <<'HBA'
local   all postgres                       trust
host    all postgres         127.0.0.0/8   trust
hostnossl all stepladder_tls 127.0.0.0/8   reject
host    all all              127.0.0.0/8   scram-sha-256
HBA
}

# stepladder owns a database of its own and may create more; stepladder_tls is let in over TLS only;
# stepladder_reader may connect and look, and create nothing.
throwaway_roles() {
    cat <<ROLES
CREATE ROLE $TEST_ROLE LOGIN CREATEDB PASSWORD '$TEST_PASSWORD';
CREATE ROLE stepladder_tls LOGIN CREATEDB PASSWORD '$TEST_PASSWORD';
CREATE ROLE stepladder_reader LOGIN PASSWORD '$TEST_PASSWORD';
CREATE DATABASE stepladder OWNER $TEST_ROLE;
ROLES
}

# postgres://role:password@host:port/database, $1 role, $2 port.
postgres_url() { echo "postgres://$1:$TEST_PASSWORD@127.0.0.1:$2/stepladder"; }
postgres_admin_url() { echo "postgres://postgres@127.0.0.1:$1/postgres"; }

# Answers as soon as the superuser can log in.
postgres_answers() { PGCONNECT_TIMEOUT=2 psql -X -q -At "$(postgres_admin_url "$PORT")" -c 'SELECT 1'; }
