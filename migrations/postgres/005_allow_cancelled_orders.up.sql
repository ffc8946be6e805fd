-- Orders can be cancelled.
-- The new value can be used only after this transaction has ended, so the migration that first writes it is another one.
SET LOCAL lock_timeout = '3s';

ALTER TYPE order_status ADD VALUE 'cancelled';
