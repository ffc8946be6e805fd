-- Adds a value to an enum.
-- Written for the column {{table}}.status of the type {{table}}_status: put your own names here and into the down
-- script.
-- The value can be used only after this transaction has ended, so the statement that first uses it belongs into the
-- next migration.
SET LOCAL lock_timeout = '3s';

ALTER TYPE {{table}}_status ADD VALUE 'cancelled'; -- or: ADD VALUE 'cancelled' BEFORE 'paid'
