-- Undoes the up script exactly, in the reverse order.

-- ALTER TABLE {{table}} DROP COLUMN note;
