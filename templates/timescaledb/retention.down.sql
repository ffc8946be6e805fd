-- Removes the policy. The chunks that it has dropped stay gone.
SET LOCAL lock_timeout = '3s';

SELECT remove_retention_policy('{{table}}', if_exists => true);
