-- Gives the column its old name back.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} RENAME COLUMN title TO name;
