SET LOCAL lock_timeout = '3s';

ALTER TABLE orders DROP COLUMN total_cents;
