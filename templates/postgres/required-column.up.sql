-- Adds a required column without a long lock: checked for new rows now, proven for old ones in a later migration.
-- Only for a value that differs from row to row. When one constant does for the old rows, this is enough:
--     ALTER TABLE {{table}} ADD COLUMN note text NOT NULL DEFAULT 'none';
--
-- From here on an INSERT without the column fails, and so does an UPDATE of an old row that leaves it empty. Where the
-- application cannot write it yet, add the column now and the constraint in the migration after the backfill.
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} ADD COLUMN note text;
-- NOT VALID: the rows that exist are not read, so the lock is held for a moment only.
ALTER TABLE {{table}} ADD CONSTRAINT {{table}}_note_set CHECK (note IS NOT NULL) NOT VALID;

-- The next migration fills the old rows (template `backfill`), and the one after it has these statements:
--     SET LOCAL lock_timeout = '3s';
--     ALTER TABLE {{table}} VALIDATE CONSTRAINT {{table}}_note_set; -- reads the table, readers and writers go on
--     ALTER TABLE {{table}} ALTER COLUMN note SET NOT NULL; -- at once: the constraint is the proof
--     ALTER TABLE {{table}} DROP CONSTRAINT {{table}}_note_set;
-- and to undo it:
--     SET LOCAL lock_timeout = '3s';
--     ALTER TABLE {{table}} ADD CONSTRAINT {{table}}_note_set CHECK (note IS NOT NULL) NOT VALID;
--     ALTER TABLE {{table}} ALTER COLUMN note DROP NOT NULL;
