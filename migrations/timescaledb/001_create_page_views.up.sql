-- One row per page that a visitor of the shop has looked at, in chunks of a week.
-- The database needs the extension: CREATE EXTENSION timescaledb, by whoever set the database up.
SET LOCAL lock_timeout = '3s';

CREATE TABLE page_views (
    ts         timestamptz NOT NULL,
    visitor_id text NOT NULL,
    path       text NOT NULL,
    load_ms    integer
);
SELECT create_hypertable('page_views', by_range('ts', INTERVAL '7 days'));
