// Reviews of products, checked by the server.
db.createCollection("reviews", {
  validator: {
    $jsonSchema: {
      bsonType: "object",
      required: ["product", "stars"],
      properties: { product: { bsonType: "string" }, stars: { bsonType: "number", minimum: 1, maximum: 5 } },
    },
  },
});
