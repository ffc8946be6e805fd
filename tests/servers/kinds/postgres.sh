# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# PostgreSQL: the machine's own, or Debian's package. Password logins over SCRAM, TLS with a certificate that a CA made
# here has signed for localhost and 127.0.0.1 (not for 127.0.0.2, where the server answers too), logins with a certificate
# of that CA, and a socket.

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

# The certificate of a role that comes in without a password, and lists of what the CA has revoked: nothing, and the
# server's certificate.
more_tls_files() (
    cd "$DIR/tls" || exit 1
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout client.key -out client.csr \
        -subj /CN=stepladder_cert &&
        printf '%s\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' 'extendedKeyUsage=clientAuth' >client.ext &&
        openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile client.ext -out client.crt &&
        printf '%s\n' '[ca]' 'default_ca=ours' '[ours]' 'database=index' 'default_md=sha256' 'crlnumber=number' >ca.cnf &&
        : >index && echo 01 >number || exit 1
    set -- openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key
    "$@" -gencrl -crldays 30 -out nothing.crl && "$@" -revoke server.crt && "$@" -gencrl -crldays 30 -out server.crl || exit 1
    chmod 0600 client.key
    chmod 0644 client.crt ./*.crl
)

make_cluster() {
    local bin=$1 data=$DIR/data
    rm -rf "$data"
    server_folder "$data" && server_folder "$DIR/socket" && chmod 0755 "$DIR/socket" &&
        tls_files "$DIR/tls" && more_tls_files >>"$LOG" 2>&1 &&
        as_server "$bin/initdb" -D "$data" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 >>"$LOG" 2>&1 || return 1
    {
        throwaway_settings "$PORT"
        echo "listen_addresses = '127.0.0.1,127.0.0.2'"
        echo "ssl = on"
        echo "ssl_cert_file = '$DIR/tls/server.crt'"
        echo "ssl_key_file = '$DIR/tls/server.key'"
        echo "ssl_ca_file = '$DIR/tls/ca.crt'"
        echo "unix_socket_directories = '$DIR/socket'"
    } >>"$data/postgresql.conf"
    {
        echo 'hostssl all stepladder_cert 127.0.0.0/8 cert'
        throwaway_hba
        echo 'local all all scram-sha-256'
    } >"$data/pg_hba.conf"
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
    {
        throwaway_roles
        echo 'CREATE ROLE stepladder_cert LOGIN CREATEDB;'
    } | psql -X -q -v ON_ERROR_STOP=1 "$(postgres_admin_url "$PORT")" >>"$LOG" 2>&1 && : >"$DIR/made"
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
    export_line STEPLADDER_TEST_POSTGRES_CERT_URL "postgres://stepladder_cert@localhost:$PORT/stepladder"
    export_line STEPLADDER_TEST_POSTGRES_CLIENT_CERT "$DIR/tls/client.crt"
    export_line STEPLADDER_TEST_POSTGRES_CLIENT_KEY "$DIR/tls/client.key"
    export_line STEPLADDER_TEST_POSTGRES_CRL "$DIR/tls/nothing.crl"
    export_line STEPLADDER_TEST_POSTGRES_REVOKED_CRL "$DIR/tls/server.crl"
    export_line STEPLADDER_TEST_POSTGRES_SOCKET "$DIR/socket"
}
