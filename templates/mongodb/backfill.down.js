// Exact only as long as nobody else has written the field.
db.getCollection("{{table}}").updateMany({ total: { $exists: true } }, { $unset: { total: "" } });
