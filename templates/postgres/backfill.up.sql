-- Fills a column of the rows that exist, batch by batch, while the table stays in use.
-- Each batch is a transaction of its own, so no row stays locked for long. That is why the script has none around it:
-- COMMIT is refused in a DO block that runs inside a transaction.
-- Change only rows that are not filled yet. Then the script can simply run again after an interruption.
-- A small table needs none of this: one UPDATE in an ordinary migration is simpler.
-- stepladder: no-transaction
SET lock_timeout = '3s'; -- rather stop than wait for a row that the application holds; run again later
SET statement_timeout = 0; -- the whole loop counts as one statement

DO $$
DECLARE
    batch_size CONSTANT integer := 1000;
    first_id   {{table}}.id%TYPE;
    last_id    {{table}}.id%TYPE;
BEGIN
    SELECT id INTO first_id FROM {{table}} ORDER BY id LIMIT 1;
    WHILE first_id IS NOT NULL LOOP
        SELECT batch.id INTO last_id
        FROM (SELECT id FROM {{table}} WHERE id >= first_id ORDER BY id LIMIT batch_size) AS batch
        ORDER BY batch.id DESC LIMIT 1;
        -- The last row of a batch may be deleted meanwhile: the range goes by value, so nothing is left out.

        -- Until this statement is put in, the loop changes nothing:
        -- UPDATE {{table}} SET note = lower(name)
        -- WHERE id BETWEEN first_id AND last_id AND note IS NULL;

        COMMIT;
        SELECT id INTO first_id FROM {{table}} WHERE id > last_id ORDER BY id LIMIT 1;
    END LOOP;
END;
$$;
