//! MongoDB's wire protocol, as much of it as a ledger needs: one message out, one message in.

mod connection;
mod scram;
mod tls;

pub use connection::{Connection, Trouble, Watch, number};
pub use scram::Mechanism;
