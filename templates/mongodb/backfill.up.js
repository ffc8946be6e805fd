// Gives a new field to all documents, in batches by _id. What has it is left alone, so that it can be run again.
const BATCH = 1000;
const things = db.getCollection("{{table}}");
let last = null, changed = 0;
for (;;) {
  const after = last === null ? {} : { _id: { $gt: last } };
  const page = things.find({ ...after, total: { $exists: false } }).sort({ _id: 1 }).limit(BATCH).toArray();
  if (page.length === 0) break;
  things.bulkWrite(
    page.map(thing => ({
      updateOne: {
        filter: { _id: thing._id, total: { $exists: false } },
        update: { $set: { total: thing.price * thing.quantity } },
      },
    })),
    { ordered: false },
  );
  last = page[page.length - 1]._id;
  changed += page.length;
  print(`${changed} documents`);
}
