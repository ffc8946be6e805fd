//! What a step that did not get to its end is told to be. Pure.

use super::script::{Unfit, parts};
use super::statement::{ASKED_TO_STOP, LEASE_LOST};
use super::talk::Talked;
use crate::domain::FailureKind;
use crate::process::program::Ended;
use crate::stores::{Kept, Step, StepFailure, StopReason};

/// Whether the client was ended, or ended itself, because another store failed.
pub fn is_sibling(talked: &Talked) -> bool {
    matches!(talked.ended, Some(Ended::Stopped(StopReason::Sibling)))
        || (talked.ended.is_none() && talked.finished.stderr.contains(ASKED_TO_STOP))
}

/// The failure of a step, of which `kept` is left.
pub fn failure(step: &Step, talked: &Talked, kept: Kept) -> StepFailure {
    let said = talked.finished.stderr.trim();
    let lost = said.contains(LEASE_LOST);
    let begins = statement_line(step, talked, kept);
    let (line, message) = match lost {
        true => (None, "another run has the lease now, or it was released by force".to_owned()),
        false => placed(said, begins),
    };
    let ended = talked.ended.is_some();
    StepFailure {
        index: step.index,
        what: what(talked, lost),
        line: if ended || talked.finished.code != Some(1) { None } else { line.or(begins) },
        message: match message.is_empty() && !ended {
            true => "cypher-shell said nothing".to_owned(),
            false => message,
        },
        kept,
        hints: if ended { Vec::new() } else { hints(said) },
        kind: match talked.ended {
            Some(Ended::Stopped(StopReason::Interrupted)) => FailureKind::Interrupted,
            None if !talked.begun && talked.done == 0 && !lost && kept == Kept::Nothing => FailureKind::Unreachable,
            _ => FailureKind::Failed,
        },
    }
}

/// The failure of a script that was never given to the client.
pub fn unfit(step: &Step, unfit: Unfit) -> StepFailure {
    StepFailure {
        index: step.index,
        what: "was not run".to_owned(),
        line: Some(unfit.line),
        message: unfit.message,
        kept: Kept::Nothing,
        hints: vec![unfit.hint.to_owned()],
        kind: FailureKind::Failed,
    }
}

/// Where the statement at work begins in the user's file.
fn statement_line(step: &Step, talked: &Talked, kept: Kept) -> Option<usize> {
    if !talked.begun {
        return None;
    }
    let done = match kept {
        Kept::Half(Some((done, _))) => done,
        _ => talked.part.max(step.resume_from),
    };
    let parts = parts(&step.text).ok()?;
    let part = parts.get(usize::try_from(done).ok()?)?;
    let first = part.items.iter().find(|item| !item.is_command).or(part.items.first())?;
    Some(talked.line.unwrap_or(first.line))
}

/// The client's words with their lines made those of the user's file, and the line.
fn placed(said: &str, begins: Option<usize>) -> (Option<usize>, String) {
    let (Some(begins), Some((before, rest))) = (begins, said.split_once("(line ")) else {
        return (None, said.to_owned());
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let Ok(line) = rest[..digits].parse::<usize>() else { return (None, said.to_owned()) };
    let line = begins + line.saturating_sub(1);
    (Some(line), format!("{before}(line {line}{}", &rest[digits..]))
}

fn what(talked: &Talked, lost: bool) -> String {
    match &talked.ended {
        Some(Ended::Deadline(after)) => return format!("ran out of time after {} s", after.as_secs_f64()),
        Some(Ended::Stopped(StopReason::Interrupted)) => return "was interrupted".to_owned(),
        Some(Ended::Stopped(StopReason::LeaseLost)) => return "was ended: the lease was lost".to_owned(),
        Some(Ended::Stopped(StopReason::Sibling)) => return "was not begun".to_owned(),
        None if lost => return "was stopped: the lease was lost".to_owned(),
        None => {}
    }
    let said = &talked.finished.stderr;
    match talked.finished.code {
        Some(0) => "ended cypher-shell before its end".to_owned(),
        None => "lost its client, which was ended by a signal".to_owned(),
        Some(_) if said.contains("OutOfMemoryError") || said.contains("Java heap space") => {
            "lost its client, which ran out of memory".to_owned()
        }
        Some(_) if !talked.begun => "could not be run".to_owned(),
        Some(_) => "was rejected".to_owned(),
    }
}

/// What to do about the refusals that people meet.
fn hints(said: &str) -> Vec<String> {
    const HINTS: [(&str, &str); 10] = [
        ("Java heap space", "give the JVM more: `JAVA_OPTS=-Xmx1g` in the environment, or make the script smaller"),
        ("OutOfMemoryError", "give the JVM more: `JAVA_OPTS=-Xmx1g` in the environment, or make the script smaller"),
        (
            "requires Neo4j Enterprise Edition",
            "on Community servers only uniqueness constraints and indexes can be made",
        ),
        (
            "after executing Schema modification",
            "a transaction holds schema or data, never both: leave `:begin` and `:commit` out and each statement gets its own",
        ),
        (
            "executed in an implicit transaction",
            "`CALL { } IN TRANSACTIONS` makes its own transactions: leave `:begin` and `:commit` out around it",
        ),
        ("An equivalent", "one that may be there already: `IF NOT EXISTS`"),
        ("There already exists", "one that may be there already: `IF NOT EXISTS`"),
        ("No such constraint", "one that may be missing: `IF EXISTS`"),
        ("No such index", "one that may be missing: `IF EXISTS`"),
        (
            "UnsupportedClassVersionError",
            "this cypher-shell needs a newer Java: 17 or 21 for Neo4j 5, 21 for later ones",
        ),
    ];
    let known = HINTS.iter().filter(|(words, _)| said.contains(words));
    let mut hints: Vec<String> = known.map(|(_, hint)| (*hint).to_owned()).collect();
    hints.dedup();
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_users_file() {
        let said = "Invalid input 'RETUN': expected WITH (line 2, column 3 (offset: 12))\n\"  RETUN n\"\n   ^";
        let (line, message) = placed(said, Some(7));
        assert_eq!(line, Some(8));
        assert!(message.starts_with("Invalid input 'RETUN': expected WITH (line 8, column 3 (offset: 12))\n"));
        assert_eq!(placed("no place", Some(7)), (None, "no place".to_owned()));
        assert_eq!(placed("(line x", Some(7)), (None, "(line x".to_owned()));
    }
}
