-- stepladder: no-transaction
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS orders_customer_id_idx;
