//! Native clients: finding them, starting them as a family of their own, talking to them, ending them.

pub mod command;
#[cfg(any(feature = "chromadb", feature = "mongodb", feature = "mysql"))]
pub mod dialogue;
pub mod find;
pub mod identity;
#[cfg(any(feature = "chromadb", feature = "mongodb", feature = "mysql", feature = "neo4j", feature = "postgres"))]
pub mod pipes;
pub mod program;
pub mod running;

pub use command::CommandLine;
pub use running::{Finished, Running};
