// `body` becomes `text`, in batches.
for (;;) {
  const page = db.reviews.find({ body: { $exists: true } }, { _id: 1 }).limit(1000).toArray();
  if (page.length === 0) break;
  db.reviews.updateMany({ _id: { $in: page.map(r => r._id) }, body: { $exists: true } }, { $rename: { body: "text" } });
}
