-- Adds a column and fills it for the rows that exist.
-- One UPDATE is enough: SQLite has one writer at a time, so smaller batches in one script would let nobody else in.
-- Where a large table would be locked for too long, spread the rows over several migrations.
ALTER TABLE {{table}} ADD COLUMN note TEXT;

UPDATE {{table}}
SET note = 'row ' || id
WHERE note IS NULL;
