-- Drops the table with its rows; its indexes and triggers go with it.
DROP TABLE {{table}};
