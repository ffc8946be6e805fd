// Undoes the up script exactly, in the reverse order.

// MATCH (n:{{table}} {id: 1}) DETACH DELETE n;
