-- SQLite makes no index for a foreign key: without this one, "the orders of a customer" reads the whole table.
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at DESC);
