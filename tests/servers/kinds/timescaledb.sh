# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# TimescaleDB on PostgreSQL 17, from Debian 13 unpacked into a folder and run there with chroot, whatever Debian this
# machine has. Debian builds it under the Apache licence alone: no compression, no policies, no continuous aggregates.

PORT_BASE=21017
SUITE=trixie
ROOT=$TOOLS_DIR/timescaledb-$SUITE

# shellcheck source=tests/servers/postgres-common.sh
. "$HERE/postgres-common.sh"

ROOT_BIN=/usr/lib/postgresql/17/bin

kind_packages() {
    command -v psql >/dev/null 2>&1 || echo postgresql-client
    [ -e "$ROOT/complete" ] && return 0
    command -v mmdebstrap >/dev/null 2>&1 || echo mmdebstrap
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

# Debian packages with all they need, unpacked without running their scripts; then what those scripts would have done.
make_root() {
    local dir=$1 d
    as_root mmdebstrap --quiet --variant=extract --include=postgresql-17-timescaledb,dash "$SUITE" "$dir" </dev/null || return 1
    for d in bin sbin lib lib64; do [ -e "$dir/$d" ] || as_root ln -s "usr/$d" "$dir/$d" || return 1; done
    [ -e "$dir/usr/bin/sh" ] || as_root ln -s dash "$dir/usr/bin/sh" || return 1
    as_root mkdir -p "$dir/dev/shm" "$dir/srv/clusters" "$dir/tmp" && as_root chmod 1777 "$dir/dev/shm" "$dir/tmp" "$dir/srv/clusters" || return 1
    [ -e "$dir/dev/null" ] || as_root mknod -m 666 "$dir/dev/null" c 1 3 || return 1
    [ -e "$dir/dev/urandom" ] || as_root mknod -m 666 "$dir/dev/urandom" c 1 9 || return 1
    as_root chmod 0755 "$dir" && as_root touch "$dir/complete"
}

kind_install() {
    can_be_root || die "timescaledb: this server is run with chroot, which needs root; or point STEPLADDER_TEST_TIMESCALEDB_URL at your own"
    [ -e "$ROOT/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$ROOT/complete" ] && exit 0
        say "timescaledb: downloading into $ROOT"
        as_root rm -rf "$ROOT.part" "$ROOT"
        make_root "$ROOT.part" 8>&- && as_root mv "$ROOT.part" "$ROOT"
    ) 8>"$TOOLS_DIR/timescaledb.lock" >>"$LOG" 2>&1
}

# The data must lie inside the root: a folder there for each state folder, so that two clones do not meet.
cluster() { echo "/srv/clusters/$(printf %s "$DIR" | cksum | cut -d' ' -f1)"; }

# The words before a command that runs inside the root.
inside_words() {
    local user
    user=$(server_user)
    INSIDE=("${AS_ROOT[@]}" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 TZ=UTC
        chroot --userspec="$(id -u "$user"):$(id -g "$user")" "$ROOT")
}

make_cluster() {
    local user path
    user=$(server_user) path=$(cluster)
    # initdb asks for the name of the user that runs it.
    if ! grep -q "^$user:" "$ROOT/etc/passwd" 2>/dev/null; then
        echo "$user:x:$(id -u "$user"):$(id -g "$user")::/tmp:/bin/sh" | as_root tee -a "$ROOT/etc/passwd" >/dev/null || return 1
    fi
    # The root has a shell and the server, and no other programs: files are made from outside.
    as_root rm -rf "$ROOT$path"
    as_root mkdir -p "$ROOT$path" && as_root chown "$user" "$ROOT$path" && as_root chmod 0700 "$ROOT$path" || return 1
    "${INSIDE[@]}" "$ROOT_BIN/initdb" -D "$path/data" -A trust -U postgres --no-sync -E UTF8 || return 1
    {
        throwaway_settings "$PORT"
        echo "shared_preload_libraries = 'timescaledb'"
        echo "timescaledb.telemetry_level = off"
    } | as_root tee -a "$ROOT$path/data/postgresql.conf" >/dev/null || return 1
    throwaway_hba | as_root tee "$ROOT$path/data/pg_hba.conf" >/dev/null
}

kind_start() {
    local path fresh=
    path=$(cluster)
    inside_words
    if ! [ -e "$DIR/made" ]; then
        fresh=yes
        make_cluster >>"$LOG" 2>&1 || return 1
    fi
    spawn "${INSIDE[@]}" "$ROOT_BIN/postgres" -D "$path/data"
    wait_until 60 postgres_answers || return 1
    # What was started through sudo is not sudo's process.
    am_root || record_pid "$(as_root head -n 1 "$ROOT$path/data/postmaster.pid")"
    [ -n "$fresh" ] || return 0
    {
        throwaway_roles
        echo '\connect stepladder'
        echo 'CREATE EXTENSION timescaledb;'
    } | psql -X -q -v ON_ERROR_STOP=1 "$(postgres_admin_url "$PORT")" >>"$LOG" 2>&1 && : >"$DIR/made"
}

kind_stop() { end_with INT 20; }
kind_kill() { end_with QUIT 10; }
kind_clean() {
    [ ! -e "$ROOT$(cluster)" ] || as_root rm -rf "$ROOT$(cluster)"
}

kind_env() {
    export_line STEPLADDER_TEST_TIMESCALEDB_URL "$(postgres_url "$TEST_ROLE" "$PORT")"
    export_line STEPLADDER_TEST_TIMESCALEDB_ADMIN_URL "$(postgres_admin_url "$PORT")"
}
