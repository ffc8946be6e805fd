-- Keeps an order's total on the order, and fills it in for the orders that exist.
-- One UPDATE is enough: SQLite has one writer at a time, so smaller batches would not let anybody else in sooner.
ALTER TABLE orders ADD COLUMN total_cents INTEGER CHECK (total_cents >= 0);

UPDATE orders
SET total_cents = (SELECT total_cents FROM order_totals WHERE order_totals.order_id = orders.id);
