-- The chunks go with the table.
SET LOCAL lock_timeout = '3s';

DROP TABLE page_views;
