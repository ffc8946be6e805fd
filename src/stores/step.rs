//! What a store is given to run, and what it says about it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::sql::Shape;
use crate::domain::{Checksum, Direction, Failure, FailureKind, Mode, Version};

/// A script as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredScript {
    /// Picks the runner.
    pub extension: String,
    /// The text as it was.
    pub text: Arc<str>,
    /// Of the text.
    pub checksum: Checksum,
}

/// A planned step with its text: everything that a store needs to run it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its place in the plan, from 0; the ledger's `ordinal`.
    pub index: usize,
    /// The store's name.
    pub store: String,
    /// The migration's number.
    pub version: Version,
    /// `NNN_name`.
    pub label: String,
    /// Which way.
    pub direction: Direction,
    /// Path as shown to a person; `ledger:NNN_name.down` for a script from the ledger.
    pub path: String,
    /// The file, when its bytes on disk are what is to run; none when the text comes from the ledger.
    pub file: Option<PathBuf>,
    /// The script's text, without BOM.
    pub text: Arc<str>,
    /// Picks the runner.
    pub extension: String,
    /// What the statements of the text say.
    pub shape: Shape,
    /// One transaction or two phases.
    pub mode: Mode,
    /// Checksum of the up script, which the entry keeps in both directions.
    pub checksum: Checksum,
    /// The down script that the entry of an up step keeps.
    pub down: Option<StoredScript>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Parts to leave out because a half-applied try has done them.
    pub resume_from: u32,
}

impl Step {
    /// `store/NNN_name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.store, self.label)
    }
}

/// What happens to a step while its store runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEvent {
    /// Its script starts now.
    Started,
    /// So many of its parts are done.
    Progress {
        /// Parts done.
        done: u32,
        /// Parts it has.
        total: u32,
    },
    /// Its script is done and its entry is there.
    Done {
        /// How long it took, by the store's clock, in milliseconds.
        duration_ms: i64,
    },
    /// The script or client said something that is no error (notices, results), for `-v`.
    Said(String),
}

/// How [`super::Locked::run`] ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done.
    AllDone,
    /// The context asked to stop; steps not reported as done were not begun.
    Stopped,
}

/// What a hint of a store says, in these words, where the script can be run as it is: something else was in the way.
pub const RUN_AGAIN: &str = "run it again";

/// A step that did not get to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// The step's [`Step::index`].
    pub index: usize,
    /// What happened, as the rest of a sentence that begins with the migration's name: `was rejected`,
    /// `ran out of time after 30 s`.
    pub what: String,
    /// The line in the user's file.
    pub line: Option<usize>,
    /// The client's own words, whole.
    pub message: String,
    /// What is left of the step in the store.
    pub kept: Kept,
    /// What to do next, apart from the usual.
    pub hints: Vec<String>,
    /// What kind of failure it is; decides the exit code.
    pub kind: FailureKind,
}

impl StepFailure {
    /// Of something that had to be there before the script of the step with this index could start.
    pub fn before(index: usize, failure: Failure) -> Self {
        Self {
            index,
            what: "could not be run".to_owned(),
            line: None,
            message: std::iter::once(failure.message).chain(failure.details).collect::<Vec<_>>().join("\n"),
            kept: Kept::Nothing,
            hints: failure.hints,
            kind: match failure.kind {
                FailureKind::Usage => FailureKind::Failed,
                kind => kind,
            },
        }
    }

    /// Of a step whose end the client reported and whose entry the ledger does not have.
    pub fn absent(index: usize, client: &str) -> Self {
        let why = Failure::failed(format!("{client} reported its end, but the ledger does not have its entry"));
        Self { what: "is not in the ledger".to_owned(), kept: Kept::Unknown, ..Self::before(index, why) }
    }

    /// Whether a hint says that the script is not to blame.
    pub fn may_run_again(&self) -> bool {
        self.hints.iter().any(|hint| hint.contains(RUN_AGAIN))
    }

    /// Of a program that ended well, while its last entry could not be written.
    pub fn unrecorded(step: &Step, failure: Failure) -> Self {
        let what = "ran to its end, but could not be recorded".to_owned();
        let name = format!("{}/{}", step.store, step.version);
        let mut failure = Self { what, kept: Kept::Unknown, ..Self::before(step.index, failure) };
        let word = step.direction.participle();
        failure
            .hints
            .push(format!("unless the ledger has it by now, `stepladder repair {name} --mark {word}` says so"));
        failure
    }

    /// Of a step whose end the client reported, while the ledger cannot be asked.
    pub fn unconfirmed(index: usize, failure: Failure) -> Self {
        let what = "could not be looked up in the ledger".to_owned();
        Self { what, kept: Kept::Unknown, ..Self::before(index, failure) }
    }
}

/// What a failed step left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing of it.
    Nothing,
    /// Some of it, and the ledger says so: parts done of parts in all, where known.
    Half(Option<(u32, u32)>),
    /// It got through after all: the entry is there. Only the client's answer was lost.
    All,
    /// The store could not be asked. The next run will see.
    Unknown,
}

/// What a dry run prints about the steps of one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// How the client is started: `PGPASSWORD=*** psql ...`; or that the kind is built in.
    pub client: String,
    /// For each step what is fed to the client, in lines.
    pub steps: Vec<Vec<String>>,
}
