-- CONCURRENTLY is not supported on a hypertable. While the table is small, a plain index is right; on a large one,
-- WITH (timescaledb.transaction_per_chunk) in a no-transaction script locks one chunk at a time.
SET LOCAL lock_timeout = '3s';

CREATE INDEX page_views_path_ts_idx ON page_views (path, ts DESC);
