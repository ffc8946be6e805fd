ALTER TABLE products ADD INDEX products_cents_idx (cents), ALGORITHM=INPLACE, LOCK=NONE;
