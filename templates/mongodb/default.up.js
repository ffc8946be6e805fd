// An empty migration: say here what it changes, and why.
// mongosh runs it with `db` ready and all of its own functions; `await` is allowed. A script that fails half-way is
// half-applied, so write what can be run a second time, or one change in a file. Wait for every promise.

// db.getCollection("{{table}}").insertOne({ _id: 1 });
