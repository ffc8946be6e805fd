-- Rebuilds a table, for what ALTER TABLE cannot do: another constraint, another type, another primary key.
--
-- EDIT BEFORE USE: the new table must list every column that the old one has, and so must the copy. What is left out
-- is lost.
--
-- Foreign keys are off here, unless the configuration turns them on. Where they are on, DROP TABLE also deletes the
-- rows that refer to this table with ON DELETE CASCADE, without an error. SQLite ignores PRAGMA foreign_keys inside a
-- transaction, so such a script has to bring its own, and Stepladder then puts none around it:
--     PRAGMA foreign_keys = OFF;
--     BEGIN IMMEDIATE;
--     (the statements below)
--     COMMIT;
--     PRAGMA foreign_keys = ON;
--
-- Indexes and triggers of the table go with it: write them again at the end. Views and other tables' triggers that
-- name the table are dropped before all this and created again after it, because a rename fails while they name a
-- missing table.
CREATE TABLE {{table}}_new (
    id INTEGER PRIMARY KEY CHECK (id > 0)
);
INSERT INTO {{table}}_new (id)
SELECT id FROM {{table}};
DROP TABLE {{table}};
ALTER TABLE {{table}}_new RENAME TO {{table}};
-- CREATE INDEX {{table}}_by_name ON {{table}} (name);
