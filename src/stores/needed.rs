//! A script that a client program is needed for.

use std::path::PathBuf;

use crate::domain::{Failure, Script};

/// A script of a plan, and whose.
pub struct Needed<'a> {
    /// `store/NNN_name`.
    pub by: String,
    /// The script.
    pub script: &'a Script,
}

impl Needed<'_> {
    /// The first of these scripts refuses the run when its client is not found: one client serves them all.
    ///
    /// # Errors
    /// What `find` says.
    pub fn first<'a>(
        needed: impl IntoIterator<Item = &'a Needed<'a>>,
        find: impl FnOnce(&str) -> Result<PathBuf, Failure>,
    ) -> Result<(), Failure> {
        let Some(first) = needed.into_iter().next() else { return Ok(()) };
        find(&first.by).map(drop).map_err(|failure| first.refused(failure, None))
    }

    /// Why the run is refused, and where in the script, as far as that is known.
    pub fn refused(&self, failure: Failure, line: Option<usize>) -> Failure {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        Failure {
            message: format!("{} could not be run: {}", self.by, failure.message),
            details: vec![format!("{}{line}", self.script.path), "nothing was run".to_owned()],
            ..failure
        }
    }
}
