//! The kind against real database files.

mod leases;
mod looking;
mod parts;
mod steps;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::KIND;
use crate::config::{Environment, Secret};
use crate::domain::{Checksum, Direction, Failure, Mode, Reason, Version};
use crate::process::identity;
use crate::stores::{
    Context, Ledger, Locked, Outcome, Owner, Settings, Step, StepEvent, StepFailure, Stop, Store, StoredScript, Taken,
};

/// A folder with a database in it.
struct World {
    folder: TempDir,
    options: BTreeMap<String, String>,
    lease: Duration,
}

impl World {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), options: BTreeMap::new(), lease: Duration::from_secs(15) }
    }

    fn option(mut self, key: &str, value: &str) -> Self {
        self.options.insert(key.to_owned(), value.to_owned());
        self
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("app.db")
    }

    fn open(&self, url: &str) -> Result<Box<dyn Store>, Failure> {
        (KIND.open)(&Settings {
            name: "sqlite".to_owned(),
            url: Secret::new(url),
            client: None,
            timeout: None,
            lease: self.lease,
            root: self.folder.path().to_owned(),
            options: self.options.clone(),
            variables: Environment::default(),
        })
    }

    fn store(&self) -> Box<dyn Store> {
        self.open("sqlite:app.db").unwrap()
    }

    fn lock(&self) -> Box<dyn Locked> {
        self.lock_as(&owner())
    }

    fn lock_as(&self, owner: &Owner) -> Box<dyn Locked> {
        match self.store().lock(owner).unwrap() {
            Taken::Ours(locked) => locked,
            Taken::Held(holder) => panic!("held by {}", holder.who()),
        }
    }

    fn ledger(&self) -> Ledger {
        self.store().look().unwrap()
    }

    /// What an outside observer sees.
    fn sql<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        Connection::open(self.path()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn execute(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }

    fn files(&self) -> Vec<String> {
        files(self.folder.path())
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn owner() -> Owner {
    identity::owner(&identity::run_id())
}

fn step(number: u128, text: &str) -> Step {
    Step {
        index: usize::try_from(number).unwrap(),
        store: "sqlite".to_owned(),
        version: Version::new(number),
        label: format!("{number:03}_step"),
        direction: Direction::Up,
        path: format!("migrations/sqlite/{number:03}_step.up.sql"),
        file: None,
        text: text.into(),
        extension: "sql".to_owned(),
        shape: crate::domain::sql::shape(text, crate::domain::sql::Dialect::Sqlite),
        mode: Mode::Atomic,
        checksum: Checksum::of(text.as_bytes()),
        down: None,
        timeout: None,
        resume_from: 0,
    }
}

fn in_parts(number: u128, text: &str) -> Step {
    Step { mode: Mode::TwoPhase(Reason::Directive(1)), ..step(number, text) }
}

fn script(text: &str) -> StoredScript {
    StoredScript { extension: "sql".to_owned(), text: text.into(), checksum: Checksum::of(text.as_bytes()) }
}

/// Runs steps and collects what they say.
struct Ran {
    outcome: Result<Outcome, StepFailure>,
    events: Vec<(usize, StepEvent)>,
}

fn run(locked: &mut dyn Locked, steps: &[Step]) -> Ran {
    run_until(locked, steps, &Stop::default())
}

fn run_until(locked: &mut dyn Locked, steps: &[Step], stop: &Stop) -> Ran {
    let events = Mutex::new(Vec::new());
    let event = |index: usize, event: StepEvent| events.lock().unwrap().push((index, event));
    let context = Context { run: "r", stop, event: &event };
    let outcome = locked.run(steps, &context);
    Ran { outcome, events: events.into_inner().unwrap() }
}

impl Ran {
    fn failure(self) -> StepFailure {
        self.outcome.unwrap_err()
    }

    fn all_done(self) {
        assert_eq!(self.outcome, Ok(Outcome::AllDone));
    }
}
