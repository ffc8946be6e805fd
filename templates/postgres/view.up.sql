-- Creates a view.
-- To change a view that exists: CREATE OR REPLACE VIEW when columns are only added at the end, otherwise DROP and
-- CREATE; the down script then holds the former definition.
SET LOCAL lock_timeout = '3s';

-- Name the columns: SELECT * is frozen to the columns of today.
CREATE VIEW {{table}}_overview AS
SELECT id
FROM {{table}};
