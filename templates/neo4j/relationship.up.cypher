// Gives a relationship another type, batch by batch: a type cannot be changed, so each is made anew and the old one deleted.
// Each batch is a transaction of its own and finds only old ones, so the script can run again after an interruption.
MATCH (a)-[old:OLD_TYPE]->(b)
CALL (a, old, b) {
  CREATE (a)-[new:NEW_TYPE]->(b) SET new = properties(old)
  DELETE old
} IN TRANSACTIONS OF 10000 ROWS;
