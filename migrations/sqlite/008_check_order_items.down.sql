-- The same rebuild the other way; no row is lost, because sum_cents is computed from the others.
DROP VIEW order_totals;

CREATE TABLE order_items_new (
    order_id    INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id  INTEGER NOT NULL REFERENCES products (id),
    quantity    INTEGER NOT NULL,
    price_cents INTEGER NOT NULL,
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
    coalesce(sum(order_items.quantity * order_items.price_cents), 0) AS total_cents
FROM orders
LEFT JOIN order_items ON order_items.order_id = orders.id
GROUP BY orders.id;
