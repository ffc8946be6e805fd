# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# MySQL, from Debian's unstable suite unpacked into a folder and run there with chroot, since Debian's stable ones have
# none. Its versions move: nothing here names one. Logins over caching_sha2_password, TLS with a certificate of our own CA.

PORT_BASE=21036
SUITE=sid
ROOT=$TOOLS_DIR/mysql-$SUITE

# shellcheck source=tests/servers/mysql-common.sh
. "$HERE/mysql-common.sh"

kind_packages() {
    mysql_client >/dev/null || echo mariadb-client
    command -v openssl >/dev/null 2>&1 || echo openssl
    [ -e "$ROOT/complete" ] && return 0
    command -v mmdebstrap >/dev/null 2>&1 || echo mmdebstrap
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

# Debian packages with all they need, unpacked without running their scripts; then what those scripts would have done.
make_root() {
    local dir=$1 d
    # A frozen copy of the suite is good enough for a test, though its date has passed.
    as_root mmdebstrap --quiet --variant=extract --aptopt='Acquire::Check-Valid-Until "false"' \
        --include=mysql-server-core,mysql-client-core,dash "$SUITE" "$dir" </dev/null || return 1
    for d in bin sbin lib lib64; do [ -e "$dir/$d" ] || as_root ln -s "usr/$d" "$dir/$d" || return 1; done
    [ -e "$dir/usr/bin/sh" ] || as_root ln -s dash "$dir/usr/bin/sh" || return 1
    as_root mkdir -p "$dir/srv/data" "$dir/tmp" && as_root chmod 1777 "$dir/tmp" "$dir/srv/data" || return 1
    [ -e "$dir/dev/null" ] || as_root mknod -m 666 "$dir/dev/null" c 1 3 || return 1
    [ -e "$dir/dev/urandom" ] || as_root mknod -m 666 "$dir/dev/urandom" c 1 9 || return 1
    as_root chmod 0755 "$dir" && as_root touch "$dir/complete"
}

kind_install() {
    can_be_root || die "mysql: this server is run with chroot, which needs root; or point STEPLADDER_TEST_MYSQL_URL at your own"
    [ -e "$ROOT/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$ROOT/complete" ] && exit 0
        say "mysql: downloading into $ROOT"
        as_root rm -rf "$ROOT.part" "$ROOT"
        make_root "$ROOT.part" 8>&- && as_root mv "$ROOT.part" "$ROOT"
    ) 8>"$TOOLS_DIR/mysql.lock" >>"$LOG" 2>&1
}

# The data must lie inside the root: a folder there for each state folder, so that two clones do not meet.
place() { echo "/srv/data/$(printf %s "$DIR" | cksum | cut -d' ' -f1)"; }

# The words before a command that runs inside the root.
inside_words() {
    local user
    user=$(server_user)
    INSIDE=("${AS_ROOT[@]}" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C.UTF-8 TZ=UTC
        chroot --userspec="$(id -u "$user"):$(id -g "$user")" "$ROOT")
}

make_data() {
    local path
    path=$(place)
    tls_files "$DIR/tls" || return 1
    as_root rm -rf "$ROOT$path"
    as_root mkdir -p "$ROOT$path/tls" && as_root cp "$DIR"/tls/ca.crt "$DIR"/tls/server.* "$ROOT$path/tls/" || return 1
    as_root chown -R "$(server_user)" "$ROOT$path" && as_root chmod 0700 "$ROOT$path" || return 1
    {
        throwaway_settings "$path/data" "$path/tls"
        printf '%s\n' 'secure-file-priv = NULL' 'mysqlx = OFF'
    } | as_root tee "$ROOT$path/my.cnf" >/dev/null
    "${INSIDE[@]}" mysqld --defaults-file="$path/my.cnf" --initialize-insecure
}

kind_start() {
    local path fresh=
    path=$(place)
    inside_words
    if ! [ -e "$DIR/made" ]; then
        fresh=yes
        make_data >>"$LOG" 2>&1 || return 1
    fi
    spawn "${INSIDE[@]}" mysqld --defaults-file="$path/my.cnf"
    wait_until 60 mysql_answers || return 1
    # What was started through sudo is not sudo's process.
    am_root || record_pid "$(as_root head -n 1 "$ROOT$path/data/pid")"
    client_script >"$DIR/mysql" && chmod 0755 "$DIR/mysql" || return 1
    [ -n "$fresh" ] || return 0
    throwaway_users "IDENTIFIED WITH caching_sha2_password BY '$TEST_PASSWORD'" | mysql_admin >>"$LOG" 2>&1 && : >"$DIR/made"
}

# MySQL's own client with the libraries of its root, run outside of it, so that it sees this machine's files.
client_script() {
    cat <<SCRIPT
#!/bin/sh
root='$ROOT'
for loader in "\$root"/usr/lib/*/ld-linux-*.so.* "\$root"/usr/lib64/ld-linux-*.so.* "\$root"/usr/lib/ld-linux-*.so.*; do
    [ -e "\$loader" ] && break
done
exec "\$loader" --library-path "\$(echo "\$root"/usr/lib/*-linux-gnu*)" "\$root/usr/bin/mysql" "\$@"
SCRIPT
}

kind_clean() {
    [ ! -e "$ROOT$(place)" ] || as_root rm -rf "$ROOT$(place)"
}

kind_env() {
    mysql_variables MYSQL
    export_line STEPLADDER_TEST_MYSQL_CLIENT "$DIR/mysql"
}
