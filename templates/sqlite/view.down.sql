-- Drops the view.
DROP VIEW {{table}}_overview;
