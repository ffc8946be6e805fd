-- Builds an index while the table stays in use.
-- CONCURRENTLY cannot run inside a transaction. Keep to one index per migration, so that a failure leaves one thing
-- to repair.
-- stepladder: no-transaction

-- Waiting here blocks nobody, and a build that a timeout cuts short leaves an INVALID index behind.
SET lock_timeout = 0;
SET statement_timeout = 0;
-- Drops what a failed try has left. IF NOT EXISTS below would take an INVALID index for a finished one.
DROP INDEX CONCURRENTLY IF EXISTS {{table}}_id_idx;
-- Write the columns that the queries filter by in place of id; UNIQUE where no two rows may have the same.
CREATE INDEX CONCURRENTLY {{table}}_id_idx ON {{table}} (id);
