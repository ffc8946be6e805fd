# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# ChromaDB: the server inside the chromadb wheel, installed without what only its Python library needs, and the thin
# client in an environment of its own. Chroma's server knows no tokens; a gate in front of it lets one in.

PORT_BASE=21800
PORT_COUNT=2

CHROMA_VERSION=1.5.9
CHROMA_TOOLS=$TOOLS_DIR/chromadb-$CHROMA_VERSION
# A word that a search for leaked secrets finds anywhere.
CHROMA_TOKEN_WORD=ladder-secret-4711

kind_packages() { python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || echo python3 python3-venv; }

kind_install() {
    [ -e "$CHROMA_TOOLS/made" ] && return 0
    rm -rf "$CHROMA_TOOLS"
    python3 -m venv "$CHROMA_TOOLS/server" && python3 -m venv "$CHROMA_TOOLS/client" && python3 -m venv "$CHROMA_TOOLS/bare" &&
        "$CHROMA_TOOLS/server/bin/pip" install -q --no-deps "chromadb==$CHROMA_VERSION" &&
        "$CHROMA_TOOLS/client/bin/pip" install -q "chromadb-client==$CHROMA_VERSION" &&
        : >"$CHROMA_TOOLS/made"
} >>"$LOG" 2>&1

gate_port() { echo $((PORT + 1)); }

# The gate is a second process of this kind; lib.sh's pid is the server's.
gate_start() {
    (cd / && GATE_TOKEN=$CHROMA_TOKEN_WORD exec setsid "$CHROMA_TOOLS/server/bin/python3" "$HERE/token_gate.py" "$(gate_port)" "$PORT") \
        >>"$LOG" 2>&1 </dev/null &
    printf '%s\n%s\n' $! "$(born $!)" >"$DIR/gate.pid"
}

gate_stop() {
    local pid when
    [ -s "$DIR/gate.pid" ] || return 0
    { read -r pid && read -r when; } <"$DIR/gate.pid"
    [ "$(born "$pid")" = "$when" ] && kill "$pid" 2>/dev/null
    rm -f "$DIR/gate.pid"
}

chroma_answers() {
    python3 -c 'import sys, urllib.request
for port in sys.argv[1:]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/heartbeat", headers={"x-chroma-token": sys.stdin.readline()[:-1] if port == sys.argv[2] else ""})
    urllib.request.urlopen(request, timeout=2)' "$PORT" "$(gate_port)" <<<"$CHROMA_TOKEN_WORD"
}

kind_start() {
    gate_stop
    mkdir -p "$DIR/data"
    spawn "$CHROMA_TOOLS/server/bin/python3" -c "import sys, chromadb_rust_bindings as b; b.cli(['chroma', 'run'] + sys.argv[1:])" \
        --path "$DIR/data" --host 127.0.0.1 --port "$PORT"
    gate_start
    wait_until 30 chroma_answers && : >"$DIR/made"
}

kind_stop() {
    gate_stop
    end_with TERM 10
}

kind_kill() {
    gate_stop
    end_with KILL 5
}

kind_env() {
    export_line STEPLADDER_TEST_CHROMADB_URL "chroma://$CHROMA_TOKEN_WORD@127.0.0.1:$(gate_port)"
    export_line STEPLADDER_TEST_CHROMADB_OPEN_URL "chroma://127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_CHROMADB_PYTHON "$CHROMA_TOOLS/client/bin/python3"
    export_line STEPLADDER_TEST_CHROMADB_BARE_PYTHON "$CHROMA_TOOLS/bare/bin/python3"
}
