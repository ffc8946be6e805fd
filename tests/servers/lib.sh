# shellcheck shell=bash
# What the files under kinds/ share. Sourced, never run.
#
# A kind is one file kinds/<kind>.sh. It sets PORT_BASE, PORT_COUNT where it needs more than one port in a row, and may set
# NEEDS (other kinds), and defines
#   kind_packages   prints the Debian packages that are missing on this machine
#   kind_install    makes the programs usable (downloads go to $TOOLS_DIR); runs before kind_start
#   kind_start      starts the server on 127.0.0.1:$PORT with its data under $DIR/data, returns when it answers,
#                   calls `record_pid PID`; finds the old data when the server was killed before
#   kind_env        calls `export_line NAME VALUE` for each variable of a running server
# and may define
#   kind_stop       ends the server in an orderly way (default: SIGTERM to the recorded pid)
#   kind_kill       ends it at once, as a crash would (default: SIGKILL to the recorded pid)
#   kind_clean      removes what kind_start made outside $DIR
# It finds KIND, DIR (its own state folder), LOG, PORT, SERVERS_DIR and TOOLS_DIR set.

say() { printf 'servers: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# --- who runs what -----------------------------------------------------------------------------------------------

am_root() { [ "$(id -u)" -eq 0 ]; }

# What makes a command run as root: nothing for root, else sudo, which must not ask for a password.
AS_ROOT=()
am_root || AS_ROOT=(sudo -n)

as_root() { "${AS_ROOT[@]}" "$@"; }

can_be_root() { as_root true 2>/dev/null; }

# Database servers refuse to run as root, so root starts them as this user.
server_user() {
    if ! am_root; then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

as_server() {
    if am_root; then
        setpriv --reuid="$(id -u "$(server_user)")" --regid="$(id -g "$(server_user)")" --clear-groups -- "$@"
    else
        "$@"
    fi
}

# Makes a folder that the server's user owns.
server_folder() {
    mkdir -p "$1" && chmod 0700 "$1" || return 1
    if am_root; then chown "$(server_user)" "$1"; fi
}

# A folder in memory for a server whose every write waits for the disk, where there is room; else one on the disk.
memory_folder() {
    local free
    free=$(df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    if [ -w /dev/shm ] && [ "${free:-0}" -ge 1024 ]; then
        echo "/dev/shm/stepladder-tests-$(printf %s "$DIR" | cksum | cut -d' ' -f1)"
    else
        echo "$DIR/data"
    fi
}

# --- packages ----------------------------------------------------------------------------------------------------

# Installs Debian packages, one apt at a time over all the kinds; says what to do where it cannot.
apt_install() {
    [ $# -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        say "missing here: $* (these are Debian's package names; this machine has no apt-get). Install them, then start again."
        return 1
    fi
    if ! can_be_root; then
        say "missing here; install with: sudo apt-get install -y --no-install-recommends $*"
        return 1
    fi
    # Debian's package would create and start a cluster of its own on port 5432.
    if ! [ -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    say "installing $*"
    apt_get install -y --no-install-recommends "$@" || { apt_get update && apt_get install -y --no-install-recommends "$@"; }
}

# In a session of its own: an interrupt of ours must not leave half-configured packages behind.
apt_get() { setsid -w "${AS_ROOT[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null; }

# --- processes ---------------------------------------------------------------------------------------------------

# When a process was started, so that a pid that was given out again is not taken for the server.
born() {
    if [ -r "/proc/$1/stat" ]; then
        sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20
    else
        ps -o lstart= -p "$1" 2>/dev/null
    fi
}

record_pid() {
    printf '%s\n%s\n' "$1" "$(born "$1")" >"$DIR/pid"
}

# Starts a command in the background and records its pid; its words go to the log. It gets a process group of its own, so
# that Ctrl-C at the tests' terminal leaves the stopping to us.
spawn() {
    set -m
    # exec, so that the pid is the server's and not that of a shell around it
    (cd / && exec "$@") >>"$LOG" 2>&1 </dev/null &
    set +m
    record_pid $!
}

# The same as the servers' user.
launch() {
    if am_root; then
        spawn setpriv --reuid="$(id -u "$(server_user)")" --regid="$(id -g "$(server_user)")" --clear-groups -- "$@"
    else
        spawn "$@"
    fi
}

# The pid of this kind's server; fails when it does not run.
running_pid() {
    local pid when
    [ -s "$DIR/pid" ] || return 1
    { read -r pid && read -r when; } <"$DIR/pid" || return 1
    kill -0 "$pid" 2>/dev/null && [ "$(born "$pid")" = "$when" ] || return 1
    [ "$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d' ' -f1)" != Z ] || return 1
    echo "$pid"
}

# The home of a Java that has a security manager, which 24 has not any more and some servers still ask for.
java_home() {
    local home
    for home in /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/java-21-openjdk-*; do
        [ -x "$home/bin/java" ] && echo "$home" && return
    done
    home=$(readlink -f "$(command -v java)") && dirname "$(dirname "$home")"
}

# Sends a signal to the server and waits until it is gone; past SECONDS it is killed.
end_with() {
    local signal=$1 seconds=$2 pid i
    pid=$(running_pid) || return 0
    kill -s "$signal" "$pid" 2>/dev/null || return 0
    for ((i = 0; i < seconds * 20; i++)); do
        running_pid >/dev/null || return 0
        sleep 0.05
    done
    say "$KIND: still there $seconds s after SIG$signal, killing it"
    kill -s KILL "$pid" 2>/dev/null
    sleep 0.2
}

# A second process of a kind, with a name: companion NAME COMMAND... What waits for it ends when it is gone.
companion() {
    local name=$1
    shift
    end_companion "$name"
    (cd / && exec setsid "$@") >>"$LOG" 2>&1 </dev/null &
    COMPANION=$!
    printf '%s\n%s\n' $! "$(born $!)" >"$DIR/$name.pid"
}

end_companion() {
    local pid when
    [ -s "$DIR/$1.pid" ] || return 0
    { read -r pid && read -r when; } <"$DIR/$1.pid"
    [ "$(born "$pid")" = "$when" ] && kill "$pid" 2>/dev/null
    rm -f "$DIR/$1.pid"
}

# Polls a command until it succeeds, or the server is gone.
wait_until() {
    local seconds=$1 i
    shift
    for ((i = 0; i < seconds * 20; i++)); do
        "$@" >>"$LOG.ready" 2>&1 && return 0
        running_pid >/dev/null || return 1
        [ -z "${COMPANION:-}" ] || kill -0 "$COMPANION" 2>/dev/null || return 1
        sleep 0.05
    done
    say "$KIND: no answer after $seconds s; the last words of the probe: $(tail -n 2 "$LOG.ready" 2>/dev/null)"
    return 1
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ports that were given out, by state folders of all clones: their servers may not have come up yet.
CLAIMS=/tmp/stepladder-ports-$(id -u)

# A claim is a file named by its port; it says which state folder has it and what that one's first port is. It is void as soon
# as that folder has gone or has another port.
is_claimed() {
    local first folder
    [ -s "$CLAIMS/$1" ] && { read -r first && read -r folder; } <"$CLAIMS/$1" || return 1
    [ "$folder" != "$DIR" ] && [ "$(cat "$folder/port" 2>/dev/null)" = "$first" ]
}

ports_are_free() {
    local port
    for ((port = $1; port < $1 + $2; port++)); do
        ! is_claimed "$port" && port_is_free "$port" || return 1
    done
}

claim_ports() {
    local port
    for ((port = $1; port < $1 + $2; port++)); do
        printf '%s\n%s\n' "$1" "$DIR" >"$CLAIMS/$port" || return 1
    done
    echo "$1" >"$DIR/port"
}

# Gives this kind its ports: those that it had before, else the first free ones, from $1 on in steps of 40, each round a bit
# further on; $2 is how many.
choose_port() (
    port=$1
    [ ! -s "$DIR/port" ] || exit 0
    [ -e "$CLAIMS" ] || mkdir -m 0700 "$CLAIMS" 2>/dev/null
    { [ -O "$CLAIMS" ] && ! [ -L "$CLAIMS" ]; } || die "$CLAIMS belongs to somebody else; remove it"
    if command -v flock >/dev/null 2>&1; then exec 8>"$CLAIMS/lock" && flock 8; fi
    for ((i = 0; i < 200; i++)); do
        if ports_are_free "$port" "$2"; then
            claim_ports "$port" "$2"
            exit
        fi
        port=$((port + 40))
        [ $((port + $2)) -le 22000 ] || port=$((port - 995))
    done
    die "$KIND: no free port found between 21000 and 21999"
)

port_of() { cat "$SERVERS_DIR/$1/port"; }

# A server's certificate, the CA that signed it, and one that signed nothing, into a folder; server.pem is what servers want
# that read one file. $2 is who it is made out to: localhost and 127.0.0.1 where nothing is said.
tls_files() {
    local tls=$1 names=${2:-DNS:localhost,IP:127.0.0.1}
    mkdir -p "$tls"
    (
        cd "$tls" || exit 1
        for ca in ca wrong-ca; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout "$ca.key" -out "$ca.crt" \
                -subj "/CN=Stepladder tests $ca" -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
        done
        openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=localhost
        printf '%s\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' 'extendedKeyUsage=serverAuth' \
            "subjectAltName=$names" >server.ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.crt
        cat server.key server.crt ca.crt >server.pem
        chmod 0600 ./*.key server.pem
        chmod 0644 ./*.crt
    ) >>"$LOG" 2>&1 || return 1
    if am_root; then chown "$(server_user)" "$tls/server.key" "$tls/server.pem"; fi
}

# --- what the tests are told -------------------------------------------------------------------------------------

# A value in single quotes, as the shell takes it.
quoted() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }

export_line() { printf 'export %s=%s\n' "$1" "$(quoted "$2")"; }

url_variable() { echo "STEPLADDER_TEST_$(echo "$1" | tr '[:lower:]' '[:upper:]')_URL"; }

has_own_server() {
    local name
    name=$(url_variable "$1")
    [ -n "${!name:-}" ]
}
