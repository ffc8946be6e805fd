# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# Elasticsearch, the distribution that its makers test with, from Maven Central: the server with its security, and with few
# other modules (no reindex, no painless, no ingest processors, no ILM). A gate of our own in front of it speaks TLS.

PORT_BASE=21540
PORT_COUNT=3
VERSION=8.17.4
ZIP_DIR=$TOOLS_DIR/elasticsearch-$VERSION
SECRET=elastic-secret-4711

kind_packages() {
    command -v java >/dev/null 2>&1 || echo default-jre-headless
    command -v mvn >/dev/null 2>&1 || [ -e "$ZIP_DIR/complete" ] || echo maven
    command -v openssl >/dev/null 2>&1 || echo openssl
    command -v python3 >/dev/null 2>&1 || echo python3
}

kind_install() {
    [ -e "$ZIP_DIR/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$ZIP_DIR/complete" ] && exit 0
        say "elasticsearch: downloading into $ZIP_DIR"
        rm -rf "$ZIP_DIR"
        mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy -DoutputDirectory="$ZIP_DIR" \
            "-Dartifact=org.elasticsearch.distribution.integ-test-zip:elasticsearch:$VERSION:zip" </dev/null 8>&- || exit 1
        : >"$ZIP_DIR/complete"
    ) 8>"$TOOLS_DIR/elasticsearch.lock" >>"$LOG" 2>&1
}

answers() {
    python3 -c 'import base64, sys, urllib.request
login = base64.b64encode(b"tester:" + sys.stdin.readline().strip().encode()).decode()
url = f"http://127.0.0.1:{sys.argv[1]}/_cluster/health?wait_for_status=yellow&timeout=2s"
urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": "Basic " + login}), timeout=4)' "$PORT" <<<"$SECRET"
}

tls_port() { echo $((PORT + 1)); }

gate_start() { companion gate python3 "$HERE/tls_gate.py" "$(tls_port)" "$PORT" "$DIR/tls/server.pem"; }

gate_stop() { end_companion gate; }

# Elasticsearch refuses to run as root, so its user gets a copy of its own.
unpack() {
    server_folder "$DIR/home" || return 1
    python3 -m zipfile -e "$ZIP_DIR"/*.zip "$DIR/home" && mv "$DIR"/home/*/* "$DIR/home/" || return 1
    chmod 0755 "$DIR"/home/bin/*
    if am_root; then chown -R "$(server_user)" "$DIR/home"; fi
    as_server env ES_JAVA_HOME="$(java_home)" CLI_JAVA_OPTS='-Xmx64m -XX:TieredStopAtLevel=1' HOME="$DIR/home" \
        "$DIR/home/bin/elasticsearch-users" useradd tester -p "$SECRET" -r superuser
}

kind_start() {
    local data
    data=$(memory_folder)
    gate_stop
    [ -e "$DIR/tls/server.pem" ] || tls_files "$DIR/tls" DNS:localhost || return 1
    [ -e "$DIR/unpacked" ] || { unpack >>"$LOG" 2>&1 && : >"$DIR/unpacked"; } || return 1
    server_folder "$data"
    launch env ES_JAVA_HOME="$(java_home)" HOME="$DIR/home" CLI_JAVA_OPTS='-Xmx64m -XX:TieredStopAtLevel=1' \
        ES_JAVA_OPTS='-Xms384m -Xmx384m -XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1' \
        "$DIR/home/bin/elasticsearch" -E discovery.type=single-node -E network.host=127.0.0.1 -E http.port="$PORT" \
        -E transport.port=$((PORT + 2)) -E path.data="$data" -E xpack.security.enabled=true \
        -E cluster.routing.allocation.disk.threshold_enabled=false -E cluster.max_shards_per_node=100000
    wait_until 120 answers || return 1
    gate_start
    : >"$DIR/made"
}

kind_stop() {
    gate_stop
    end_with TERM 20
}

# The launcher's child is the server.
kind_kill() {
    local pid
    gate_stop
    pid=$(running_pid) && pkill -KILL -P "$pid"
    end_with KILL 5
}

kind_clean() { rm -rf "$(memory_folder)"; }

kind_env() {
    export_line STEPLADDER_TEST_ELASTICSEARCH_URL "http://tester:$SECRET@127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_ELASTICSEARCH_TLS_URL "https://tester:$SECRET@localhost:$(tls_port)"
    export_line STEPLADDER_TEST_ELASTICSEARCH_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_ELASTICSEARCH_WRONG_CA "$DIR/tls/wrong-ca.crt"
}
