-- The trigger first: SQLite refuses to drop a column that a trigger still names.
DROP TRIGGER orders_status_changed;
ALTER TABLE orders DROP COLUMN changed_at;
