//! The pure core: versions, file names, directives, ledger entries and what they add up to, findings and
//! plans. Nothing in here touches a file system, a process, the environment or a clock (a test enforces it),
//! so everything it decides can be decided offline and tested as values.

pub mod catalog;
pub mod checksum;
pub mod comments;
pub mod cypher;
pub mod directive;
pub mod failure;
pub mod file_name;
pub mod finding;
pub mod guest;
pub mod http;
pub mod influxql;
pub mod ledger;
pub mod lines;
pub mod mode;
pub mod plan;
pub mod plan_down;
pub mod plan_repair;
pub mod plan_up;
pub mod redis;
pub mod sql;
pub mod standing;
pub mod version;
pub mod wrong;

#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Migration, Script};
pub use checksum::Checksum;
pub use directive::{Directives, Requirement};
pub use failure::{Failure, FailureKind};
pub use file_name::{Direction, FileName};
pub use finding::{Finding, Severity};
pub use ledger::{Entry, EntryEvent, Record, State, fold};
pub use mode::{Mode, Reason};
pub use plan::{Plan, PlannedStep, Refusal, Source, StoreState};
pub use standing::{Rung, Standing};
pub use version::Version;
pub use wrong::Wrong;
