-- Data alone: one transaction with its ledger entry.
INSERT INTO products (sku, name, cents) VALUES
    ('LADDER-3', 'Stepladder, three steps; folds flat', 4900),
    ('LADDER-7', 'Stepladder, seven steps', 12900);
UPDATE products SET cents = cents - 100 WHERE sku = 'LADDER-7';
