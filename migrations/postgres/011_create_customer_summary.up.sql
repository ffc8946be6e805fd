-- What each customer has bought so far. Cancelled orders do not count.
SET LOCAL lock_timeout = '3s';

CREATE VIEW customer_summary AS
SELECT
    customers.id AS customer_id,
    customers.name,
    count(orders.id) AS orders,
    coalesce(sum(orders.total_cents), 0) AS total_cents,
    max(orders.placed_at) AS last_order_at
FROM customers
LEFT JOIN orders ON orders.customer_id = customers.id AND orders.status <> 'cancelled'
GROUP BY customers.id;
