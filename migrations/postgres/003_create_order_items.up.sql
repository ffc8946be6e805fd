-- The price is copied from the shelf, because an old order keeps the price that it was placed at.
-- Money is kept as whole cents.
SET LOCAL lock_timeout = '3s';

CREATE TABLE order_items (
    order_id    bigint NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    sku         text NOT NULL,
    quantity    integer NOT NULL CHECK (quantity > 0),
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    sum_cents   bigint NOT NULL GENERATED ALWAYS AS (quantity * price_cents) STORED,
    PRIMARY KEY (order_id, sku)
);
