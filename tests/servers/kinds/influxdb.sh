# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# InfluxDB 1, from Debian, with a user and a password.

PORT_BASE=21086
PORT_COUNT=3

INFLUX_USER=ladder
# A word that a search for leaked secrets finds anywhere.
INFLUX_WORD=ladder-secret-4711

kind_packages() { command -v influxd >/dev/null 2>&1 || echo influxdb; }

write_config() {
    cat >"$DIR/influxd.conf" <<CONF
reporting-disabled = true
bind-address = "127.0.0.1:$((PORT + 2))"
[meta]
dir = "$DIR/data/meta"
[data]
dir = "$DIR/data/data"
wal-dir = "$DIR/data/wal"
index-version = "tsi1"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:$PORT"
auth-enabled = true
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "warn"
CONF
}

influxd_answers() {
    python3 -c 'import sys, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/ping", timeout=2)' "$PORT"
}

# While there is no user, anybody may make the first one, who must be an administrator.
influxd_setup() {
    python3 -c 'import sys, urllib.parse, urllib.request
port, user = sys.argv[1:]
statement = f"CREATE USER {user} WITH PASSWORD \x27{sys.stdin.readline()[:-1]}\x27 WITH ALL PRIVILEGES"
body = urllib.parse.urlencode({"q": statement}).encode()
answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/query", body, timeout=20).read()
sys.exit(b"error" in answer)' "$PORT" "$INFLUX_USER" <<<"$INFLUX_WORD"
}

kind_start() {
    server_folder "$DIR/data" && write_config || return 1
    launch influxd -config "$DIR/influxd.conf"
    wait_until 30 influxd_answers || return 1
    [ -e "$DIR/made" ] || influxd_setup >>"$LOG" 2>&1 || return 1
    : >"$DIR/made"
}

kind_env() {
    export_line STEPLADDER_TEST_INFLUXDB_URL "http://$INFLUX_USER:$INFLUX_WORD@127.0.0.1:$PORT"
}
