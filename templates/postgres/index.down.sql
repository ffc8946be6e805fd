-- Drops the index while the table stays in use.
-- stepladder: no-transaction
SET lock_timeout = 0;
SET statement_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS {{table}}_id_idx;
