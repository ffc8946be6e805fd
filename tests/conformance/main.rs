//! One suite of clauses that every kind passes.
fn main() {}
