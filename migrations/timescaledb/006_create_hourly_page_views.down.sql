SET LOCAL lock_timeout = '3s';

DROP VIEW page_views_hourly;
