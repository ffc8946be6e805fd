-- Drops the column and what it holds. Older servers rewrite the table for it.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} DROP COLUMN note;
