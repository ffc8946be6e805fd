-- Adds a column without rewriting the table.
-- ALGORITHM=INSTANT is refused where the server would have to copy the rows: then nothing has happened, and you decide.
-- Nullable, or with a constant default, the column is there at once, however large the table is.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} ADD COLUMN note VARCHAR(200) NULL, ALGORITHM=INSTANT;
