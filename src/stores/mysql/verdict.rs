//! What a script that did not get to its end is told to be.

use super::ledger;
use super::script::{Place, Unfit};
use super::talk::Broken;
use crate::domain::{Failure, FailureKind};
use crate::process::program::Ended;
use crate::stores::{Kept, Step, StepFailure, StopReason};

/// An error as both clients print it: `ERROR 1054 (42S22) at line 12: Unknown column 'x' in 'field list'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The server's number, or the client's own (2000 and above).
    pub number: u16,
    /// The line of what the client was fed.
    pub line: Option<usize>,
    /// The words, whole.
    pub words: String,
}

/// The last error of what a client printed; it stopped there. It may have several lines.
pub fn rejection(said: &str) -> Option<Rejection> {
    let starts = said.match_indices("ERROR ").filter(|(at, _)| *at == 0 || said[..*at].ends_with('\n'));
    starts.filter_map(|(at, _)| parse(&said[at..])).last()
}

fn parse(text: &str) -> Option<Rejection> {
    let rest = text.strip_prefix("ERROR ")?;
    let (head, words) = rest.split_once(": ")?;
    let number = head.split_ascii_whitespace().next()?.parse().ok()?;
    let line = head.split_once("at line ").and_then(|(_, n)| n.trim().parse().ok());
    let state = head.split_ascii_whitespace().nth(1).filter(|w| w.starts_with('(')).unwrap_or_default();
    let number_and_state = format!("ERROR {number} {state}");
    Some(Rejection { number, line, words: format!("{}: {}", number_and_state.trim_end(), words.trim_end()) })
}

impl Rejection {
    fn place<'a>(&self, places: &'a [Place]) -> Option<&'a Place> {
        let line = self.line?;
        places.iter().find(|place| (place.first..=place.last).contains(&line))
    }

    /// The line in the user's file: the statement's first one, and from there on as the server counts.
    pub fn user_line(&self, places: &[Place]) -> Option<usize> {
        let place = self.place(places)?;
        // Only a syntax error's own words count lines, within the statement.
        let within = (self.number == 1064).then(|| self.words.rsplit_once("at line ")).flatten();
        let within = within.and_then(|(_, n)| n.trim().parse::<usize>().ok()).unwrap_or(1);
        Some(place.line + within.saturating_sub(1).min(place.last - place.first))
    }
}

/// What an entry and the question behind a journal are refused with where the lease is lost.
const LOST: [u16; 2] = [ledger::NO_LEASE, 1242];

/// The failure of a step.
pub fn failure(step: &Step, broken: &Broken, kept: Kept) -> StepFailure {
    let rejection = rejection(&broken.said);
    let line = rejection.as_ref().and_then(|r| r.user_line(&broken.places));
    // Between statements only our own writes stand.
    let lost = rejection.as_ref().is_some_and(|r| LOST.contains(&r.number)) && line.is_none();
    let begun = broken.connection.is_some();
    let code = broken.finished.as_ref().and_then(|f| f.code);
    let base = StepFailure { kept, line, ..StepFailure::before(step.index, Failure::failed("")) };
    let message = match &rejection {
        _ if lost => "another run has the lease now, or it was released by force".to_owned(),
        Some(rejection) => rejection.words.clone(),
        None if broken.said.trim().is_empty() => "the client said nothing".to_owned(),
        None => broken.said.trim_end().to_owned(),
    };
    let (what, kind) = match &broken.ended {
        Some(Ended::Deadline(after)) => {
            (format!("ran out of time after {} s", after.as_secs_f64()), FailureKind::Failed)
        }
        Some(Ended::Stopped(StopReason::Interrupted)) => ("was interrupted".to_owned(), FailureKind::Interrupted),
        Some(Ended::Stopped(_)) => ("was ended: the lease was lost".to_owned(), FailureKind::Failed),
        None if lost => ("cannot be recorded: the lease was lost".to_owned(), FailureKind::Failed),
        None if !begun && rejection.as_ref().is_none_or(|r| r.line.is_none()) => {
            ("could not be run".to_owned(), FailureKind::Unreachable)
        }
        None if code.is_none() => ("lost its client, which was ended by a signal".to_owned(), FailureKind::Failed),
        None if rejection.as_ref().is_some_and(|r| is_line(r.number)) => {
            ("lost its connection".to_owned(), FailureKind::Failed)
        }
        None if code == Some(0) => ("ended its client before its end".to_owned(), FailureKind::Failed),
        None => ("was rejected".to_owned(), FailureKind::Failed),
    };
    let mut hints: Vec<String> = rejection.iter().filter_map(|r| advice(r.number)).map(str::to_owned).collect();
    let unsure = matches!(kept, Kept::Half(Some(_))) && (broken.ended.is_some() || what.starts_with("lost"));
    if rejection.as_ref().and_then(|r| r.place(&broken.places)).is_some_and(|place| place.uncounted) {
        hints.push("what ran since LOCK TABLES is not counted: look before you resume".to_owned());
    }
    if unsure {
        hints.push("the statement behind the last one counted may have run: look before you resume".to_owned());
    }
    StepFailure { what, kind, message, hints, ..base }
}

/// What to do about an error whose words leave it open.
fn advice(number: u16) -> Option<&'static str> {
    Some(match number {
        1021 | 1114 => "make room on the server's disk, then run it again",
        1148 | 2068 | 3948 | 4166 => {
            "`local_infile = true` in the store's section lets the client send files; the server needs local_infile=ON too"
        }
        1205 => "another session holds what this needs; `SHOW PROCESSLIST` shows it, then run it again",
        1213 => "another session was in the way; run it again, which may be all it takes",
        1419 => "the user needs SUPER, or the server log_bin_trust_function_creators=1, while it writes a binary log",
        _ => return None,
    })
}

/// Gone away, lost, cannot connect, killed, timed out.
fn is_line(number: u16) -> bool {
    [1053, 1152, 1158, 1159, 1160, 1161, 1317, 1927, 2003, 2006, 2013, 2026, 2055, 4031].contains(&number)
}

/// A script that cannot be fed to a client.
pub fn unfit(step: &Step, unfit: Unfit) -> StepFailure {
    StepFailure {
        what: "cannot be run".to_owned(),
        line: Some(unfit.line),
        message: unfit.message,
        hints: vec![unfit.hint.to_owned()],
        ..StepFailure::before(step.index, Failure::failed(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::RUN_AGAIN;

    #[test]
    fn what_is_not_the_scripts_fault_is_said_to_be_run_again() {
        for number in [1021, 1114, 1205, 1213] {
            assert!(advice(number).unwrap().contains(RUN_AGAIN), "{number}");
        }
    }

    #[test]
    fn an_error_is_found_with_the_users_line() {
        let said = "1\tx\nERROR 1064 (42000) at line 21: You have an error; near 'foo' at line 2\n";
        let rejection = rejection(said).unwrap();
        assert_eq!((rejection.number, rejection.line), (1064, Some(21)));
        assert!(rejection.words.starts_with("ERROR 1064 (42000): You have"), "{rejection:?}");
        let places = [
            Place { first: 10, last: 11, line: 1, uncounted: false },
            Place { first: 20, last: 24, line: 7, uncounted: false },
        ];
        assert_eq!(rejection.user_line(&places), Some(8));
        assert_eq!(rejection.user_line(&places[..1]), None);
    }

    #[test]
    fn an_error_without_a_line_is_no_place() {
        let rejection = rejection("ERROR 2002 (HY000): Can't connect to server on 'db' (115)\n").unwrap();
        assert_eq!((rejection.number, rejection.line), (2002, None));
        assert!(super::rejection("no ERROR here: x").is_none());
    }
}
