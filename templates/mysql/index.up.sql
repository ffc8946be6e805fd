-- Builds an index while the table stays in use.
-- LOCK=NONE is refused where the server would have to keep writers out. Write the columns that the queries filter by in
-- place of id; UNIQUE where no two rows may have the same.
SET SESSION lock_wait_timeout = 5;

ALTER TABLE {{table}} ADD INDEX {{table}}_id_idx (id), ALGORITHM=INPLACE, LOCK=NONE;
