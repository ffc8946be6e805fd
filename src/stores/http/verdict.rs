//! Why a script of requests did not get to its end, in words for a person.

use super::call::Trouble;
use crate::domain::{Failure, FailureKind};
use crate::process::program::Ended;
use crate::stores::{Kept, Step, StepFailure, Stop, StopReason};

/// Why a script did not get to its end.
pub struct Broken {
    /// The rest of a sentence that begins with the migration's name.
    pub what: String,
    /// What was said.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
    /// Decides the exit code.
    pub kind: FailureKind,
}

/// The store could not be read or written.
impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        let message = std::iter::once(failure.message).chain(failure.details).collect::<Vec<_>>().join("\n");
        Self { what: "could not be recorded".to_owned(), message, hints: failure.hints, kind: failure.kind }
    }
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NotSent(said) => Self {
                what: "could not be run".to_owned(),
                kind: FailureKind::Unreachable,
                hints: vec!["`stepladder doctor` says whether the store answers".to_owned()],
                ..Self::rejected(format!("the request did not reach the store, so nothing of it was done: {said}"))
            },
            Trouble::Unknown(said) => Self {
                what: "lost the store's answer".to_owned(),
                hints: vec![
                    "look into the store whether it was done: `--resume` sends this request once more, and nothing repeats it by itself"
                        .to_owned(),
                ],
                ..Self::rejected(format!("the request was sent, and whether it was done is not known: {said}"))
            },
            Trouble::Ended(ended) => Self {
                message: "it was sent and had no answer yet: it may have been done, or go on in the store".to_owned(),
                ..Self::ended(&ended)
            },
        }
    }
}

impl Broken {
    /// By the store.
    pub fn rejected(message: String) -> Self {
        Self { what: "was rejected".to_owned(), message, hints: Vec::new(), kind: FailureKind::Failed }
    }

    /// It had to end.
    pub fn ended(ended: &Ended) -> Self {
        let (what, kind) = match ended {
            Ended::Deadline(after) => (format!("ran out of time after {} s", after.as_secs_f64()), FailureKind::Failed),
            Ended::Stopped(StopReason::Interrupted) => ("was interrupted".to_owned(), FailureKind::Interrupted),
            Ended::Stopped(_) => ("was ended: the lease was lost".to_owned(), FailureKind::Failed),
        };
        Self { what, message: String::new(), hints: Vec::new(), kind }
    }

    /// The ledger refused a write: everything else has to stop too.
    pub fn no_lease(stop: &Stop) -> Self {
        stop.ask(StopReason::LeaseLost);
        Self {
            what: "was ended: the lease was lost".to_owned(),
            hints: vec![
                "`stepladder lock` shows who holds it; `stepladder status` shows where things stand".to_owned(),
            ],
            ..Self::rejected("another run, or a person, took the lease of this store".to_owned())
        }
    }

    /// Names the request.
    #[must_use]
    pub fn within(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// As the failure of a step.
    pub fn of(self, step: &Step, line: Option<usize>, kept: Kept) -> StepFailure {
        let Self { what, message, hints, kind } = self;
        StepFailure { index: step.index, what, line, message, kept, hints, kind }
    }
}

/// The beginning of a text that may be long.
pub fn short(text: &str) -> String {
    let mut short: String = text.trim().chars().take(400).collect();
    if short.len() < text.trim().len() {
        short.push('…');
    }
    short
}

/// ` ("502 Bad Gateway")`, as a page calls itself.
pub fn title(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let Some(from) = lower.find("<title>").map(|at| at + "<title>".len()) else { return String::new() };
    let to = lower[from..].find("</title>").map_or(page.len(), |at| from + at);
    format!(" ({:?})", short(&page[from..to]))
}
