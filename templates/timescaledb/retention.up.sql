-- Drops the chunks of a hypertable that are older than an interval, from now on and by itself.
-- Needs the Timescale edition: the Apache edition refuses the statement.
-- Undoing this removes the policy; the rows that it has dropped do not come back. Where that must not pass unnoticed,
-- put this on a comment line of its own, and `down` refuses to pass this migration:
-- > stepladder: irreversible the rows that the policy has dropped are gone
SET LOCAL lock_timeout = '3s';

SELECT add_retention_policy('{{table}}', INTERVAL '180 days');
