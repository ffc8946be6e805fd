SET LOCAL lock_timeout = '3s';

DROP TRIGGER orders_status_changed ON orders;
DROP FUNCTION orders_status_changed();
ALTER TABLE orders DROP COLUMN changed_at;
