SET LOCAL lock_timeout = '3s';

ALTER TABLE orders DROP CONSTRAINT orders_total_cents_set;
