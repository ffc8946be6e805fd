-- Drops the table and its rows.
SET SESSION lock_wait_timeout = 5;

DROP TABLE {{table}};
