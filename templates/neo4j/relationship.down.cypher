// The same the other way round.
MATCH (a)-[old:NEW_TYPE]->(b)
CALL (a, old, b) {
  CREATE (a)-[new:OLD_TYPE]->(b) SET new = properties(old)
  DELETE old
} IN TRANSACTIONS OF 10000 ROWS;
