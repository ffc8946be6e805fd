db.getCollection("{{table}}").dropIndex("{{table}}_email");
