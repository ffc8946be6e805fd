#!/usr/bin/env bash
# Everything that has to hold before a change lands. See --help.
# shellcheck disable=SC2317 # phase and trap call the functions
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1

usage() {
    cat <<'USAGE'
Usage: ./test.sh [--quick] [-- ARGUMENTS FOR CARGO TEST]

Formatting, lints and all tests, against real servers that it installs (with apt, as root or through sudo), starts on
loopback and stops again. A store that you run yourself is used where STEPLADDER_TEST_<KIND>_URL names it.

  --quick   no servers and nothing installed: formatting, lints, and the tests that need neither
  --help    this

Servers that already run (tests/servers/servers.sh start) are used and left running.
USAGE
}

quick=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    --)
        shift
        break
        ;;
    *)
        printf 'test.sh: unknown option %s\n\n' "$1" >&2
        usage >&2
        exit 2
        ;;
    esac
    shift
done

servers=tests/servers/servers.sh
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target" || exit 1
test_log=$target/test.log
server_log=$target/servers.log
timings=

fail() {
    printf 'test.sh: %s\n' "$*" >&2
    exit 1
}

# Runs a phase and notes how long it took.
phase() {
    local name=$1 began=$SECONDS status
    shift
    printf '\n=== %s\n' "$name"
    "$@"
    status=$?
    timings+=$(printf '%4d s  %s' "$((SECONDS - began))" "$name")$'\n'
    return "$status"
}

# --- what is needed ----------------------------------------------------------------------------------------------

if ! command -v cargo >/dev/null 2>&1 && [ -r "${HOME:-}/.cargo/env" ]; then
    # shellcheck source=/dev/null
    . "$HOME/.cargo/env"
fi
command -v cargo >/dev/null 2>&1 || fail "cargo is missing; ./install.sh --help names ways to get Rust"
cargo fmt --version >/dev/null 2>&1 || fail "rustfmt is missing; install it with: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || fail "clippy is missing; install it with: rustup component add clippy"

# Debian's names of what the build and the tests need and this machine lacks, the servers aside.
missing_tools() {
    if ! command -v cc >/dev/null 2>&1; then echo gcc libc6-dev; fi
    if ! command -v sqlite3 >/dev/null 2>&1; then echo sqlite3; fi
    if ! command -v psql >/dev/null 2>&1; then echo postgresql-client; fi
}

# All of it in one go: the tools and the servers' packages.
install_packages() {
    local missing
    missing=$(
        missing_tools
        "$servers" packages
    )
    # shellcheck disable=SC2086  # a list of words
    (set -f && . tests/servers/lib.sh && apt_install $missing) >>"$server_log" 2>&1
}

install_or_explain() {
    install_packages && return 0
    tail -n 25 "$server_log" >&2
    fail "these packages are needed, see above; ./test.sh --quick does without servers"
}

# --- servers -----------------------------------------------------------------------------------------------------

starter=
ran_before=
started=

# Compiled for minutes where it was not yet: its server comes up beside the other kinds' tests, and its own tests last.
late_kind=influxdb2
late_tests=influxdb

cleanup() {
    trap - EXIT INT TERM HUP
    local kind mine=()
    [ -z "$linter" ] || kill "$linter" 2>/dev/null
    if [ -n "$starter" ]; then
        kill -s TERM -- "-$starter" 2>/dev/null
        wait "$starter" 2>/dev/null
    fi
    if [ -n "$started" ]; then
        for kind in $("$servers" running); do
            case " $ran_before " in *" $kind "*) ;; *) mine+=("$kind") ;; esac
        done
        [ ${#mine[@]} -eq 0 ] || "$servers" stop "${mine[@]}"
    fi
}

# In the background, while cargo builds; a process group, so that it can be ended as a whole.
start_servers() {
    set -m
    (install_packages && exec "$servers" start "$@") >>"$server_log" 2>&1 </dev/null &
    starter=$!
    set +m
}

wait_for_servers() {
    local status
    wait "$starter"
    status=$?
    starter=
    if [ "$status" -ne 0 ]; then
        cat "$server_log" >&2
        fail "the servers did not start, see above; ./test.sh --quick does without them"
    fi
    "$servers" status
    eval "$("$servers" env)"
}

# --- the table of the conformance suite --------------------------------------------------------------------------

# Clauses down, kinds across; the reasons of what a kind does not promise stand below.
print_conformance() {
    awk '
    BEGIN {
        split("looking creates nothing|applies in order and records|a second run does nothing|undoes in reverse" \
            "|a rejected script fails, later ones stay|nothing after the bad line, or a seen half|the error has the line" \
            "|two processes, one lease|five racers, each script once|dead holder expires, live one renews" \
            "|a lost lease cannot write|SIGKILL leaves old, new or named half|resume at the failed part" \
            "|hostile names and contents|no login or no host: exit 6, no secret|a hanging client ends" \
            "|a newer ledger is refused|noise on stderr|changed and missing files found|fresh drops only what is the user'\''s", title, "|")
    }
    { text = text $0 "\n" }
    # The strings of the document are all there is to it: a kind opens a brace, inside it keys and values alternate.
    END {
        depth = 0; have_key = 0; n = length(text)
        for (i = 1; i <= n; i++) {
            c = substr(text, i, 1)
            if (c == "{") { depth++; have_key = 0 }
            else if (c == "}") { depth--; have_key = 0 }
            else if (c == "\"") {
                s = ""
                for (i++; i <= n; i++) {
                    c = substr(text, i, 1)
                    if (c == "\"") break
                    if (c == "\\") { i++; c = substr(text, i, 1); if (c == "n" || c == "t" || c == "r") c = " " }
                    s = s c
                }
                if (depth == 1) kinds[++kind_count] = s
                else if (depth == 2 && !have_key) { key = s; have_key = 1; if (key + 0 > last) last = key + 0 }
                else if (depth == 2) { cell[kinds[kind_count], key + 0] = s; have_key = 0 }
            }
        }
        if (!kind_count) { print "no kind was run"; exit }
        printf "%-46s", "clause"
        for (k = 1; k <= kind_count; k++) { width[k] = length(kinds[k]) < 7 ? 7 : length(kinds[k]); printf "  %-" width[k] "s", kinds[k] }
        print ""
        for (r = 1; r <= last; r++) {
            printf "%2d %-43s", r, title[r]
            for (k = 1; k <= kind_count; k++) {
                s = cell[kinds[k], r]
                if (s == "") shown = "not run"
                else if (s == "failed") { shown = "FAILED"; failed[k]++ }
                else if (s == "passed") { shown = "passed"; passed[k]++ }
                else { shown = "-"; other[k]++; note[++notes] = sprintf("%2d %s: %s", r, kinds[k], s) }
                printf "  %-" width[k] "s", shown
            }
            print ""
        }
        printf "%-46s", "passed / failed / not promised"
        for (k = 1; k <= kind_count; k++) printf "  %-" width[k] "s", (passed[k] + 0) "/" (failed[k] + 0) "/" (other[k] + 0)
        print ""
        for (i = 1; i <= notes; i++) print note[i]
    }' "$1"
}

# --- the phases --------------------------------------------------------------------------------------------------

locked=()
[ -z "${CI:-}" ] || locked=(--locked)

lint() { cargo clippy "${locked[@]}" --all-targets -- -D warnings; }

linter=
lint_log=$target/clippy.log

# Beside the tests, which wait often: as soon as cargo has done its own part of them.
lint_beside_tests() {
    (
        until grep -qa '^     Running ' "$test_log" 2>/dev/null; do sleep 1; done
        exec nice -n 19 bash -c "$(declare -f lint); $(declare -p locked); lint"
    ) >"$lint_log" 2>&1 </dev/null &
    linter=$!
}

wait_for_lint() {
    local status
    if ! grep -qa '^     Running ' "$test_log"; then
        kill "$linter" 2>/dev/null
        linter=
        lint
        return
    fi
    wait "$linter"
    status=$?
    linter=
    [ "$status" -eq 0 ] || cat "$lint_log" >&2
    return "$status"
}

# To the end even if something failed: who mends one failure should not meet the next one only then.
run_tests() { cargo test --no-fail-fast "${locked[@]}" "$@" 2>&1 | tee -a "$test_log"; }

began=$SECONDS
rm -f "$target/conformance.json" "$test_log"
: >"$server_log"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -n "$quick" ]; then
    export STEPLADDER_TEST_SERVERS=none
    command -v cc >/dev/null 2>&1 || fail "a C compiler is missing; ./install.sh --help names ways to get one"
else
    export STEPLADDER_TEST_SERVERS=all
    command -v cc >/dev/null 2>&1 || phase 'install a C compiler and the rest' install_or_explain
    ran_before=$("$servers" running | tr '\n' ' ')
    started=yes
    # Whoever says which tests are to be run gets all the servers first.
    [ $# -eq 0 ] || late_kind=
    # shellcheck disable=SC2046  # a list of words
    start_servers $("$servers" kinds | grep -vx "$late_kind")
fi

phase 'cargo fmt --check' cargo fmt --check || fail "not formatted; run: cargo fmt"
[ -z "$quick" ] || phase 'cargo clippy' lint || fail "clippy has found something, see above"
phase 'build the tests' cargo test "${locked[@]}" --no-run || fail "the tests do not compile, see above"
lint_status=
if [ -z "$quick" ]; then
    phase 'wait for the servers' wait_for_servers
    lint_beside_tests
    [ -z "$late_kind" ] || start_servers "$late_kind"
fi

if [ -n "$quick" ] || [ -z "$late_kind" ]; then
    phase 'cargo test' run_tests "$@"
    status=$?
else
    phase 'cargo test' run_tests -- --skip "$late_tests"
    status=$?
    phase "wait for $late_kind" wait_for_servers
    phase "cargo test, $late_tests" run_tests -- "$late_tests" || status=$?
fi
if [ -n "$linter" ]; then
    phase 'cargo clippy, beside the tests' wait_for_lint
    lint_status=$?
fi

if [ -s "$target/conformance.json" ]; then
    printf '\n=== conformance\n'
    print_conformance "$target/conformance.json" || echo "the table could not be made from $target/conformance.json"
fi

[ -n "$quick" ] || phase 'stop the servers' cleanup
printf '\n=== times\n%s%4d s  in all\n' "$timings" "$((SECONDS - began))"

printf '\n=== results\n'
grep -aE '^(     Running |   Doc-tests )|test result: ' "$test_log"
awk '/test result: / {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed;?$/) passed += $(i - 1)
            if ($i ~ /^failed;?$/) failed += $(i - 1)
            if ($i ~ /^ignored;?$/) ignored += $(i - 1)
        }
    }
    END { printf "total: %d passed, %d failed, %d skipped\n", passed, failed, ignored }' "$test_log"
if [ "${lint_status:-0}" -ne 0 ]; then
    echo "test.sh: clippy has found something, see above" >&2
    [ "$status" -ne 0 ] || status=$lint_status
fi
[ "$status" -eq 0 ] || [ "$status" -eq "${lint_status:-0}" ] || echo "test.sh: cargo test failed with exit code $status; its whole output is in $test_log" >&2
exit "$status"
