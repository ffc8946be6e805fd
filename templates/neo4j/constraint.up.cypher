// A uniqueness constraint, with the index that it brings: always with a name, so that it can be dropped.
// It fails when two nodes have the same value already. Community servers know no other sort of constraint.
CREATE CONSTRAINT {{table}}_id IF NOT EXISTS FOR (n:{{table}}) REQUIRE n.id IS UNIQUE;
