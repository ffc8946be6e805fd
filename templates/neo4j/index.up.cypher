// An index, with a name, and the wait until it is ready: it is built behind the back of the statement.
CREATE INDEX {{table}}_name IF NOT EXISTS FOR (n:{{table}}) ON (n.name);
CALL db.awaitIndexes(300);
