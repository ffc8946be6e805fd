-- Creates a table.
-- STRICT makes SQLite refuse a value of the wrong type instead of storing it as it came (SQLite 3.37 and later).
CREATE TABLE {{table}} (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    -- owner_id INTEGER NOT NULL REFERENCES owners (id), -- SQLite makes no index for it: see the template `index`
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;
