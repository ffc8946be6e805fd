//! Runs scripts against the data: on the side and swapped in at once, or command by command with a journal.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::book::millis;
use super::held::Held;
use super::script::{Command, Part, parts};
use crate::domain::{EntryEvent, Failure, FailureKind};
use crate::stores::{Context, Kept, NewEntry, Outcome, Step, StepEvent, StepFailure, StopReason};

/// Why a script did not get to its end.
pub(super) struct Broken {
    what: String,
    line: Option<usize>,
    message: String,
    kind: FailureKind,
}

/// What limits a script: its deadline, and who may ask it to stop.
struct Watch<'a> {
    started: Instant,
    step: &'a Step,
    context: &'a Context<'a>,
}

type Data = BTreeMap<String, String>;

pub(super) fn run(held: &mut Held, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
    for step in steps {
        if context.stop.asked().is_some() {
            return Ok(Outcome::Stopped);
        }
        (context.event)(step.index, StepEvent::Started);
        let watch = Watch { started: Instant::now(), step, context };
        let duration_ms = match step.mode.is_atomic() {
            true => at_once(held, &watch, true)?,
            false => by_and_by(held, &watch)?,
        };
        (context.event)(step.index, StepEvent::Done { duration_ms });
    }
    Ok(Outcome::AllDone)
}

/// A seed script: no entry.
pub(super) fn seed(held: &mut Held, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    (context.event)(step.index, StepEvent::Started);
    let duration_ms = at_once(held, &Watch { started: Instant::now(), step, context }, false)?;
    (context.event)(step.index, StepEvent::Done { duration_ms });
    Ok(())
}

/// The script on a copy, then copy and entry in one guarded write.
fn at_once(held: &mut Held, watch: &Watch<'_>, with_entry: bool) -> Result<i64, StepFailure> {
    let step = watch.step;
    let nothing = |broken: Broken| broken.of(step, Kept::Nothing);
    let mut data = held.data().map_err(|f| nothing(lost(f)))?;
    for part in parts(&step.text) {
        watch.carry_out(&part, &mut data).map_err(nothing)?;
    }
    let duration_ms = millis(watch.started.elapsed());
    let written = held.guarded(|book, owner| {
        book.data = data;
        if with_entry {
            book.append(&NewEntry { duration_ms: Some(duration_ms), ..NewEntry::of(step, EntryEvent::Done) }, owner);
        }
    });
    match written {
        Ok(true) => Ok(duration_ms),
        Ok(false) => Err(nothing(watch.no_lease())),
        Err(failure) => Err(nothing(lost(failure))),
    }
}

/// `begun`, each command with its journal in one write, `done`.
fn by_and_by(held: &mut Held, watch: &Watch<'_>) -> Result<i64, StepFailure> {
    let step = watch.step;
    let parts = parts(&step.text);
    let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let mut done = step.resume_from.min(total);
    let begun = NewEntry::of_parts(step, EntryEvent::Begun, (done, total));
    match held.guarded(|book, owner| book.append(&begun, owner)) {
        Ok(true) => {}
        Ok(false) => return Err(watch.no_lease().of(step, Kept::Nothing)),
        Err(failure) => return Err(lost(failure).of(step, Kept::Nothing)),
    }
    for part in parts.iter().skip(done as usize) {
        let half = |broken: Broken| broken.of(step, Kept::Half(Some((done, total))));
        let mut data = held.data().map_err(|f| half(lost(f)))?;
        watch.carry_out(part, &mut data).map_err(half)?;
        let written = held.guarded(|book, _| {
            book.data = data;
            book.journal(step.version, done + 1, total);
        });
        match written {
            Ok(true) => done += 1,
            Ok(false) => return Err(half(watch.no_lease())),
            Err(failure) => return Err(half(lost(failure))),
        }
        (watch.context.event)(step.index, StepEvent::Progress { done, total });
    }
    let duration_ms = millis(watch.started.elapsed());
    let end = NewEntry::of_parts(step, EntryEvent::Done, (total, total));
    let end = NewEntry { duration_ms: Some(duration_ms), ..end };
    match held.guarded(|book, owner| book.append(&end, owner)) {
        Ok(true) => Ok(duration_ms),
        Ok(false) => Err(watch.no_lease().of(step, Kept::Half(Some((total, total))))),
        Err(failure) => Err(lost(failure).of(step, Kept::Unknown)),
    }
}

impl Watch<'_> {
    fn carry_out(&self, part: &Part, data: &mut Data) -> Result<(), Broken> {
        self.check(part.line)?;
        let rejected = |message: String| Broken {
            what: "was rejected".to_owned(),
            line: Some(part.line),
            message,
            kind: FailureKind::Failed,
        };
        match part.command.clone().map_err(rejected)? {
            Command::Set(key, value) => {
                data.insert(key, value);
            }
            Command::Append(key, text) => {
                let value = data.entry(key).or_default();
                value.push_str(&text);
                value.push('\n');
            }
            Command::Delete(key) => {
                data.remove(&key).ok_or_else(|| rejected(format!("there is no key `{key}`")))?;
            }
            Command::Fail(message) => return Err(rejected(message)),
            Command::Sleep(time) => self.sleep(time, part.line)?,
            Command::Say(text) => self.say(text),
            Command::Noise(bytes) => self.say(noise(bytes)),
        }
        Ok(())
    }

    fn say(&self, text: String) {
        (self.context.event)(self.step.index, StepEvent::Said(text));
    }

    fn sleep(&self, time: Duration, line: usize) -> Result<(), Broken> {
        let until = Instant::now() + time;
        loop {
            self.check(line)?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(Duration::from_millis(10)));
        }
    }

    /// Whether the script may go on.
    fn check(&self, line: usize) -> Result<(), Broken> {
        let ended =
            |what: String, kind: FailureKind| Err(Broken { what, line: Some(line), message: String::new(), kind });
        match (self.context.stop.at_once(), self.step.timeout) {
            (Some(StopReason::Interrupted), _) => ended("was interrupted".to_owned(), FailureKind::Interrupted),
            (Some(_), _) => ended("was ended: the lease was lost".to_owned(), FailureKind::Failed),
            (None, Some(limit)) if self.started.elapsed() >= limit => {
                ended(format!("ran out of time after {} s", limit.as_secs_f64()), FailureKind::Failed)
            }
            _ => Ok(()),
        }
    }

    /// The guard refused a write: everything else has to stop too.
    fn no_lease(&self) -> Broken {
        self.context.stop.ask(StopReason::LeaseLost);
        let what = "was ended: the lease was lost".to_owned();
        Broken { what, line: None, message: String::new(), kind: FailureKind::Failed }
    }
}

/// The store could not be read or written.
fn lost(failure: Failure) -> Broken {
    Broken { what: "could not be run".to_owned(), line: None, message: failure.message, kind: failure.kind }
}

impl Broken {
    fn of(self, step: &Step, kept: Kept) -> StepFailure {
        StepFailure {
            index: step.index,
            what: self.what,
            line: self.line,
            message: self.message,
            kept,
            hints: Vec::new(),
            kind: self.kind,
        }
    }
}

fn noise(bytes: usize) -> String {
    const LINE: &str = "noise noise noise noise noise noise noise noise noise noise\n";
    LINE.chars().cycle().take(bytes).collect()
}
