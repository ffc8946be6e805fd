// Takes the property away again, values that the application has written since included.
MATCH (n:{{table}}) WHERE n.note IS NOT NULL
CALL (n) { REMOVE n.note } IN TRANSACTIONS OF 10000 ROWS;
