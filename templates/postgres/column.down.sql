-- Drops the column and what it holds.
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} DROP COLUMN note;
