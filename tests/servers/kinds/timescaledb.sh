# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# TimescaleDB on PostgreSQL 17, from Debian 13 unpacked into a folder and run there with chroot, whatever Debian this
# machine has. Debian builds it under the Apache licence alone: no compression, no policies, no continuous aggregates.

PORT_BASE=21017
SUITE=trixie
ROOT=$TOOLS_DIR/timescaledb-$SUITE
ROOT_DATA=/srv/clusters

# shellcheck source=tests/servers/postgres-common.sh
. "$HERE/postgres-common.sh"
# shellcheck source=tests/servers/root-common.sh
. "$HERE/root-common.sh"

ROOT_BIN=/usr/lib/postgresql/17/bin

kind_packages() {
    command -v psql >/dev/null 2>&1 || echo postgresql-client
    root_packages
}

make_root() { unpack_root "$SUITE" "$1" postgresql-17-timescaledb; }

kind_install() { install_root; }

make_cluster() {
    local path
    path=$(place)
    make_place || return 1
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
    path=$(place)
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
kind_clean() { remove_place; }

kind_env() {
    export_line STEPLADDER_TEST_TIMESCALEDB_URL "$(postgres_url "$TEST_ROLE" "$PORT")"
    export_line STEPLADDER_TEST_TIMESCALEDB_ADMIN_URL "$(postgres_admin_url "$PORT")"
}
