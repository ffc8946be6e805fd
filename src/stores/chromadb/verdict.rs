//! What came of a script that did not get to its end, in words.

use super::python::{Said, Trouble};
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
        Said::Wrong(trouble) if !begun => StepFailure {
            what: "cannot be compiled".to_owned(),
            line: trouble.line,
            message: trouble.text.trim_end().to_owned(),
            ..base
        },
        Said::Wrong(trouble) => wrong(base, trouble),
        Said::Fault { missing: true, python, .. } => StepFailure::before(step.index, no_package(step, &python)),
        Said::Fault { text, .. } => fault(base, &text),
        Said::Gone(ended) => gone(base, ended, finished, printed),
    }
}

fn wrong(base: StepFailure, trouble: Trouble) -> StepFailure {
    let line = trouble.line;
    match trouble.exit {
        Some(code) => StepFailure {
            what: "called sys.exit before its end".to_owned(),
            line,
            message: format!("sys.exit({code}): what follows was not run, so this is no success"),
            hints: vec!["let the script run to its end, and raise an exception where it must not go on".to_owned()],
            ..base
        },
        None => {
            StepFailure { what: "was rejected".to_owned(), line, message: trouble.text.trim_end().to_owned(), ..base }
        }
    }
}

/// What a traceback ends with. None of its frames is the script's: they say how packages call each other.
fn exception(text: &str) -> &str {
    let frames = text.rmatch_indices('\n').map(|(at, _)| at + 1).find(|at| text[*at..].starts_with("  "));
    let after = frames.and_then(|at| text[at..].find('\n').map(|end| at + end + 1));
    text[after.unwrap_or(0)..].trim()
}

/// The interpreter is there and cannot be used.
fn fault(base: StepFailure, text: &str) -> StepFailure {
    StepFailure {
        what: "could not be run".to_owned(),
        message: exception(text).to_owned(),
        kind: FailureKind::Unreachable,
        hints: vec!["`stepladder doctor` says which interpreter is used and whether the server answers".to_owned()],
        kept: Kept::Nothing,
        ..base
    }
}

fn gone(base: StepFailure, ended: Option<Ended>, finished: Option<Finished>, printed: &str) -> StepFailure {
    let code = finished.and_then(|f| f.code);
    if ended.is_none() && base.kept == Kept::Nothing {
        let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
        return fault(base, &format!("the interpreter ended {code} before it was ready\n{printed}"));
    }
    let (what, kind) = match &ended {
        Some(Ended::Deadline(after)) => {
            (format!("ran out of time after {} s", after.as_secs_f64()), FailureKind::Failed)
        }
        Some(Ended::Stopped(StopReason::Interrupted)) => ("was interrupted".to_owned(), FailureKind::Interrupted),
        Some(Ended::Stopped(_)) => ("was ended: the lease was lost".to_owned(), FailureKind::Failed),
        None => match code {
            Some(code) => (format!("ended Python before its end, with exit code {code}"), FailureKind::Failed),
            None => ("lost its Python, which was ended by a signal".to_owned(), FailureKind::Failed),
        },
    };
    StepFailure { what, kind, message: printed.trim_end().to_owned(), ..base }
}

/// The one thing that most people meet first.
pub fn no_package(step: &Step, python: &str) -> Failure {
    Failure::unreachable(format!("{python} has no package chromadb, and {} needs it", step.full_name()))
        .hint(install(python))
}

/// How to get the package into an interpreter.
pub fn install(python: &str) -> String {
    format!(
        "{} -m pip install chromadb-client · or set `client` under the store's section to an interpreter that has it",
        shell_words::quote(python)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceback_without_the_script_is_its_last_words() {
        let text = "Traceback (most recent call last):\n  File \"a.py\", line 1, in b\n    c()\nX: one\n\nDuring handling \
            of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  \
            File \"d.py\", line 2, in e\n    ^^^^\nValueError: Could not connect.\nIs it running?\n";
        assert_eq!(exception(text), "ValueError: Could not connect.\nIs it running?");
        assert_eq!(exception("the interpreter ended\n"), "the interpreter ended");
    }
}
