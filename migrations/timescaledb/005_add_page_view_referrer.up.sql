-- Where a visitor came from. The column is nullable, so no chunk has to be written anew.
SET LOCAL lock_timeout = '3s';

ALTER TABLE page_views ADD COLUMN referrer text;
