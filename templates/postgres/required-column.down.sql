-- Drops the column, what it holds, and its constraint.
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} DROP CONSTRAINT {{table}}_note_set;
ALTER TABLE {{table}} DROP COLUMN note;
