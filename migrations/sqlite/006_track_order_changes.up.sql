-- Remembers when the status of an order last changed.
-- The trigger names its column, so that a correction of other columns (009 is one) does not count as a change.
ALTER TABLE orders ADD COLUMN changed_at TEXT;

CREATE TRIGGER orders_status_changed
AFTER UPDATE OF status ON orders
WHEN OLD.status IS NOT NEW.status
BEGIN
    UPDATE orders SET changed_at = CURRENT_TIMESTAMP WHERE id = NEW.id;
END;
