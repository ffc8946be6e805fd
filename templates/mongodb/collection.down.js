// Its documents are gone with it.
db.getCollection("{{table}}").drop();
