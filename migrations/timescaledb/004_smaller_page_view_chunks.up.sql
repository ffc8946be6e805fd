-- A week of page views no longer fits into memory. The new size holds for chunks made from now on.
SET LOCAL lock_timeout = '3s';

SELECT set_chunk_time_interval('page_views', INTERVAL '1 day');
