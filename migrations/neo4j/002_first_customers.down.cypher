MATCH (p:Product {sku: 'ladder'}) DETACH DELETE p;
MATCH (c:Customer) WHERE c.id IN [1, 2] DETACH DELETE c;
