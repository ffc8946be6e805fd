-- Everything that happens to an order, kept apart by day.
-- A unique constraint on a hypertable must hold the time column, because each chunk can only check its own rows.
SET LOCAL lock_timeout = '3s';

CREATE TABLE order_events (
    ts       timestamptz NOT NULL,
    order_id bigint NOT NULL,
    event    text NOT NULL CHECK (event IN ('placed', 'paid', 'shipped', 'cancelled')),
    details  jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (order_id, ts, event)
);
SELECT create_hypertable('order_events', by_range('ts', INTERVAL '1 day'));
