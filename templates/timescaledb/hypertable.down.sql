-- Drops the hypertable with its chunks.
-- A hypertable cannot become a plain table again: to keep its rows, copy them to one first.
SET LOCAL lock_timeout = '3s';

DROP TABLE {{table}};
