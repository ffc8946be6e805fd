//! Kafka's own protocol over a blocking socket: what the ledger, the lease and the built-in client speak.

pub mod call;
pub mod cluster;
pub mod connection;
pub mod sasl;
pub mod tls;

pub use cluster::Cluster;
pub use connection::Trouble;
