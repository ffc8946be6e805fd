# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# What the Neo4j servers share: the downloads, the start, and a `cypher-shell` as packages install it.

VERSION=${NEO4J_VERSION:-5.26.0}
# Not every server version has its shell on Maven Central; the 5.26 one speaks to 4.4 and to all later ones.
SHELL_VERSION=${NEO4J_SHELL_VERSION:-$VERSION}
HOME_DIR=$TOOLS_DIR/neo4j-$VERSION
SECRET=neo4j-secret-4711
case $VERSION in
4.* | 5.*) MAIN=org.neo4j.server.CommunityEntryPoint ;;
*) MAIN=org.neo4j.server.Neo4jCommunity ;;
esac

kind_packages() {
    command -v javac >/dev/null 2>&1 || echo default-jdk-headless
    command -v mvn >/dev/null 2>&1 || [ -e "$HOME_DIR/complete" ] || echo maven
    command -v curl >/dev/null 2>&1 || echo curl
    command -v openssl >/dev/null 2>&1 || echo openssl
}

dependency() {
    echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>${3:-$VERSION}</version></dependency>"
}

# Downloads artefacts with what they need into a folder.
download() {
    local name=$1
    mkdir -p "$HOME_DIR/$name" || return 1
    cat >"$HOME_DIR/$name/pom.xml" <<XML
<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>$name</artifactId><version>1</version><packaging>pom</packaging><dependencies>$2</dependencies></project>
XML
    mvn -q -B -f "$HOME_DIR/$name/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$HOME_DIR/$name/libs" </dev/null 8>&-
}

# A procedure that sleeps, which Cypher cannot: the suite needs statements that take their time.
sleeper() {
    mkdir -p "$HOME_DIR/plugin/made" || return 1
    cat >"$HOME_DIR/plugin/Sleeper.java" <<'JAVA'
package stepladder;
import org.neo4j.procedure.*;
public class Sleeper {
    @Context public TerminationGuard guard;
    @Procedure("stepladder.sleep")
    public void sleep(@Name("ms") long ms) throws InterruptedException {
        long until = System.nanoTime() + ms * 1000000;
        while (System.nanoTime() < until) {
            Thread.sleep(5);
            guard.check();
        }
    }
}
JAVA
    javac -proc:none -cp "$HOME_DIR/server/libs/*" -d "$HOME_DIR/plugin/made" "$HOME_DIR/plugin/Sleeper.java" &&
        jar cf "$HOME_DIR/plugin/sleeper.jar" -C "$HOME_DIR/plugin/made" .
}

kind_install() {
    [ -e "$HOME_DIR/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$HOME_DIR/complete" ] && exit 0
        say "neo4j: downloading into $HOME_DIR"
        rm -rf "$HOME_DIR"
        mkdir -p "$HOME_DIR/bin"
        download server "$(dependency org.neo4j.app neo4j-server)$(dependency org.neo4j neo4j)" || exit 1
        download shell "$(dependency org.neo4j cypher-shell "$SHELL_VERSION")" || exit 1
        sleeper || exit 1
        cat >"$HOME_DIR/bin/cypher-shell" <<SH
#!/bin/sh
exec java \${JAVA_OPTS:--Xmx256m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:disable -Xlog:all=off -XX:SharedArchiveFile=$HOME_DIR/shell.jsa -cp '$HOME_DIR/shell/libs/*' org.neo4j.shell.Main "\$@"
SH
        chmod 0755 "$HOME_DIR/bin/cypher-shell"
        : >"$HOME_DIR/complete"
    ) 8>"$TOOLS_DIR/neo4j.lock" >>"$LOG" 2>&1
}

settings() {
    cat <<CONF
dbms.security.auth_enabled=true
dbms.security.auth_lock_time=1s
CONF
    case $VERSION in 4.*) settings_4 ;; *) settings_5 ;; esac
}

settings_4() {
    cat <<CONF
dbms.default_listen_address=127.0.0.1
dbms.default_advertised_address=127.0.0.1
dbms.connector.bolt.enabled=true
dbms.connector.bolt.listen_address=127.0.0.1:$PORT
dbms.connector.bolt.advertised_address=127.0.0.1:$PORT
dbms.connector.http.enabled=true
dbms.connector.http.listen_address=127.0.0.1:$((PORT + 1))
dbms.connector.http.advertised_address=127.0.0.1:$((PORT + 1))
dbms.memory.pagecache.size=32m
CONF
}

settings_5() {
    cat <<CONF
server.default_listen_address=127.0.0.1
server.default_advertised_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:$PORT
server.bolt.advertised_address=127.0.0.1:$PORT
server.http.listen_address=127.0.0.1:$((PORT + 1))
server.http.advertised_address=127.0.0.1:$((PORT + 1))
server.memory.pagecache.size=32m
db.tx_log.preallocate=false
db.tx_log.rotation.size=16m
dbms.usage_report.enabled=false
CONF
    [ "$KIND" != neo4j ] || settings_tls
}

# The first server speaks TLS too, on Bolt's own port where it is asked to, and on a port for HTTPS.
settings_tls() {
    local policy
    for policy in bolt https; do
        cat <<CONF
dbms.ssl.policy.$policy.enabled=true
dbms.ssl.policy.$policy.base_directory=$DIR/tls
dbms.ssl.policy.$policy.private_key=server.key
dbms.ssl.policy.$policy.public_certificate=server.crt
dbms.ssl.policy.$policy.client_auth=NONE
CONF
    done
    cat <<CONF
server.bolt.tls_level=OPTIONAL
server.https.enabled=true
server.https.listen_address=127.0.0.1:$(https_port)
server.https.advertised_address=127.0.0.1:$(https_port)
CONF
}

# Behind those of the two other servers.
https_port() { echo $((PORT + 6)); }

answers() { curl -sf "http://127.0.0.1:$((PORT + 1))/" -o /dev/null; }

# A statement from outside.
statement() {
    curl -sf -u "neo4j:$2" -H 'Content-Type: application/json' -d "{\"statements\":[{\"statement\":\"$3\"}]}" \
        "http://127.0.0.1:$((PORT + 1))/db/$1/tx/commit" | grep -q '"errors":\[\]'
}

with_password() { statement neo4j "$SECRET" 'RETURN 1'; }

kind_start() {
    local fresh=
    mkdir -p "$DIR/data/conf" "$DIR/data/plugins" || return 1
    if [ "$KIND" = neo4j ] && ! [ -e "$DIR/tls/server.crt" ]; then tls_files "$DIR/tls" || return 1; fi
    settings >"$DIR/data/conf/neo4j.conf"
    cp "$HOME_DIR/plugin/sleeper.jar" "$DIR/data/plugins/" || return 1
    [ -e "$DIR/made" ] || fresh=yes
    spawn "$(command -v java)" -Xms128m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-OmitStackTraceInFastThrow \
        -Dio.netty.tryReflectionSetAccessible=true -Dlog4j2.disable.jmx=true \
        --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
        --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.util.concurrent=ALL-UNNAMED \
        --add-opens=java.base/java.lang=ALL-UNNAMED \
        -cp "$HOME_DIR/server/libs/*" "$MAIN" \
        "--home-dir=$DIR/data" "--config-dir=$DIR/data/conf" --console-mode
    wait_until 120 answers || return 1
    if [ -n "$fresh" ]; then
        statement system neo4j "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO '$SECRET'" || return 1
    fi
    wait_until 30 with_password || return 1
    : >"$DIR/made"
    archive >>"$LOG" 2>&1
}

# A class data archive of the shell, made by running it once, takes half a second off each of its starts.
archive() {
    (
        flock 8
        [ -e "$HOME_DIR/shell.jsa" ] && exit 0
        sed "s|-XX:SharedArchiveFile=[^ ]*|-XX:ArchiveClassesAtExit=$HOME_DIR/shell.jsa.part|" "$HOME_DIR/bin/cypher-shell" >"$DIR/archive.sh"
        echo 'CREATE (n:Warm {a: 1}) DELETE n; RETURN 1;' |
            NEO4J_PASSWORD=$SECRET sh "$DIR/archive.sh" -a "bolt://127.0.0.1:$PORT" -u neo4j --format plain
        [ ! -e "$HOME_DIR/shell.jsa.part" ] || mv "$HOME_DIR/shell.jsa.part" "$HOME_DIR/shell.jsa"
    ) 8>"$TOOLS_DIR/neo4j.lock"
    return 0
}
