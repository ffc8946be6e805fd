# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# PostgreSQL: the machine's own, or Debian's package. Password logins over SCRAM, TLS with a certificate that a CA made
# here has signed for localhost and 127.0.0.1 (not for 127.0.0.2, where the server answers too).

PORT_BASE=21015

# shellcheck source=tests/servers/postgres-common.sh
. "$HERE/postgres-common.sh"

kind_packages() {
    postgres_bin >/dev/null || echo postgresql
    command -v psql >/dev/null 2>&1 || echo postgresql-client
    command -v openssl >/dev/null 2>&1 || echo openssl
}

kind_install() {
    postgres_bin >/dev/null || die "postgres: no PostgreSQL server found; install the package postgresql"
}

make_cluster() {
    local bin=$1 data=$DIR/data
    rm -rf "$data"
    server_folder "$data" &&
        tls_files "$DIR/tls" &&
        as_server "$bin/initdb" -D "$data" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 >>"$LOG" 2>&1 || return 1
    {
        throwaway_settings "$PORT"
        echo "listen_addresses = '127.0.0.1,127.0.0.2'"
        echo "ssl = on"
        echo "ssl_cert_file = '$DIR/tls/server.crt'"
        echo "ssl_key_file = '$DIR/tls/server.key'"
    } >>"$data/postgresql.conf"
    throwaway_hba >"$data/pg_hba.conf"
}

kind_start() {
    local bin fresh=
    bin=$(postgres_bin) || return 1
    if ! [ -e "$DIR/made" ]; then
        fresh=yes
        make_cluster "$bin" || return 1
    fi
    launch "$bin/postgres" -D "$DIR/data"
    wait_until 60 postgres_answers || return 1
    [ -n "$fresh" ] || return 0
    throwaway_roles | psql -X -q -v ON_ERROR_STOP=1 "$(postgres_admin_url "$PORT")" >>"$LOG" 2>&1 && : >"$DIR/made"
}

kind_stop() { end_with INT 20; }
kind_kill() { end_with QUIT 10; }

kind_env() {
    export_line STEPLADDER_TEST_POSTGRES_URL "$(postgres_url "$TEST_ROLE" "$PORT")"
    export_line STEPLADDER_TEST_POSTGRES_ADMIN_URL "$(postgres_admin_url "$PORT")"
    export_line STEPLADDER_TEST_POSTGRES_TLS_URL "postgres://stepladder_tls:$TEST_PASSWORD@localhost:$PORT/stepladder"
    export_line STEPLADDER_TEST_POSTGRES_WRONG_HOST_URL "postgres://stepladder_tls:$TEST_PASSWORD@127.0.0.2:$PORT/stepladder"
    export_line STEPLADDER_TEST_POSTGRES_READER_URL "$(postgres_url stepladder_reader "$PORT")"
    export_line STEPLADDER_TEST_POSTGRES_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_POSTGRES_WRONG_CA "$DIR/tls/wrong-ca.crt"
}
