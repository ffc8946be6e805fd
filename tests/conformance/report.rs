//! What came of each clause for each kind, as `target/conformance.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use libtest_mimic::Arguments;
use serde_json::{Map, Value};

use crate::subjects::SOURCES;

/// Kind, clause, verdict.
pub struct Report(Mutex<BTreeMap<&'static str, BTreeMap<u8, String>>>, bool);

impl Report {
    /// An empty report. A run of some trials only adds to the file that is there.
    pub fn new(arguments: &Arguments) -> Self {
        Self(Mutex::default(), arguments.filter.is_some() || !arguments.skip.is_empty())
    }

    /// Notes a verdict; a later one replaces it.
    pub fn note(&self, kind: &'static str, clause: u8, verdict: String) {
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts.entry(kind).or_default().insert(clause, verdict);
    }

    /// Writes the file.
    pub fn write(&self) {
        let verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut document: Map<String, Value> = if self.1 { known() } else { Map::new() };
        for source in SOURCES {
            let Some(clauses) = verdicts.get(source.name) else { continue };
            let mut all: BTreeMap<u8, Value> = BTreeMap::new();
            if let Some(before) = document.get(source.name).and_then(Value::as_object) {
                all.extend(before.iter().filter_map(|(n, v)| Some((n.parse().ok()?, v.clone()))));
            }
            all.extend(clauses.iter().map(|(n, v)| (*n, v.as_str().into())));
            let all: Map<String, Value> = all.into_iter().map(|(n, v)| (n.to_string(), v)).collect();
            document.insert(source.name.to_owned(), all.into());
        }
        fs::write(path(), serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
    }
}

fn known() -> Map<String, Value> {
    fs::read(path()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// Cargo's folder for the temporary files of tests lies in the target folder.
fn path() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("conformance.json")
}
