// Fills a property of the nodes that exist, batch by batch, while the database stays in use.
// Each batch is a transaction of its own. Only nodes that are not filled yet are changed, so the script can run again after an
// interruption. (Neo4j 4.4 and early 5 write `CALL { WITH n SET ... }`.)
MATCH (n:{{table}}) WHERE n.note IS NULL
CALL (n) { SET n.note = toLower(coalesce(n.name, '')) } IN TRANSACTIONS OF 10000 ROWS;
