// An empty migration: say here what it changes, and why.
// Each statement is journalled by itself; one that reads and writes data is one transaction with its journal. After a failure
// the ledger says how many are done, so write statements that can be told apart, and IF NOT EXISTS where there is one.

// MERGE (n:{{table}} {id: 1});
