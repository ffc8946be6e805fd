SET LOCAL lock_timeout = '3s';

DROP INDEX page_views_path_ts_idx;
