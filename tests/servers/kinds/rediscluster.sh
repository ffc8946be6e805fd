# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# Two Redis Clusters of three masters each without replicas, from Debian's redis-server, with a login by password and by user: two,
# since a cluster has one database. The six ports follow each other, and the tests count on that.

PORT_BASE=21920

# A word that a search for leaked secrets finds anywhere.
CLUSTER_SECRET=ladder-secret-6071

kind_packages() {
    command -v redis-server >/dev/null 2>&1 || echo redis-server
    command -v redis-cli >/dev/null 2>&1 || echo redis-tools
}

kind_install() { :; }

node_settings() {
    cat <<SETTINGS
bind 127.0.0.1
port $1
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 5000
dir $DIR/data/$1
save ""
appendonly yes
appendfsync no
lua-time-limit 300
user default on >$CLUSTER_SECRET ~* &* +@all
user tester on >$CLUSTER_SECRET ~* &* +@all
SETTINGS
}

node() { REDISCLI_AUTH=$CLUSTER_SECRET redis-cli -h 127.0.0.1 -p "$1" "${@:2}"; }

node_answers() { node "$1" ping | grep -q PONG; }

cluster_is_whole() {
    local i
    for i in 0 1 2 3 4 5; do
        node $((PORT + i)) cluster info | tr -d '\r' | grep -qx 'cluster_state:ok' || return 1
        node $((PORT + i)) cluster info | tr -d '\r' | grep -qx 'cluster_known_nodes:3' || return 1
    done
}

# lib.sh's pid is the first node's.
other_pid() {
    local pid when
    [ -s "$DIR/node-$1.pid" ] || return 1
    { read -r pid && read -r when; } <"$DIR/node-$1.pid"
    [ "$(born "$pid")" = "$when" ] && echo "$pid"
}

end_others() {
    local i pid
    for i in 1 2 3 4 5; do
        if pid=$(other_pid $i); then kill -s "$1" "$pid" 2>/dev/null; fi
        rm -f "$DIR/node-$i.pid"
    done
}

# Makes a cluster of three nodes, whose ports follow each other.
join() {
    local i
    node "$1" cluster addslotsrange 0 5460 && node $(($1 + 1)) cluster addslotsrange 5461 10922 || return 1
    node $(($1 + 2)) cluster addslotsrange 10923 16383 || return 1
    for i in 0 1 2; do node $(($1 + i)) cluster set-config-epoch $((i + 1)) || return 1; done
    node "$1" cluster meet 127.0.0.1 $(($1 + 1)) && node "$1" cluster meet 127.0.0.1 $(($1 + 2))
}

kind_start() {
    local i made=
    [ -e "$DIR/made" ] || rm -rf "$DIR/data"
    [ ! -e "$DIR/made" ] || made=yes
    for i in 5 4 3 2 1 0; do
        mkdir -p "$DIR/data/$((PORT + i))" || return 1
        (umask 077 && node_settings $((PORT + i)) >"$DIR/node-$i.conf")
        spawn redis-server "$DIR/node-$i.conf"
        [ "$i" -eq 0 ] || mv "$DIR/pid" "$DIR/node-$i.pid"
    done
    for i in 0 1 2 3 4 5; do wait_until 30 node_answers $((PORT + i)) || return 1; done
    if [ -z "$made" ]; then
        { join "$PORT" && join $((PORT + 3)); } >>"$LOG" 2>&1 || return 1
    fi
    wait_until 30 cluster_is_whole && : >"$DIR/made"
}

kind_stop() {
    end_others TERM
    end_with TERM 10
}

kind_kill() {
    end_others KILL
    end_with KILL 5
}

kind_env() { export_line STEPLADDER_TEST_REDISCLUSTER_URL "redis://tester:$CLUSTER_SECRET@127.0.0.1:$PORT"; }
