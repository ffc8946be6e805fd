-- Adds a column.
-- It may be NOT NULL only with a DEFAULT that is a constant, and it cannot be UNIQUE, a primary key or STORED: for
-- those see the template `rebuild`.
ALTER TABLE {{table}} ADD COLUMN note TEXT;
