-- Drops the column and what it holds (SQLite 3.35 and later).
-- Refused while an index, a trigger, a view or a CHECK of the table still names it: drop those first.
ALTER TABLE {{table}} DROP COLUMN note;
