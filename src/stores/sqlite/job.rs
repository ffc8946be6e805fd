//! One step at work: what it is made of, and how its failures are told.

use rusqlite::ffi;

use super::errors;
use super::gate::Gate;
use super::locked::SqliteLocked;
use super::script::{Rejected, Said};
use super::watch::{Cut, Watch};
use crate::domain::sql::{Dialect, Statement, scan};
use crate::domain::{Failure, FailureKind};
use crate::stores::{Context, Kept, Step, StepEvent, StepFailure, StopReason};

/// Its place in its run, as the ledger keeps it.
pub(super) fn ordinal(step: &Step) -> i64 {
    i64::try_from(step.index).unwrap_or(i64::MAX)
}

/// A step at work.
pub(super) struct Job<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its run.
    pub context: &'a Context<'a>,
    /// Interrupts it.
    pub watch: &'a Watch,
}

impl Job<'_> {
    /// Where the script begins, or goes on after the parts that an earlier try has done.
    pub fn resume_at(&self) -> usize {
        match self.step.resume_from as usize {
            0 => 0,
            done => self.parts().get(done - 1).map_or(self.step.text.len(), |last| last.end),
        }
    }

    /// The statements of the script, as plans and the journal count them.
    pub fn parts(&self) -> Vec<Statement<'_>> {
        scan(&self.step.text, Dialect::Sqlite).statements
    }

    /// `.read`, `.quit` and the like are for the shell; SQLite would stop there, with what stands before them done.
    pub fn refuse_shell_language(&self) -> Result<(), StepFailure> {
        let Some(mark) = &self.step.shape.client_language else { return Ok(()) };
        let failure = Failure::failed(format!("`{}` is a command of the sqlite3 shell, not SQL", mark.what))
            .hint("write it as SQL, or make the script a `.sh` that calls sqlite3 itself");
        Err(StepFailure { line: Some(mark.line), ..self.before(failure) })
    }

    /// Tells the rows that the script's queries gave.
    pub fn say(&self, said: Said) {
        if let Some(text) = said.text() {
            (self.context.event)(self.step.index, StepEvent::Said(text));
        }
    }

    fn failure(&self, what: &str, message: String, kept: Kept) -> StepFailure {
        StepFailure {
            index: self.step.index,
            what: what.to_owned(),
            line: None,
            message,
            kept,
            hints: Vec::new(),
            kind: FailureKind::Failed,
        }
    }

    /// Something that had to be there before the script could start.
    pub fn before(&self, failure: Failure) -> StepFailure {
        let message = std::iter::once(failure.message).chain(failure.details).collect::<Vec<_>>().join("\n");
        StepFailure {
            hints: failure.hints,
            kind: failure.kind,
            ..self.failure("could not be run", message, Kept::Nothing)
        }
    }

    /// Something after the script, of which it is not known what it means for the step.
    pub fn lost(&self, failure: Failure) -> StepFailure {
        StepFailure { what: "could not be confirmed".to_owned(), kept: Kept::Unknown, ..self.before(failure) }
    }

    /// SQLite's error about one of our own statements.
    pub fn sqlite(&self, locked: &SqliteLocked, error: &rusqlite::Error) -> StepFailure {
        if errors::is_busy(error) {
            return self.before(errors::locked(&locked.target.location, FailureKind::Failed, error));
        }
        let words = errors::words(error);
        StepFailure {
            hints: errors::hints(errors::code(error), &words),
            ..self.failure("could not be run", words, Kept::Nothing)
        }
    }

    /// A statement of the script's that failed.
    pub fn rejected(&self, rejected: Rejected, kept: Kept) -> StepFailure {
        let what = match rejected.code & 0xff {
            ffi::SQLITE_FULL => "stopped because the disk is full",
            ffi::SQLITE_IOERR => "stopped because the disk failed",
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => "stopped because the database is damaged",
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => "stopped because the database is locked",
            _ => "was rejected",
        };
        let message = errors::with_name(&rejected.message, rejected.code);
        StepFailure {
            line: Some(rejected.line),
            hints: errors::hints(rejected.code, &message),
            ..self.failure(what, message, kept)
        }
    }

    /// The same, told as what it is when it was interrupted by us or refused by the gate.
    pub fn cut_or_rejected(&self, cut: Option<Cut>, rejected: Rejected, gate: &Gate, kept: Kept) -> StepFailure {
        let interrupted = rejected.code & 0xff == ffi::SQLITE_INTERRUPT;
        let refused = gate.take_refused().filter(|_| rejected.code & 0xff == ffi::SQLITE_AUTH);
        let mut failure = self.rejected(rejected, kept);
        if let Some(refused) = refused {
            failure.message = refused.message;
            failure.hints = vec![refused.hint];
        }
        let Some(cut) = cut.filter(|_| interrupted) else { return failure };
        failure.what = match cut {
            Cut::Deadline(limit) => format!("ran out of time after {} s", limit.as_secs_f64()),
            Cut::Stopped(StopReason::Interrupted) => "was interrupted".to_owned(),
            Cut::Stopped(_) => "was ended: the lease was lost".to_owned(),
        };
        if cut == Cut::Stopped(StopReason::Interrupted) {
            failure.kind = FailureKind::Interrupted;
        }
        failure
    }
}
