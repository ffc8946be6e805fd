// Renames a field, in batches by _id. Who reads must know both names until it is done.
// Where both are there already, $rename would overwrite the new one: such documents stop it.
const [OLD, NEW, BATCH] = ["name", "title", 1000];
const things = db.getCollection("{{table}}");
const both = things.countDocuments({ [OLD]: { $exists: true }, [NEW]: { $exists: true } });
if (both > 0) throw new Error(`${both} documents have ${OLD} and ${NEW}`);
for (;;) {
  const page = things.find({ [OLD]: { $exists: true } }, { _id: 1 }).limit(BATCH).toArray();
  if (page.length === 0) break;
  things.updateMany({ _id: { $in: page.map(thing => thing._id) }, [OLD]: { $exists: true } }, { $rename: { [OLD]: NEW } });
}
