-- Creates a continuous aggregate and the policy that keeps it fresh.
-- Needs the Timescale edition: the Apache edition refuses these statements.
-- WITH NO DATA lets it run in a transaction; WITH DATA, the default, does not. So it starts empty, and the policy fills
-- only what its window covers: the older rows come with the first refresh, a migration of its own (template `refresh`).
SET LOCAL lock_timeout = '3s';

CREATE MATERIALIZED VIEW {{table}}_hourly
WITH (timescaledb.continuous) AS
SELECT
    time_bucket(INTERVAL '1 hour', ts) AS bucket,
    device_id,
    avg(value) AS average,
    count(*) AS samples
FROM {{table}}
GROUP BY bucket, device_id
WITH NO DATA;

SELECT add_continuous_aggregate_policy(
    '{{table}}_hourly',
    start_offset => INTERVAL '3 days',
    end_offset => INTERVAL '1 hour',
    schedule_interval => INTERVAL '30 minutes'
);
