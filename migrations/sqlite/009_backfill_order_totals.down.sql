-- Nothing is lost with the column: the totals can be computed from the items again.
ALTER TABLE orders DROP COLUMN total_cents;
