// The validator as it was before; {} is none. `db.getCollectionInfos({ name: "{{table}}" })` shows the one of now.
db.runCommand({ collMod: "{{table}}", validator: {}, validationLevel: "strict" });
