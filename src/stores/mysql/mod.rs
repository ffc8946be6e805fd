//! MySQL and MariaDB: ledger and lease over a protocol client of our own ([`wire`], [`session`]).
//!
//! Not a kind yet: scripts are to run through one `mysql` or `mariadb` client a run, which is not written. What it has to
//! know of the clients is measured and stands in docs/stores.md.

pub mod client;
pub mod endpoint;
pub mod lease;
pub mod ledger;
pub mod script;
pub mod session;
pub mod wire;

#[cfg(test)]
mod tests;
