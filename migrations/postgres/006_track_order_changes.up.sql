-- Remembers when the status of an order last changed.
-- The trigger names its column, so that a correction of other columns (008 is one) does not count as a change.
SET LOCAL lock_timeout = '3s';

ALTER TABLE orders ADD COLUMN changed_at timestamptz;

CREATE FUNCTION orders_status_changed() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END;
$$;

CREATE TRIGGER orders_status_changed
BEFORE UPDATE OF status ON orders
FOR EACH ROW
WHEN (OLD.status IS DISTINCT FROM NEW.status)
EXECUTE FUNCTION orders_status_changed();
