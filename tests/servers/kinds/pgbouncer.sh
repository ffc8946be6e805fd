# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# PgBouncer in transaction pooling mode, in front of the PostgreSQL of kinds/postgres.sh, with the same roles.

PORT_BASE=21032
NEEDS=postgres

# shellcheck source=tests/servers/postgres-common.sh
. "$HERE/postgres-common.sh"

pgbouncer_bin() {
    command -v pgbouncer 2>/dev/null || { [ -x /usr/sbin/pgbouncer ] && echo /usr/sbin/pgbouncer; }
}

kind_packages() {
    pgbouncer_bin >/dev/null || echo pgbouncer
    command -v psql >/dev/null 2>&1 || echo postgresql-client
}

kind_install() {
    pgbouncer_bin >/dev/null || die "pgbouncer: not found; install the package pgbouncer"
}

answers() { PGCONNECT_TIMEOUT=2 psql -X -q -At "$(postgres_url "$TEST_ROLE" "$PORT")" -c 'SELECT 1'; }

kind_start() {
    local role
    rm -rf "$DIR/data"
    server_folder "$DIR/data" || return 1
    {
        echo '"postgres" ""'
        for role in "$TEST_ROLE" stepladder_tls stepladder_reader; do echo "\"$role\" \"$TEST_PASSWORD\""; done
    } >"$DIR/data/users"
    printf '%s\n' 'host all postgres 127.0.0.0/8 trust' 'host all all 127.0.0.0/8 scram-sha-256' >"$DIR/data/hba"
    cat >"$DIR/data/pgbouncer.ini" <<INI
[databases]
* = host=127.0.0.1 port=$(port_of postgres)

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $PORT
unix_socket_dir =
auth_type = hba
auth_file = $DIR/data/users
auth_hba_file = $DIR/data/hba
admin_users = postgres
pool_mode = transaction
default_pool_size = 10
max_client_conn = 300
server_tls_sslmode = prefer
server_login_retry = 1
ignore_startup_parameters = extra_float_digits
INI
    if am_root; then chown "$(server_user)" "$DIR"/data/*; fi
    launch "$(pgbouncer_bin)" "$DIR/data/pgbouncer.ini"
    wait_until 30 answers
}

kind_env() {
    export_line STEPLADDER_TEST_PGBOUNCER_URL "$(postgres_url "$TEST_ROLE" "$PORT")"
    # The console: SHOW POOLS and the like.
    export_line STEPLADDER_TEST_PGBOUNCER_ADMIN_URL "postgres://postgres@127.0.0.1:$PORT/pgbouncer"
}
