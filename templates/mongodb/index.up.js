// An index under a name of its own, so that it can be dropped by it. Since MongoDB 4.2 its build lets others write.
// A unique one fails where there are duplicates, and then it is not there: find them first.
db.getCollection("{{table}}").createIndex({ email: 1 }, { name: "{{table}}_email", unique: true });
