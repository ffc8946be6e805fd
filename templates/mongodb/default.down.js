// Undoes the up script exactly, in the reverse order.

// db.getCollection("{{table}}").deleteOne({ _id: 1 });
