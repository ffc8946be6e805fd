MATCH (c:Customer)-[old:ORDERED]->(p:Product)
CALL (c, old, p) {
  CREATE (c)-[new:BOUGHT]->(p) SET new = properties(old)
  DELETE old
} IN TRANSACTIONS OF 1000 ROWS;
