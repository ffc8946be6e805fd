-- Creates an index.
-- Write the columns that the queries filter by in place of id; UNIQUE where no two rows may have the same.
CREATE INDEX {{table}}_by_id ON {{table}} (id);
