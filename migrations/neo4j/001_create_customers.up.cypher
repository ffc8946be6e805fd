// Customers, found by their number and by their address.
CREATE CONSTRAINT customer_id IF NOT EXISTS FOR (c:Customer) REQUIRE c.id IS UNIQUE;
CREATE INDEX customer_email IF NOT EXISTS FOR (c:Customer) ON (c.email);
CALL db.awaitIndexes(300);
