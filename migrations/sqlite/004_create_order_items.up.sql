-- The price is copied from the product, because an old order keeps the price that it was placed at.
-- The table's name is quoted because SQLite quotes it when 008 rebuilds the table: up and down end in the same text.
CREATE TABLE "order_items" (
    order_id    INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE,
    product_id  INTEGER NOT NULL REFERENCES products (id),
    quantity    INTEGER NOT NULL,
    price_cents INTEGER NOT NULL,
    PRIMARY KEY (order_id, product_id)
) STRICT, WITHOUT ROWID;
