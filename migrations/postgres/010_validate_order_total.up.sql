-- Reads the whole table once, while the shop goes on reading and writing.
-- After that SET NOT NULL takes the constraint as proof and need not read it again (PostgreSQL 12 and later).
SET LOCAL lock_timeout = '3s';

ALTER TABLE orders VALIDATE CONSTRAINT orders_total_cents_set;
ALTER TABLE orders ALTER COLUMN total_cents SET NOT NULL;
ALTER TABLE orders DROP CONSTRAINT orders_total_cents_set;
