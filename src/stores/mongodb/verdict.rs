//! What came of a script that did not get to its end, in words.

use super::json::Unfit;
use super::mongosh::{OLDEST, Said, Trouble};
use crate::domain::{Failure, FailureKind};
use crate::process::Finished;
use crate::process::program::Ended;
use crate::stores::{Kept, Step, StepFailure, StopReason};

/// The failure of a step. `kept` is what is left when the script had begun.
pub fn failure(step: &Step, said: Said, finished: Option<Finished>, printed: &str, kept: Kept) -> StepFailure {
    let begun = kept != Kept::Nothing;
    let base = StepFailure { kept, ..StepFailure::before(step.index, Failure::failed("")) };
    match said {
        Said::Well => base,
        Said::Wrong(trouble) => {
            let Trouble { line, text } = trouble;
            let what = if begun { "was rejected" } else { "cannot be compiled" };
            StepFailure { what: what.to_owned(), line, message: text.trim_end().to_owned(), ..base }
        }
        Said::Old(version) => StepFailure::before(step.index, too_old(&version)),
        Said::Fault(text) => fault(base, &text),
        Said::Gone(ended) => gone(base, ended, finished, printed),
    }
}

/// A `.json` script that is none.
pub fn unfit(step: &Step, unfit: Unfit) -> StepFailure {
    StepFailure {
        what: "cannot be read".to_owned(),
        line: Some(unfit.line),
        message: unfit.message,
        ..StepFailure::before(step.index, Failure::failed(""))
    }
}

/// A mongosh of long ago.
pub fn too_old(version: &str) -> Failure {
    Failure::unreachable(format!("mongosh {version} is too old: {OLDEST} or newer is needed"))
        .hint(super::CLIENT.install)
}

/// The shell is there and cannot be used.
fn fault(base: StepFailure, text: &str) -> StepFailure {
    StepFailure {
        what: "could not be run".to_owned(),
        message: text.trim_end().to_owned(),
        kind: FailureKind::Unreachable,
        hints: vec!["`stepladder doctor` says which mongosh is used and whether the server answers".to_owned()],
        kept: Kept::Nothing,
        ..base
    }
}

/// How a step is told that was ended before its time.
pub fn ended(ended: &Ended) -> (String, FailureKind) {
    match ended {
        Ended::Deadline(after) => (format!("ran out of time after {} s", after.as_secs_f64()), FailureKind::Failed),
        Ended::Stopped(StopReason::Interrupted) => ("was interrupted".to_owned(), FailureKind::Interrupted),
        Ended::Stopped(_) => ("was ended: the lease was lost".to_owned(), FailureKind::Failed),
    }
}

fn gone(base: StepFailure, cause: Option<Ended>, finished: Option<Finished>, printed: &str) -> StepFailure {
    let code = finished.and_then(|f| f.code);
    if cause.is_none() && base.kept == Kept::Nothing {
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
        return fault(base, &format!("mongosh ended {code} before it was ready\n{printed}"));
    }
    let ((what, kind), hints) = match (&cause, code) {
        (Some(cause), _) => (ended(cause), Vec::new()),
        (None, Some(code)) => (
            (format!("ended mongosh before its end, with exit code {code}"), FailureKind::Failed),
            vec!["let the script run to its end, and throw an error where it must not go on".to_owned()],
        ),
        (None, None) => (("lost its mongosh, which was ended by a signal".to_owned(), FailureKind::Failed), Vec::new()),
    };
    StepFailure { what, kind, hints, message: printed.trim_end().to_owned(), ..base }
}
