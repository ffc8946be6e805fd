-- Drops the view.
-- Without CASCADE, so that nothing that depends on it is lost unseen.
SET LOCAL lock_timeout = '3s';

DROP VIEW {{table}}_overview;
