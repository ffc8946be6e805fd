-- Renames a column, at once and for everybody.
-- Views and indexes follow by themselves; the bodies of functions do not. A running application that says the old name
-- fails from the moment this commits. Where it cannot be stopped, take four migrations instead: add the new column;
-- keep both in step with a trigger; fill the old rows (template `backfill`); when nothing says the old name any more,
-- drop the trigger and the old column.
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} RENAME COLUMN id TO {{table}}_id;
