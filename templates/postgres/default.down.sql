-- Undoes the up script exactly, in the reverse order.
SET LOCAL lock_timeout = '3s';

-- ALTER TABLE {{table}} DROP COLUMN note;
