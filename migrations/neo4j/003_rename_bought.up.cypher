// BOUGHT becomes ORDERED, in batches.
MATCH (c:Customer)-[old:BOUGHT]->(p:Product)
CALL (c, old, p) {
  CREATE (c)-[new:ORDERED]->(p) SET new = properties(old)
  DELETE old
} IN TRANSACTIONS OF 1000 ROWS;
