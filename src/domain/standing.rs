//! Files and ledger laid side by side: where every migration of a store stands.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalog::{Catalog, Migration};
use super::ledger::{Record, State};
use super::version::Version;

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// There is a file and it has not been applied.
    Pending,
    /// Applied, and the file is what was applied.
    Applied,
    /// A script of it was begun and did not get to its end.
    HalfApplied,
    /// Applied, and the up file is not what was applied.
    Changed,
    /// Applied, and there is no up file any more.
    Missing,
}

impl Standing {
    /// Its word in output and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::HalfApplied => "half-applied",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

/// One migration of a store, with what its file and its ledger say.
#[derive(Clone, Debug)]
pub struct Rung<'a> {
    /// Its number.
    pub version: Version,
    /// `NNN_name`.
    pub label: &'a str,
    /// Where it stands.
    pub standing: Standing,
    /// The pair of files, unless it is missing.
    pub migration: Option<&'a Migration>,
    /// What the ledger adds up to, if it says anything.
    pub record: Option<&'a Record>,
    /// Pending, but not for this environment (`only-env`): no run applies it here.
    pub elsewhere: bool,
}

impl Rung<'_> {
    /// Whether the store holds it: applied, changed or missing.
    pub fn is_applied(&self) -> bool {
        matches!(self.standing, Standing::Applied | Standing::Changed | Standing::Missing)
    }

    /// Whether a run in this environment has it to apply.
    pub fn is_pending(&self) -> bool {
        self.standing == Standing::Pending && !self.elsewhere
    }

    /// Whether the down file is another than the one recorded when it was applied.
    pub fn down_differs(&self) -> bool {
        let file = self.migration.and_then(|m| m.down.as_ref()).map(|d| &d.checksum);
        let recorded = self.record.and_then(|r| r.down_checksum.as_ref());
        matches!((file, recorded), (Some(file), Some(recorded)) if file != recorded)
    }
}

/// All rungs of a store, in order of version.
pub fn rungs<'a>(
    catalog: &'a Catalog,
    records: &'a BTreeMap<Version, Record>,
    environment: Option<&str>,
) -> Vec<Rung<'a>> {
    let versions: std::collections::BTreeSet<Version> =
        catalog.migrations.keys().chain(records.keys()).copied().collect();
    let rung = |version| rung(version, catalog.migrations.get(&version), records.get(&version), environment);
    versions.into_iter().filter_map(rung).collect()
}

fn rung<'a>(
    version: Version,
    migration: Option<&'a Migration>,
    record: Option<&'a Record>,
    environment: Option<&str>,
) -> Option<Rung<'a>> {
    let standing = match (migration, record.map(|r| &r.state)) {
        (_, Some(State::HalfApplied(_))) => Standing::HalfApplied,
        (Some(_), None | Some(State::Reverted)) => Standing::Pending,
        (None, None | Some(State::Reverted)) => return None,
        (None, Some(State::Applied)) => Standing::Missing,
        (Some(m), Some(State::Applied)) if record.is_some_and(|r| r.checksum != m.up.checksum) => Standing::Changed,
        (Some(_), Some(State::Applied)) => Standing::Applied,
    };
    let label = migration.map(|m| m.label.as_str()).or_else(|| record.map(|r| r.label.as_str()))?;
    let elsewhere = standing == Standing::Pending && migration.is_some_and(|m| m.up.directives.excludes(environment));
    Some(Rung { version, label, standing, migration, record, elsewhere })
}
