-- Drops the index; a matter of a moment.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} DROP INDEX {{table}}_id_idx, ALGORITHM=INPLACE, LOCK=NONE;
