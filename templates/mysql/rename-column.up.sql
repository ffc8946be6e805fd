-- Renames a column, at once and for everybody.
-- Indexes follow by themselves; views, triggers and routines do not. A running application that says the old name fails
-- from this moment on. Where it cannot be stopped, take four migrations instead: add the new column; keep both in step
-- with triggers; fill the old rows (template `backfill`); when nothing says the old name any more, drop the triggers and
-- the old column. Needs MySQL 8.0 or MariaDB 10.5.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} RENAME COLUMN name TO title;
