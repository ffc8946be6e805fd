SET LOCAL lock_timeout = '3s';

ALTER TABLE page_views DROP COLUMN referrer;
