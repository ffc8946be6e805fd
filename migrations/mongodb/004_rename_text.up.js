// `text` becomes `body`, in batches.
for (;;) {
  const page = db.reviews.find({ text: { $exists: true } }, { _id: 1 }).limit(1000).toArray();
  if (page.length === 0) break;
  db.reviews.updateMany({ _id: { $in: page.map(r => r._id) }, text: { $exists: true } }, { $rename: { text: "body" } });
}
