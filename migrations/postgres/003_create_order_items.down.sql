SET LOCAL lock_timeout = '3s';

DROP TABLE order_items;
