// The first two customers and what they bought.
MERGE (c:Customer {id: 1}) SET c.email = 'ada@example.org';
MERGE (c:Customer {id: 2}) SET c.email = 'grace@example.org';
MATCH (a:Customer {id: 1}), (g:Customer {id: 2})
MERGE (p:Product {sku: 'ladder'})
MERGE (a)-[:BOUGHT]->(p)
MERGE (g)-[:BOUGHT]->(p);
