-- Compresses the older chunks of a hypertable.
-- Needs the Timescale edition: the Apache edition refuses these statements.
-- Segment by the column that queries filter by, order by time. ADD COLUMN ... NOT NULL needs a DEFAULT from here on.
SET LOCAL lock_timeout = '3s';

ALTER TABLE {{table}} SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'device_id',
    timescaledb.compress_orderby = 'ts DESC'
);
SELECT add_compression_policy('{{table}}', INTERVAL '7 days');
