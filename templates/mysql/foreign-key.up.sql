-- Adds a column that points to another table, with its constraint.
-- The rows that exist are not read as long as the column is new and empty; writers wait while the constraint is added.
-- Put the other table in place of {{table}} behind REFERENCES; the types of both columns must be the same.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} ADD COLUMN parent_id BIGINT UNSIGNED NULL;
ALTER TABLE {{table}} ADD CONSTRAINT {{table}}_parent_fk FOREIGN KEY (parent_id) REFERENCES {{table}} (id);
