-- A value cannot be taken out of an enum, so the type is made anew without it.
-- Where an order is cancelled by now, the cast fails and everything stays as it is: which status such an order should
-- have instead is for people to decide.
SET LOCAL lock_timeout = '3s';

ALTER TYPE order_status RENAME TO order_status_old;
CREATE TYPE order_status AS ENUM ('new', 'paid', 'shipped');
ALTER TABLE orders
    ALTER COLUMN status DROP DEFAULT,
    ALTER COLUMN status TYPE order_status USING status::text::order_status,
    ALTER COLUMN status SET DEFAULT 'new';
DROP TYPE order_status_old;
