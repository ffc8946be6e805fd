# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# MySQL, from Debian's unstable suite unpacked into a folder and run there with chroot, since Debian's stable ones have
# none. Its versions move: nothing here names one. Logins over caching_sha2_password, TLS with a certificate of our own CA.

PORT_BASE=21036
SUITE=sid
ROOT=$TOOLS_DIR/mysql-$SUITE
ROOT_DATA=/srv/data

# shellcheck source=tests/servers/mysql-common.sh
. "$HERE/mysql-common.sh"
# shellcheck source=tests/servers/root-common.sh
. "$HERE/root-common.sh"

kind_packages() {
    mysql_client >/dev/null || echo mariadb-client
    command -v openssl >/dev/null 2>&1 || echo openssl
    root_packages
}

make_root() { unpack_root "$SUITE" "$1" mysql-server-core,mysql-client-core; }

kind_install() { install_root; }

make_data() {
    local path
    path=$(place)
    tls_files "$DIR/tls" && make_place || return 1
    as_root mkdir "$ROOT$path/tls" && as_root cp "$DIR"/tls/ca.crt "$DIR"/tls/server.* "$ROOT$path/tls/" || return 1
    as_root chown -R "$(server_user)" "$ROOT$path" || return 1
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

kind_clean() { remove_place; }

kind_env() {
    mysql_variables MYSQL
    export_line STEPLADDER_TEST_MYSQL_CLIENT "$DIR/mysql"
}
