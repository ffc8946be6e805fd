//! Where psql reads scripts from.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::Failure;
use crate::stores::Step;

/// The files that psql reads: the user's own, or private copies of texts that have none.
pub struct Files {
    paths: BTreeMap<usize, String>,
    /// Removed when the client has ended.
    _copies: Vec<tempfile::NamedTempFile>,
}

impl Files {
    /// Finds or writes the file of each step.
    ///
    /// # Errors
    /// A copy that cannot be written.
    pub fn of(steps: &[Step], root: &Path) -> Result<Self, Failure> {
        let mut files = Self { paths: BTreeMap::new(), _copies: Vec::new() };
        for step in steps {
            let path = match &step.file {
                Some(file) => include_path(step, file, root),
                None => {
                    let write = || -> std::io::Result<tempfile::NamedTempFile> {
                        let copy = tempfile::NamedTempFile::new()?;
                        std::fs::write(copy.path(), step.text.as_bytes())?;
                        Ok(copy)
                    };
                    let copy =
                        write().map_err(|e| Failure::failed(format!("a temporary file cannot be written: {e}")))?;
                    let path = copy.path().to_string_lossy().into_owned();
                    files._copies.push(copy);
                    path
                }
            };
            files.paths.insert(step.index, path);
        }
        Ok(files)
    }

    /// What psql is told to include for a step.
    pub fn path(&self, step: &Step) -> &str {
        self.paths.get(&step.index).map_or("", String::as_str)
    }
}

/// What psql is told to include: the path that a person knows, wherever that leads to the file.
fn include_path(step: &Step, file: &Path, root: &Path) -> String {
    if root.join(&step.path) != file {
        return file.to_string_lossy().into_owned();
    }
    match step.path.starts_with(['~', '-', '|']) {
        true => format!("./{}", step.path),
        false => step.path.clone(),
    }
}
