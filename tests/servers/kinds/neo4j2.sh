# shellcheck shell=bash disable=SC2034 # servers.sh reads what is set here
# One more Neo4j, for trials side by side: see neo4j.sh.

PORT_BASE=21689
PORT_COUNT=2

# shellcheck source=tests/servers/neo4j-common.sh
. "$HERE/neo4j-common.sh"

kind_env() { :; }
