-- Creates a view.
-- SQLite cannot change a view: to do that, DROP VIEW and CREATE VIEW; the down script then holds the former definition.
CREATE VIEW {{table}}_overview AS
SELECT id
FROM {{table}};
