# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# tinyproxy, Debian's: a forward proxy that wants a login.

PORT_BASE=21030
LOGIN=proxy:proxy-secret-4711

kind_packages() { command -v tinyproxy >/dev/null 2>&1 || echo tinyproxy-bin; }

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT"); }

kind_start() {
    server_folder "$DIR/data" || return 1
    cat >"$DIR/tinyproxy.conf" <<CONF
Port $PORT
Listen 127.0.0.1
Allow 127.0.0.1
BasicAuth ${LOGIN%%:*} ${LOGIN#*:}
LogLevel Warning
CONF
    launch "$(command -v tinyproxy)" -d -c "$DIR/tinyproxy.conf"
    wait_until 20 answers && : >"$DIR/made"
}

kind_env() {
    export_line STEPLADDER_TEST_TINYPROXY_URL "http://$LOGIN@127.0.0.1:$PORT"
}
