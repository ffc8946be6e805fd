-- Journalled statement by statement: should the trigger be refused, `repair --resume` goes on at it.
CREATE TABLE price_changes (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    product_id BIGINT UNSIGNED NOT NULL,
    old_cents BIGINT NOT NULL,
    new_cents BIGINT NOT NULL,
    changed_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    CONSTRAINT price_changes_product_fk FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

DELIMITER //
CREATE TRIGGER products_price_changed AFTER UPDATE ON products FOR EACH ROW
BEGIN
    IF NEW.cents <> OLD.cents THEN
        INSERT INTO price_changes (product_id, old_cents, new_cents) VALUES (NEW.id, OLD.cents, NEW.cents);
    END IF;
END//
DELIMITER ;
