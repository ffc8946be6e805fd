-- Creates a hypertable.
-- Choose the interval so that the chunks that are written to, with their indexes, fit into about a quarter of memory.
-- A primary key or a unique index must hold the time column. CREATE INDEX CONCURRENTLY is not supported here, so create
-- the indexes while the table is empty.
SET LOCAL lock_timeout = '3s';

CREATE TABLE {{table}} (
    ts        timestamptz NOT NULL,
    device_id text NOT NULL,
    value     double precision
);
SELECT create_hypertable('{{table}}', by_range('ts', INTERVAL '1 day'));
CREATE INDEX {{table}}_device_id_ts_idx ON {{table}} (device_id, ts DESC);
