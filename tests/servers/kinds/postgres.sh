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

tls_files() {
    local tls=$DIR/tls
    mkdir -p "$tls"
    (
        cd "$tls" || exit 1
        for ca in ca wrong-ca; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$ca.key" -out "$ca.crt" \
                -subj "/CN=Stepladder tests $ca" -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
        done
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=localhost
        printf '%s\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' 'extendedKeyUsage=serverAuth' \
            'subjectAltName=DNS:localhost,IP:127.0.0.1' >server.ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.crt
        chmod 0600 ./*.key
        chmod 0644 ./*.crt
    ) >>"$LOG" 2>&1 || return 1
    if am_root; then chown "$(server_user)" "$tls/server.key"; fi
}

make_cluster() {
    local bin=$1 data=$DIR/data
    rm -rf "$data"
    server_folder "$data" &&
        tls_files &&
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
