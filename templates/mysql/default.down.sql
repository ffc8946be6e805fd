-- Undoes the up script exactly, in the reverse order.
SET SESSION lock_wait_timeout = 5;

-- ALTER TABLE {{table}} DROP COLUMN note;
