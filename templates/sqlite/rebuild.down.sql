-- Rebuilds the table as it was, by the same steps and with the same care.
CREATE TABLE {{table}}_new (
    id INTEGER PRIMARY KEY
);
INSERT INTO {{table}}_new (id)
SELECT id FROM {{table}};
DROP TABLE {{table}};
ALTER TABLE {{table}}_new RENAME TO {{table}};
-- CREATE INDEX {{table}}_by_name ON {{table}} (name);
