-- Drops the table with its rows.
-- Without CASCADE, so that a view or a foreign key that depends on it is not lost unseen.
SET LOCAL lock_timeout = '3s';

DROP TABLE {{table}};
