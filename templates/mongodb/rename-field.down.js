// The same the other way round.
const [OLD, NEW, BATCH] = ["title", "name", 1000];
const things = db.getCollection("{{table}}");
const both = things.countDocuments({ [OLD]: { $exists: true }, [NEW]: { $exists: true } });
if (both > 0) throw new Error(`${both} documents have ${OLD} and ${NEW}`);
for (;;) {
  const page = things.find({ [OLD]: { $exists: true } }, { _id: 1 }).limit(BATCH).toArray();
  if (page.length === 0) break;
  things.updateMany({ _id: { $in: page.map(thing => thing._id) }, [OLD]: { $exists: true } }, { $rename: { [OLD]: NEW } });
}
