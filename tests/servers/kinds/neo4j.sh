# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# Neo4j Community with cypher-shell, both from Maven Central. A Community server has one database for users, and each trial
# of the suite wants one for itself: `neo4j2` and `neo4j3` are the same server again.

PORT_BASE=21687
PORT_COUNT=2
NEEDS='neo4j2 neo4j3'

# shellcheck source=tests/servers/neo4j-common.sh
. "$HERE/neo4j-common.sh"

kind_env() {
    export_line STEPLADDER_TEST_NEO4J_URL "neo4j://neo4j:$SECRET@127.0.0.1:$PORT"
    export_line STEPLADDER_TEST_NEO4J_POOL "$PORT $(port_of neo4j2) $(port_of neo4j3)"
    export_line STEPLADDER_TEST_NEO4J_HTTPS "https://localhost:$(https_port)"
    export_line STEPLADDER_TEST_NEO4J_CA "$DIR/tls/ca.crt"
    export_line STEPLADDER_TEST_NEO4J_WRONG_CA "$DIR/tls/wrong-ca.crt"
    # shellcheck disable=SC2016 # the reader's own PATH is meant
    printf 'export PATH=%s:"$PATH"\n' "$(quoted "$HOME_DIR/bin")"
}
