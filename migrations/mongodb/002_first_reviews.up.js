db.reviews.bulkWrite(
  ["ladder", "rope", "lamp"].map((product, n) => ({
    replaceOne: { filter: { _id: n + 1 }, replacement: { product, stars: 5 - n, text: `about the ${product}` }, upsert: true },
  })),
);
