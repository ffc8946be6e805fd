-- Fills a continuous aggregate for the first time.
-- Needs the Timescale edition: the Apache edition refuses the statement.
-- A refresh cannot run inside a transaction. It may be repeated: what is fresh already is not computed again.
-- stepladder: no-transaction

-- NULL means without an end. On a large table give a window, and write one CALL for each year or month.
CALL refresh_continuous_aggregate('{{table}}_hourly', NULL, NULL);
