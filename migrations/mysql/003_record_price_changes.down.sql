DROP TRIGGER products_price_changed;
DROP TABLE price_changes;
