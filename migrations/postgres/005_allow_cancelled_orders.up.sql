-- Orders can be cancelled.
-- The new value can be used only after this transaction has ended, so what first writes it belongs into another
-- migration.
SET LOCAL lock_timeout = '3s';

ALTER TYPE order_status ADD VALUE 'cancelled';
