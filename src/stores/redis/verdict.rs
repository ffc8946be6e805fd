//! Why a script did not get to its end, in words for a person.

use super::job::Unfit;
use super::session::Session;
use crate::domain::{Failure, FailureKind};
use crate::process::program::Ended;
use crate::stores::{Kept, Step, StepFailure, StopReason};

/// Why, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rest of a sentence that begins with the migration's name.
    pub what: String,
    /// The line.
    pub line: Option<usize>,
    /// The server's words.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
    /// Decides the exit code.
    pub kind: FailureKind,
    /// Whether the answer never came, so that only the ledger knows.
    pub lost: bool,
}

impl From<Unfit> for Broken {
    fn from(unfit: Unfit) -> Self {
        let Unfit { line, message, hints } = unfit;
        Self {
            what: "was rejected".to_owned(),
            line: Some(line),
            message,
            hints,
            kind: FailureKind::Failed,
            lost: false,
        }
    }
}

/// The store could not be read or written.
impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        let Failure { kind, message, details, hints } = failure;
        let message = std::iter::once(message).chain(details).collect::<Vec<_>>().join("\n");
        let lost = kind == FailureKind::Unreachable;
        let what = if lost { "lost its server" } else { "could not be run" }.to_owned();
        Self { what, line: None, message, hints, kind, lost }
    }
}

impl Broken {
    /// By the server.
    pub fn rejected(words: &str) -> Self {
        Self {
            what: "was rejected".to_owned(),
            line: None,
            message: words.to_owned(),
            hints: hints(words),
            kind: FailureKind::Failed,
            lost: false,
        }
    }

    /// By the server as a whole, before anything of it was done: for what it says, or for what the server is like now.
    pub fn turned_away(session: &Session, words: &str) -> Self {
        match session.refused(words) {
            failure if failure.kind == FailureKind::Unreachable => {
                Self { what: "could not be run".to_owned(), lost: false, ..Self::from(failure) }
            }
            _ => Self::rejected(words),
        }
    }

    /// Somebody else may be at work.
    pub fn no_lease() -> Self {
        Self {
            what: "was stopped: the lease was lost".to_owned(),
            line: None,
            message: "another run, or a person, took the lease of this store".to_owned(),
            hints: vec![
                "`stepladder lock` shows who holds it; `stepladder status` shows where things stand".to_owned(),
            ],
            kind: FailureKind::Failed,
            lost: false,
        }
    }

    /// At a line, unless one is known.
    #[must_use]
    pub fn at(mut self, line: Option<usize>) -> Self {
        self.line = self.line.or(line);
        self
    }

    /// As the failure of a step.
    pub fn of(self, step: &Step, kept: Kept) -> StepFailure {
        let Self { what, line, message, hints, kind, .. } = self;
        StepFailure { index: step.index, what, line, message, kept, hints, kind }
    }
}

/// It had to end.
pub fn ended(ended: &Ended) -> Broken {
    let (what, kind) = match ended {
        Ended::Deadline(after) => (format!("ran out of time after {} s", after.as_secs_f64()), FailureKind::Failed),
        Ended::Stopped(StopReason::Interrupted) => ("was interrupted".to_owned(), FailureKind::Interrupted),
        Ended::Stopped(StopReason::LeaseLost) => ("was ended: the lease was lost".to_owned(), FailureKind::Failed),
        Ended::Stopped(StopReason::Sibling) => ("was not begun".to_owned(), FailureKind::Failed),
    };
    Broken { what, line: None, message: String::new(), hints: Vec::new(), kind, lost: false }
}

/// It had to end, or else what the server said.
pub fn ended_or(cut: Option<&Ended>, said: Broken) -> Broken {
    cut.map_or(said, ended)
}

/// A Lua program's error, with the line of the user's file that it names.
pub fn program(words: &str) -> Broken {
    let place = words.split_once("user_script:").map(|(_, rest)| rest);
    let line = place.and_then(|rest| rest.split(':').next()?.parse().ok());
    Broken::rejected(words).at(line)
}

/// What to do about the refusals that people meet.
fn hints(words: &str) -> Vec<String> {
    const HINTS: [(&str, &str); 8] = [
        ("WRONGTYPE", "the key holds something else: `TYPE key` says what; `DEL key` before it makes room"),
        ("no such key", "`EXISTS key` says whether it is there; a `.lua` script can ask first"),
        ("NOPERM", "the user may not do that: `ACL SETUSER` grants commands and keys"),
        ("OOM", "the server has no memory left for writes: raise `maxmemory`"),
        ("READONLY", "this is a replica: give the address of its master"),
        (
            "non local key",
            "in a cluster a program may touch no other keys than those of the slot that `-- KEYS:` names",
        ),
        (
            "not allowed from script",
            "`# stepladder: no-transaction` does not help here; a `.sh` script can run it with redis-cli",
        ),
        ("too many results to unpack", "pass fewer values at once: Lua hands on about 7,000"),
    ];
    HINTS.iter().filter(|(known, _)| words.contains(known)).map(|(_, hint)| (*hint).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_error_names_its_line() {
        assert_eq!(program("user_script:3: WRONGTYPE Operation").line, Some(3));
        assert_eq!(program("ERR user_script:12: boo").line, Some(12));
        assert_eq!(program("boo").line, None);
        assert_eq!(program("user_script:1: WRONGTYPE x").hints.len(), 1);
    }
}
