-- Drops the column and what it holds, what the application wrote into it since included.
ALTER TABLE {{table}} DROP COLUMN note;
