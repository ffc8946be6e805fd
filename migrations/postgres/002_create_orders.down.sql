SET LOCAL lock_timeout = '3s';

DROP TABLE orders;
DROP TYPE order_status;
