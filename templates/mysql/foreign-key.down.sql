-- Drops the constraint, then its index and the column.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} DROP FOREIGN KEY {{table}}_parent_fk;
ALTER TABLE {{table}} DROP COLUMN parent_id;
