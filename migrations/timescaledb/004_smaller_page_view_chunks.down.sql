-- The size that 001 chose. Chunks of a day that were made meanwhile stay as they are.
SET LOCAL lock_timeout = '3s';

SELECT set_chunk_time_interval('page_views', INTERVAL '7 days');
