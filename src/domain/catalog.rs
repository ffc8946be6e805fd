//! What the files of one store say: its migrations in order, and everything that is wrong with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checksum::Checksum;
use super::directive::Directives;
use super::file_name::{Direction, FileName};
use super::finding::Finding;
use super::sql::Shape;
use super::version::Version;

/// By what a file is known to be the same and unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it lies.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// When anything of it was changed last: seconds since 1970 and nanoseconds. Nobody can set it back.
    pub changed: (i64, i64),
}

/// The text of a small file, and the file's stamp when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Without a byte order mark.
    pub text: Arc<str>,
    /// As long as the file has it, it holds this text.
    pub stamp: Stamp,
}

/// One file of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Relative to the project, as shown to a person.
    pub path: String,
    /// Picks the runner; lower case, without its dot.
    pub extension: String,
    /// Of the normalised bytes.
    pub checksum: Checksum,
    /// Size in bytes.
    pub size: u64,
    /// What its leading comments say.
    pub directives: Directives,
    /// What its statements say.
    pub shape: Shape,
    /// Nothing in it but comments and blanks.
    pub empty: bool,
    /// Its text, where it is small: a set may have ten thousand of them.
    pub kept: Option<Kept>,
}

/// A version, a name, an up script and a down script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// The store's name.
    pub store: String,
    /// Its number.
    pub version: Version,
    /// `NNN_name` with the digits as its up file has them.
    pub label: String,
    /// Applies it.
    pub up: Arc<Script>,
    /// Takes it back.
    pub down: Option<Arc<Script>>,
}

impl Migration {
    /// `store/NNN_name`, as messages name it.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.store, self.label)
    }

    /// The script of a direction.
    pub fn script(&self, direction: Direction) -> Option<&Arc<Script>> {
        match direction {
            Direction::Up => Some(&self.up),
            Direction::Down => self.down.as_ref(),
        }
    }

    /// The author's reason why there is no way back.
    pub fn irreversible(&self) -> Option<&str> {
        self.up.directives.irreversible.as_deref()
    }
}

/// The migrations of one store, by version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The store's name.
    pub store: String,
    /// In order of version.
    pub migrations: BTreeMap<Version, Migration>,
    /// Everything found while reading.
    pub findings: Vec<Finding>,
}

/// A file with a migration's name, read.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its name, taken apart.
    pub name: FileName,
    /// What it holds. Plans share it.
    pub script: Arc<Script>,
}

impl Catalog {
    /// Joins the files of one folder into pairs.
    pub fn pair(store: &str, files: Vec<Found>, require_down: bool) -> Self {
        let mut catalog = Self { store: store.to_owned(), ..Self::default() };
        let mut ups: BTreeMap<Version, Found> = BTreeMap::new();
        let mut downs: BTreeMap<Version, Found> = BTreeMap::new();
        for file in files {
            let side = match file.name.direction {
                Direction::Up => &mut ups,
                Direction::Down => &mut downs,
            };
            match side.get(&file.name.version) {
                Some(first) => catalog.findings.push(duplicate(first, &file)),
                None => {
                    side.insert(file.name.version, file);
                }
            }
        }
        for (version, up) in ups {
            let down = downs.remove(&version);
            catalog.check_pair(&up, down.as_ref(), require_down);
            let migration = Migration {
                store: store.to_owned(),
                version,
                label: up.name.label(),
                up: up.script,
                down: down.map(|d| d.script),
            };
            catalog.migrations.insert(version, migration);
        }
        for (_, orphan) in downs {
            let expected = FileName { direction: Direction::Up, ..orphan.name.clone() };
            let finding = Finding::error("no-up", &orphan.script.path, "has no up script")
                .hint(format!("write {expected}, or remove the down script"));
            catalog.findings.push(finding);
        }
        for finding in &mut catalog.findings {
            finding.store = Some(store.to_owned());
        }
        catalog
    }

    fn check_pair(&mut self, up: &Found, down: Option<&Found>, require_down: bool) {
        let path = &up.script.path;
        match down {
            None if up.script.directives.irreversible.is_none() && require_down => {
                let expected = FileName { direction: Direction::Down, ..up.name.clone() };
                self.findings.push(Finding::problem("no-down", path, "has no down script").hint(format!(
                    "write {expected}, or say why not: `stepladder: irreversible <reason>` in a comment at its top"
                )));
            }
            Some(down) if down.name.name != up.name.name => {
                let message = format!("is paired by its version with {}, which has another name", base(path));
                self.findings.push(Finding::note("names-differ", &down.script.path, message));
            }
            _ => {}
        }
    }

    /// The highest version in the folder.
    pub fn highest(&self) -> Option<Version> {
        self.migrations.keys().next_back().copied()
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn duplicate(first: &Found, second: &Found) -> Finding {
    let message =
        format!("has version {} {}, as {} has", second.name.version, second.name.direction, base(&first.script.path));
    Finding::error("duplicate-version", &second.script.path, message).hint("give one of them another number")
}
