-- What each order comes to. The outer join keeps an order that has no items yet.
CREATE VIEW order_totals AS
SELECT
    orders.id AS order_id,
    orders.customer_id,
    count(order_items.product_id) AS items,
    coalesce(sum(order_items.quantity * order_items.price_cents), 0) AS total_cents
FROM orders
LEFT JOIN order_items ON order_items.order_id = orders.id
GROUP BY orders.id;
