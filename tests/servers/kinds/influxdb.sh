# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# InfluxDB 1, from Debian, with a user and a password; a second one of it speaks TLS, since one has one listener.

PORT_BASE=21086
PORT_COUNT=3

INFLUX_USER=ladder
# A word that a search for leaked secrets finds anywhere.
INFLUX_WORD=ladder-secret-4711

kind_packages() {
    command -v influxd >/dev/null 2>&1 || echo influxdb
    command -v openssl >/dev/null 2>&1 || echo openssl
}

tls_port() { echo $((PORT + 16)); }

# A configuration: write_config NAME PORT FOLDER, and what else stands under [http].
write_config() {
    local port=$2 data=$3
    cat >"$DIR/$1.conf" <<CONF
reporting-disabled = true
bind-address = "127.0.0.1:$((port + 2))"
[meta]
dir = "$data/meta"
[data]
dir = "$data/data"
wal-dir = "$data/wal"
index-version = "tsi1"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:$port"
auth-enabled = true
log-enabled = false
$4
[monitor]
store-enabled = false
[logging]
level = "warn"
CONF
}

# Its place: http://127.0.0.1:21086, or https:// with a certificate of the tests' CA.
influxd_answers() {
    python3 -c 'import ssl, sys, urllib.request
urllib.request.urlopen(f"{sys.argv[1]}/ping", timeout=2, context=ssl._create_unverified_context())' "$1"
}

# While there is no user, anybody may make the first one, who must be an administrator.
influxd_setup() {
    python3 -c 'import ssl, sys, urllib.parse, urllib.request
place, user = sys.argv[1:]
statement = f"CREATE USER {user} WITH PASSWORD \x27{sys.stdin.readline()[:-1]}\x27 WITH ALL PRIVILEGES"
body = urllib.parse.urlencode({"q": statement}).encode()
answer = urllib.request.urlopen(f"{place}/query", body, timeout=20, context=ssl._create_unverified_context()).read()
sys.exit(b"error" in answer)' "$1" "$INFLUX_USER" <<<"$INFLUX_WORD"
}

# Its data goes with each start.
start_tls() {
    local place
    place=https://127.0.0.1:$(tls_port)
    [ -e "$DIR/tls/server.crt" ] || tls_files "$DIR/tls" || return 1
    rm -rf "$DIR/tls-data" && mkdir -p "$DIR/tls-data" || return 1
    write_config tls "$(tls_port)" "$DIR/tls-data" "https-enabled = true
https-certificate = \"$DIR/tls/server.crt\"
https-private-key = \"$DIR/tls/server.key\"" || return 1
    companion tls influxd -config "$DIR/tls.conf"
    wait_until 30 influxd_answers "$place" && influxd_setup "$place" >>"$LOG" 2>&1
}

kind_start() {
    local place=http://127.0.0.1:$PORT
    server_folder "$DIR/data" && write_config influxd "$PORT" "$DIR/data" '' || return 1
    launch influxd -config "$DIR/influxd.conf"
    wait_until 30 influxd_answers "$place" || return 1
    [ -e "$DIR/made" ] || influxd_setup "$place" >>"$LOG" 2>&1 || return 1
    start_tls || return 1
    : >"$DIR/made"
}

kind_stop() {
    end_companion tls
    end_with TERM 20
}

kind_kill() {
    end_companion tls
    end_with KILL 5
}

kind_env() {
    export_line STEPLADDER_TEST_INFLUXDB_URL "http://$INFLUX_USER:$INFLUX_WORD@127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_INFLUXDB_TLS_URL "https://$INFLUX_USER:$INFLUX_WORD@localhost:$(tls_port)"
    export_line STEPLADDER_TEST_INFLUXDB_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_INFLUXDB_WRONG_CA "$DIR/tls/wrong-ca.crt"
}
