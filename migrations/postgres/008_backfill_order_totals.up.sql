-- Fills in the totals of the orders that were there before 007, a thousand at a time.
-- Each batch is its own transaction, so no row stays locked for long. That is why this script has none around it:
-- COMMIT is refused in a DO block that runs inside a transaction.
-- Only rows without a total are touched, so after an interruption it can simply run again.
-- stepladder: no-transaction
SET lock_timeout = '3s';

DO $$
DECLARE
    after_id bigint := 0;
    last_id  bigint;
BEGIN
    LOOP
        SELECT max(batch.id) INTO last_id
        FROM (SELECT id FROM orders WHERE id > after_id ORDER BY id LIMIT 1000) AS batch;
        EXIT WHEN last_id IS NULL;

        UPDATE orders
        SET total_cents = (SELECT coalesce(sum(sum_cents), 0) FROM order_items WHERE order_id = orders.id)
        WHERE id > after_id AND id <= last_id AND total_cents IS NULL;
        COMMIT;

        after_id := last_id;
    END LOOP;
END;
$$;
