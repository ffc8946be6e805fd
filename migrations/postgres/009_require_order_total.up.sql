-- From here on no order comes without its total.
-- NOT VALID skips reading the rows that exist, so the lock is held for a moment only; 010 reads them.
SET LOCAL lock_timeout = '3s';

ALTER TABLE orders ADD CONSTRAINT orders_total_cents_set CHECK (total_cents IS NOT NULL) NOT VALID;
