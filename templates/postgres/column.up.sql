-- Adds a column without rewriting the table.
-- Nullable, or with a DEFAULT that is a constant or now(), the column is there at once, however large the table is.
-- A default that differs from row to row, such as gen_random_uuid(), rewrites the table under a lock: add the column
-- without it, set the default for new rows, and fill the old ones in a migration of its own (template `backfill`).
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} ADD COLUMN note text;
