-- Gives the column its old name back.
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} RENAME COLUMN {{table}}_id TO id;
