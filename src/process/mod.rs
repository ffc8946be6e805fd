//! Native clients: finding them, starting them as a family of their own, talking to them, ending them.

pub mod command;
#[cfg(feature = "mongodb")]
pub mod dialogue;
pub mod find;
pub mod identity;
pub mod program;
pub mod running;

pub use command::CommandLine;
pub use running::{Finished, Running};
