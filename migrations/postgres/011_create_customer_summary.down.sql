SET LOCAL lock_timeout = '3s';

DROP VIEW customer_summary;
