-- Removes the policy and drops the aggregate with what it has computed.
SET LOCAL lock_timeout = '3s';

SELECT remove_continuous_aggregate_policy('{{table}}_hourly', if_exists => true);
DROP MATERIALIZED VIEW {{table}}_hourly;
