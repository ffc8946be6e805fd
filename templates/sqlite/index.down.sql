-- Drops the index.
DROP INDEX {{table}}_by_id;
