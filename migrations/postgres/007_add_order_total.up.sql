-- The first of four steps to a required column on a table that is in use: nullable, so it is there at once.
-- From here on the application writes it; 008 fills the old rows, 009 and 010 make it required.
SET LOCAL lock_timeout = '3s';

ALTER TABLE orders ADD COLUMN total_cents bigint;
