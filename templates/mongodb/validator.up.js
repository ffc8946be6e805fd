// Another validator for a collection that is there. What is in it already is not looked at: `validationLevel: "moderate"`
// leaves it alone as long as it does not fit, "strict" refuses its next update.
db.runCommand({
  collMod: "{{table}}",
  validator: { $jsonSchema: { bsonType: "object", required: ["name", "email"] } },
  validationLevel: "moderate",
});
