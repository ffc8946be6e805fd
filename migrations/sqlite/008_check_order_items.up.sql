-- An item's quantity must be positive, and its sum is stored beside it.
-- SQLite can neither add a CHECK to a table nor add a STORED column, so the table is rebuilt: a new one, copy, drop,
-- rename. No other table refers to order_items, so dropping it can cascade nowhere, foreign keys on or off.
-- The view goes first and comes back last: a rename fails while a view names a table that is not there.
DROP VIEW order_totals;

CREATE TABLE order_items_new (
    order_id    INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id  INTEGER NOT NULL REFERENCES products (id),
    quantity    INTEGER NOT NULL CHECK (quantity > 0),
    price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
    sum_cents   INTEGER NOT NULL GENERATED ALWAYS AS (quantity * price_cents) STORED,
    PRIMARY KEY (order_id, product_id)
) STRICT, WITHOUT ROWID;
INSERT INTO order_items_new (order_id, product_id, quantity, price_cents)
SELECT order_id, product_id, quantity, price_cents FROM order_items;
DROP TABLE order_items;
ALTER TABLE order_items_new RENAME TO order_items;

CREATE VIEW order_totals AS
SELECT
    orders.id AS order_id,
    orders.customer_id,
    count(order_items.product_id) AS items,
    coalesce(sum(order_items.sum_cents), 0) AS total_cents
FROM orders
LEFT JOIN order_items ON order_items.order_id = orders.id
GROUP BY orders.id;
