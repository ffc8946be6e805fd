#!/usr/bin/env bash
# Real servers for the tests, on loopback. See README.md beside this file.
# shellcheck disable=SC2030,SC2031,SC2317 # every kind has its variables and functions in a subshell of its own, on purpose
set -u

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit 1
REPO=$(dirname "$(dirname "$HERE")")

# shellcheck source=tests/servers/lib.sh
. "$HERE/lib.sh"

usage() {
    cat <<'USAGE'
Usage: tests/servers/servers.sh COMMAND [KIND...]

  start     installs what is missing and starts the servers, side by side
  stop      stops them and throws their data away; the logs stay
  restart   stops and starts again with the same data
  kill      ends them at once, as a crash would; start finds the data again
  env       prints the variables for the tests:  eval "$(tests/servers/servers.sh env)"
  status    a line per kind: running or not, port, pid
  running   the kinds that run, a line each
  packages  the Debian packages that start would install, a line each
  kinds     the kinds there are

Without KIND: all of them. start passes over a kind whose STEPLADDER_TEST_<KIND>_URL is set.

  STEPLADDER_SERVERS_DIR   data, logs and pids     (default: target/servers in the repository)
  STEPLADDER_TOOLS_DIR     downloaded servers      (default: the user's cache folder, stepladder-tests)
USAGE
}

all_kinds() {
    local file
    for file in "$HERE"/kinds/*.sh; do basename "$file" .sh; done
}

# A folder for the state that the servers' user can enter. A clone below a closed home folder is moved to /tmp, always to the
# same place, so that the next command finds it.
state_folder() {
    local wanted=$1 other
    mkdir -p "$wanted" || exit 1
    wanted=$(cd "$wanted" && pwd -P) || exit 1
    chmod 0755 "$wanted"
    if as_server test -x "$wanted" 2>/dev/null; then
        echo "$wanted"
        return
    fi
    other=${TMPDIR:-/tmp}
    as_server test -x "$other" || other=/tmp
    other=$other/stepladder-servers-$(id -u)-$(printf %s "$wanted" | cksum | cut -d' ' -f1)
    if [ -L "$other" ] || { [ -e "$other" ] && ! [ -O "$other" ]; }; then
        die "$other belongs to somebody else; set STEPLADDER_SERVERS_DIR"
    fi
    mkdir -p "$other" && chmod 0755 "$other" || exit 1
    echo "$other"
}

SERVERS_DIR=$(state_folder "${STEPLADDER_SERVERS_DIR:-${CARGO_TARGET_DIR:-$REPO/target}/servers}") || exit 1
TOOLS_DIR=${STEPLADDER_TOOLS_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/stepladder-tests}
case $TOOLS_DIR in /*) ;; *) TOOLS_DIR=$PWD/$TOOLS_DIR ;; esac

# Runs something with a kind's file loaded, in a process of its own.
with_kind() (
    KIND=$1
    DIR=$SERVERS_DIR/$KIND
    LOG=$SERVERS_DIR/$KIND.log
    shift
    mkdir -p "$DIR" && chmod 0755 "$DIR" || exit 1
    kind_packages() { :; }
    kind_install() { :; }
    kind_stop() { end_with TERM 20; }
    kind_kill() { end_with KILL 5; }
    kind_clean() { :; }
    # shellcheck source=/dev/null
    . "$HERE/kinds/$KIND.sh"
    PORT=$(cat "$DIR/port" 2>/dev/null)
    "$@"
)

is_running() { with_kind "$1" running_pid >/dev/null; }

# One state folder, one command at a time. Servers must not inherit the lock: it is closed for them.
locked() {
    if command -v flock >/dev/null 2>&1; then
        exec 9>"$SERVERS_DIR/lock"
        flock -w 600 9 || die "another command has held $SERVERS_DIR/lock for ten minutes"
    fi
}

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }'; }

# --- one kind ----------------------------------------------------------------------------------------------------

packages_one() { kind_packages; }

needs_one() { for kind in ${NEEDS:-}; do echo "$kind"; done; }

# The port is given out before anything starts, so that a kind can be told another's.
port_one() { choose_port "$PORT_BASE" "${PORT_COUNT:-1}"; }

show_log() {
    say "$KIND: the end of $LOG:"
    tail -n 25 "$LOG" | sed 's/^/    /' >&2
}

start_one() {
    local began pid
    began=$(date +%s.%N)
    if pid=$(running_pid); then
        say "$KIND: already running on port $PORT, pid $pid"
        return 0
    fi
    printf '\n--- start %s\n' "$(date)" >>"$LOG"
    : >"$LOG.ready"
    if ! kind_install; then
        show_log
        die "$KIND: could not be installed"
    fi
    if ! kind_start; then
        if [ -e "$DIR/made" ]; then
            say "$KIND: did not start on the data it left; starting afresh"
            end_with KILL 5
            kind_clean
            rm -rf "$DIR/data" "$DIR/made"
            if kind_start; then
                say "$KIND: port $PORT, pid $(running_pid), after $(seconds_since "$began") s"
                return 0
            fi
        fi
        show_log
        end_with KILL 5
        die "$KIND: did not start"
    fi
    pid=$(running_pid) || {
        show_log
        die "$KIND: gone again right after its start"
    }
    say "$KIND: port $PORT, pid $pid, after $(seconds_since "$began") s"
}

halt_one() {
    running_pid >/dev/null || return 0
    "$1"
    rm -f "$DIR/pid"
    say "$KIND: $2"
}

stop_one() {
    halt_one kind_stop stopped
    kind_clean
    rm -rf "$DIR"
}

status_one() {
    local pid
    if pid=$(running_pid); then
        printf '%-12s running  port %s  pid %s  log %s\n' "$KIND" "$PORT" "$pid" "$LOG"
    else
        printf '%-12s stopped\n' "$KIND"
    fi
}

# Of a kind whose server is the user's own nothing is said, though ours may run below another kind.
env_one() {
    local lines name
    running_pid >/dev/null || return 0
    lines=$(kind_env)
    name=$(url_variable "$KIND")
    if has_own_server "$KIND" && [[ $lines != *"export $name=$(quoted "${!name}")"* ]]; then return 0; fi
    printf '%s\n' "$lines"
}

# --- many kinds --------------------------------------------------------------------------------------------------

# Does the same to every kind at once; fails when one did.
side_by_side() {
    local what=$1 kind pids=() failed=0 pid
    shift
    for kind in "${kinds[@]}"; do
        with_kind "$kind" "$what" "$@" 9>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return "$failed"
}

# Whose server the user runs himself is left out, unless another kind stands on ours.
kinds_to_start() {
    local kind need wanted=()
    for kind in "$@"; do
        if has_own_server "$kind"; then
            say "$kind: $(url_variable "$kind") is set, nothing to start"
        else
            wanted+=("$kind")
        fi
    done
    for kind in "${wanted[@]}"; do
        for need in $(with_kind "$kind" needs_one); do
            case " ${wanted[*]} " in *" $need "*) ;; *) wanted+=("$need") ;; esac
        done
    done
    [ ${#wanted[@]} -eq 0 ] || printf '%s\n' "${wanted[@]}"
}

start_all() {
    local kind missing
    mapfile -t kinds < <(kinds_to_start "${kinds[@]}")
    [ ${#kinds[@]} -gt 0 ] || return 0
    locked
    missing=$(packages_all)
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086  # a list of words
        if ! apt_install $missing >"$SERVERS_DIR/apt.log" 2>&1 9>&-; then
            tail -n 25 "$SERVERS_DIR/apt.log" >&2
            die "these packages are needed and could not be installed: $(echo "$missing" | tr '\n' ' ')"
        fi
    fi
    for kind in "${kinds[@]}"; do with_kind "$kind" port_one || exit 1; done
    side_by_side start_one
}

packages_all() {
    for kind in "${kinds[@]}"; do with_kind "$kind" packages_one; done | sort -u
}

command=${1:-}
[ $# -eq 0 ] || shift
mapfile -t kinds < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else all_kinds; fi)
for kind in "${kinds[@]}"; do
    if ! [ -e "$HERE/kinds/$kind.sh" ]; then
        say "unknown kind $kind; there are: $(all_kinds | tr '\n' ' ')"
        exit 2
    fi
done

case $command in
start) start_all ;;
stop)
    locked
    side_by_side stop_one
    ;;
kill)
    locked
    side_by_side halt_one kind_kill killed
    ;;
restart)
    locked
    side_by_side halt_one kind_stop stopped || exit 1
    for kind in "${kinds[@]}"; do with_kind "$kind" port_one || exit 1; done
    side_by_side start_one
    ;;
env) for kind in "${kinds[@]}"; do with_kind "$kind" env_one; done ;;
status) for kind in "${kinds[@]}"; do with_kind "$kind" status_one; done ;;
running) for kind in "${kinds[@]}"; do if is_running "$kind"; then echo "$kind"; fi; done ;;
packages)
    mapfile -t kinds < <(kinds_to_start "${kinds[@]}" 2>/dev/null)
    if [ ${#kinds[@]} -gt 0 ]; then packages_all; fi
    ;;
kinds) all_kinds ;;
-h | --help | help) usage ;;
*)
    usage >&2
    exit 2
    ;;
esac
