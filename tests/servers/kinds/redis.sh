# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# Redis from Debian: a login by password and by user, TLS with a certificate that a CA made here has signed for localhost, a
# socket, and two hundred databases, of which a trial takes one for itself.

PORT_BASE=21900
PORT_COUNT=2

# A word that a search for leaked secrets finds anywhere.
REDIS_SECRET=ladder-secret-5823

kind_packages() {
    command -v redis-server >/dev/null 2>&1 || echo redis-server
    command -v redis-cli >/dev/null 2>&1 || echo redis-tools
    command -v openssl >/dev/null 2>&1 || echo openssl
}

kind_install() { :; }

redis_tls_files() {
    mkdir -p "$DIR/tls" || return 1
    (
        cd "$DIR/tls" || exit 1
        for ca in ca wrong-ca; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$ca.key" -out "$ca.crt" \
                -subj "/CN=Stepladder tests $ca" -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
        done
        for who in server client; do
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$who.key" -out "$who.csr" -subj /CN=localhost
            printf '%s\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' 'extendedKeyUsage=serverAuth,clientAuth' \
                'subjectAltName=DNS:localhost' >"$who.ext"
            openssl x509 -req -in "$who.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$who.ext" -out "$who.crt"
        done
        chmod 0600 ./*.key
    ) >>"$LOG" 2>&1
}

redis_settings() {
    cat <<SETTINGS
bind 127.0.0.1
port $PORT
tls-port $((PORT + 1))
tls-cert-file $DIR/tls/server.crt
tls-key-file $DIR/tls/server.key
tls-ca-cert-file $DIR/tls/ca.crt
tls-auth-clients optional
unixsocket $DIR/redis.sock
databases 200
dir $DIR/data
save ""
appendonly yes
appendfsync no
lua-time-limit 300
user default on >$REDIS_SECRET ~* &* +@all
user tester on >$REDIS_SECRET ~* &* +@all
user reader on >$REDIS_SECRET ~* &* -@all +@read +@connection +info +command +time
SETTINGS
}

redis_answers() { REDISCLI_AUTH=$REDIS_SECRET redis-cli -h 127.0.0.1 -p "$PORT" ping | grep -q PONG; }

kind_start() {
    if ! [ -e "$DIR/made" ]; then
        rm -rf "$DIR/data"
        mkdir -p "$DIR/data" && redis_tls_files || return 1
    fi
    (umask 077 && redis_settings >"$DIR/redis.conf")
    spawn redis-server "$DIR/redis.conf"
    wait_until 30 redis_answers && : >"$DIR/made"
}

kind_env() {
    export_line STEPLADDER_TEST_REDIS_URL "redis://tester:$REDIS_SECRET@127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_REDIS_READER_URL "redis://reader:$REDIS_SECRET@127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_REDIS_TLS_URL "rediss://tester:$REDIS_SECRET@localhost:$((PORT + 1))"
    export_line STEPLADDER_TEST_REDIS_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_REDIS_WRONG_CA "$DIR/tls/wrong-ca.crt"
    export_line STEPLADDER_TEST_REDIS_SOCKET_URL "redis+unix://$DIR/redis.sock"
}
