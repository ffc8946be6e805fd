//! What a step that did not get to its end is told to be.

use super::errors::{Rejection, rejection};
use super::psql::Session;
use super::script::Feed;
use crate::domain::FailureKind;
use crate::domain::sql::{self, Dialect, Mark};
use crate::process::program::Ended;
use crate::stores::{Kept, Step, StepFailure, StopReason};

/// What the ledger says of a step whose end was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its entry is there.
    Done,
    /// It was begun: parts done of parts in all, where known.
    Begun(Option<(u32, u32)>),
    /// Nothing of it is there.
    Nothing,
    /// Nothing of it is there, but the script ended its transaction and went on.
    Ended,
    /// The store could not be asked, or is still at it.
    Unknown,
}

impl Fate {
    /// A seed script has no entry: one that is a transaction leaves nothing when it fails.
    pub fn of_seed(step: &Step) -> Self {
        if step.mode.is_atomic() { Self::Nothing } else { Self::Begun(None) }
    }
}

/// Whether the client was ended because another store failed.
pub fn is_sibling(ended: &Ended) -> bool {
    matches!(ended, Ended::Stopped(StopReason::Sibling))
}

/// Whether our guard found the transaction gone.
pub fn has_ended_transaction(said: &str) -> bool {
    rejection(said).transaction_ended()
}

/// What our own tidying up behind a script says when a transaction is open there.
const OPEN: &str = "DISCARD ALL cannot run inside a transaction block";

/// The failure of a step.
pub fn failure(step: &Step, talked: &Session, path: &str, fate: &Fate) -> StepFailure {
    let rejection = rejection(&talked.said);
    let nothing = (0, Feed::default());
    let (first, feed) = talked.fed.get(talked.done).unwrap_or(&nothing);
    let mut failure = StepFailure {
        index: step.index,
        what: what(talked, &rejection),
        line: rejection.user_line(&step.text, feed, *first, path).or_else(|| quit(step, talked).map(|m| m.line)),
        message: message(step, talked, &rejection, path),
        kept: match fate {
            Fate::Done => Kept::All,
            Fate::Begun(parts) => Kept::Half(*parts),
            Fate::Nothing => Kept::Nothing,
            Fate::Ended => Kept::Half(None),
            Fate::Unknown => Kept::Unknown,
        },
        hints: rejection.hints(step.mode.is_atomic()),
        kind: FailureKind::Failed,
    };
    if path != step.path {
        failure.message = failure.message.replace(path, &step.path);
    }
    match &talked.ended {
        Some(Ended::Stopped(StopReason::Interrupted)) => failure.kind = FailureKind::Interrupted,
        None if talked.done == 0 && talked.xid.is_none() && talked.finished.code == Some(2) => {
            failure.kind = FailureKind::Unreachable;
        }
        _ => {}
    }
    failure.hints.extend(own_hint(step, &rejection));
    failure
}

fn what(talked: &Session, rejection: &Rejection) -> String {
    match &talked.ended {
        Some(Ended::Deadline(after)) => return format!("ran out of time after {} s", after.as_secs_f64()),
        Some(Ended::Stopped(StopReason::Interrupted)) => return "was interrupted".to_owned(),
        Some(Ended::Stopped(StopReason::LeaseLost)) => return "was ended: the lease was lost".to_owned(),
        Some(Ended::Stopped(StopReason::Sibling)) => return "was not begun".to_owned(),
        None => {}
    }
    if rejection.lease_lost() {
        return "was taken back: the lease was lost".to_owned();
    }
    if rejection.transaction_ended() {
        return "ended the transaction that was to hold it".to_owned();
    }
    match talked.finished.code {
        Some(0) => "quit psql before its end".to_owned(),
        Some(2) if talked.xid.is_none() && talked.part.is_none() => "could not be run".to_owned(),
        Some(2) => "lost its connection".to_owned(),
        None => "lost its client, which was ended by a signal".to_owned(),
        Some(_) => "was rejected".to_owned(),
    }
}

/// The command that ended the client in the middle of the script, if one did.
fn quit(step: &Step, talked: &Session) -> Option<Mark> {
    let quits = |mark: &Mark| mark.what.starts_with("\\q") && !mark.what.starts_with("\\qecho");
    let marks = sql::scan(&step.text, Dialect::Postgres).meta_commands;
    marks.into_iter().find(quits).filter(|_| talked.ended.is_none() && talked.finished.code == Some(0))
}

fn message(step: &Step, talked: &Session, rejection: &Rejection, path: &str) -> String {
    if rejection.lease_lost() {
        return "another run has the lease now, or it was released by force".to_owned();
    }
    if rejection.transaction_ended() {
        return "a COMMIT or ROLLBACK was found where none can be: what came before it and after it are two halves"
            .to_owned();
    }
    if rejection.message.contains(OPEN) {
        return "the script left a transaction open at its end".to_owned();
    }
    if let Some(mark) = quit(step, talked).filter(|_| rejection.message.is_empty()) {
        return format!("`{}` at line {} ended psql, so what follows it was not run", mark.what, mark.line);
    }
    match (&rejection.file, rejection.line) {
        // A file that the script includes: its name and line are all there is to find the place.
        (Some(file), Some(line)) if file != path && file != "<stdin>" => {
            format!("{file}:{line}: {}", rejection.message)
        }
        _ => rejection.message.clone(),
    }
}

fn own_hint(step: &Step, rejection: &Rejection) -> Option<String> {
    if rejection.message.contains(OPEN) {
        return Some("write `commit;` where its transaction is to end".to_owned());
    }
    if rejection.transaction_ended() && step.mode.is_atomic() {
        return Some(
            "a script that ends transactions by itself, in a file that it includes or through \\gexec or \\c, needs \
             `-- stepladder: no-transaction` at its top"
                .to_owned(),
        );
    }
    None
}
