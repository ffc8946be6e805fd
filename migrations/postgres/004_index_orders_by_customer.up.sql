-- PostgreSQL makes no index for a foreign key: without this one, "the orders of a customer" reads the whole table.
-- CONCURRENTLY lets the shop go on writing while the index is built; it cannot run inside a transaction.
-- stepladder: no-transaction

-- No lock timeout here: waiting blocks nobody, and a build that is cut short leaves an INVALID index behind.
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS orders_customer_id_idx; -- what a failed try may have left
CREATE INDEX CONCURRENTLY orders_customer_id_idx ON orders (customer_id, placed_at DESC);
