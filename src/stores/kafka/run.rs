//! Runs steps: `begun`, each line with its effect awaited and its number journalled, `done`.

use std::io::{Read, Write};
use std::thread;
use std::time::Instant;

use super::action::Action;
use super::builtin;
use super::job::{Job, Unfit};
use super::locked::Held;
use super::record::{Row, Says};
use super::settle::{self, Touched};
use crate::domain::{EntryEvent, Failure, FailureKind};
use crate::process::program::{Ended, watch};
use crate::process::{CommandLine, Running};
use crate::stores::{Context, Kept, NewEntry, Outcome, Step, StepEvent, StepFailure, StopReason};

/// Why a script did not get to its end.
#[derive(Debug)]
struct Broken {
    what: String,
    line: Option<usize>,
    message: String,
    hints: Vec<String>,
    kind: FailureKind,
}

impl From<String> for Broken {
    fn from(message: String) -> Self {
        let hints = hints(&message);
        Self { what: "was rejected".to_owned(), line: None, message, hints, kind: FailureKind::Failed }
    }
}

impl From<Unfit> for Broken {
    fn from(unfit: Unfit) -> Self {
        let what = if unfit.kind == FailureKind::Failed { "was rejected" } else { "could not be run" };
        let Unfit { line, message, hints, kind } = unfit;
        Self { what: what.to_owned(), line, message, hints, kind }
    }
}

/// The store could not be read or written.
impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        let Failure { kind, message, hints, .. } = failure;
        Self { what: "could not be run".to_owned(), line: None, message, hints, kind }
    }
}

impl Broken {
    fn at(mut self, line: usize) -> Self {
        self.line = self.line.or(Some(line));
        self
    }

    fn of(self, step: &Step, kept: Kept) -> StepFailure {
        let Self { what, line, message, hints, kind } = self;
        StepFailure { index: step.index, what, line, message, kept, hints, kind }
    }
}

/// Runs consecutive steps.
pub fn run(held: &mut Held, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
    for step in steps {
        if context.stop.asked().is_some() {
            return Ok(Outcome::Stopped);
        }
        (context.event)(step.index, StepEvent::Started);
        let watch = Watch { started: Instant::now(), step, context };
        let duration_ms = watch.whole(held)?;
        (context.event)(step.index, StepEvent::Done { duration_ms });
    }
    Ok(Outcome::AllDone)
}

/// A seed script: no entry.
pub fn seed(held: &mut Held, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    (context.event)(step.index, StepEvent::Started);
    let watch = Watch { started: Instant::now(), step, context };
    let jobs = held.jobs(&step.text).map_err(|u| Broken::from(u).of(step, Kept::Nothing))?;
    for (job, number) in jobs.iter().zip(0..) {
        let kept = if number == 0 { Kept::Nothing } else { Kept::Half(None) };
        watch.part(held, job).map_err(|broken| broken.at(job.line).of(step, kept))?;
    }
    (context.event)(step.index, StepEvent::Done { duration_ms: watch.elapsed() });
    Ok(())
}

/// A step at work: what limits it, and who hears of it.
struct Watch<'a> {
    started: Instant,
    step: &'a Step,
    context: &'a Context<'a>,
}

impl Watch<'_> {
    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// `begun`, the parts, `done`; how long it took.
    fn whole(&self, held: &mut Held) -> Result<i64, StepFailure> {
        let step = self.step;
        let nothing = |broken: Broken| broken.of(step, Kept::Nothing);
        let jobs = held.jobs(&step.text).map_err(|u| nothing(u.into()))?;
        let total = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        let first = step.resume_from.min(total);
        let begun = NewEntry::of_parts(step, EntryEvent::Begun, (first, total));
        held.keep_down(begun.down.as_ref()).map_err(|f| nothing(f.into()))?;
        let row = Row::new(&begun, &held.claimant());
        if !held.write(vec![Says::Entry(row)]).map_err(|f| nothing(f.into()))? {
            return Err(nothing(self.no_lease()));
        }
        for (job, done) in jobs.iter().skip(first as usize).zip(first..) {
            let half = |broken: Broken| broken.at(job.line).of(step, Kept::Half(Some((done, total))));
            self.part(held, job).map_err(half)?;
            if done + 1 < total {
                let journal = Says::Journal { version: step.version.to_string(), done: done + 1, total };
                if !held.write(vec![journal]).map_err(|f| half(f.into()))? {
                    return Err(half(self.no_lease()));
                }
            }
            (self.context.event)(step.index, StepEvent::Progress { done: done + 1, total });
        }
        let duration_ms = self.elapsed();
        let done = NewEntry::of_parts(step, EntryEvent::Done, (total, total));
        let row = Row::new(&NewEntry { duration_ms: Some(duration_ms), ..done }, &held.claimant());
        let end = Broken::of;
        match held.write(vec![Says::Entry(row)]) {
            Ok(true) => Ok(duration_ms),
            Ok(false) => Err(end(self.no_lease(), step, Kept::Half(Some((total, total))))),
            Err(failure) => Err(end(failure.into(), step, Kept::Unknown)),
        }
    }

    /// One command, its effect awaited.
    fn part(&self, held: &mut Held, job: &Job) -> Result<(), Broken> {
        self.check()?;
        let cluster = &mut held.log.cluster;
        let touched = match &job.action {
            Some(action) => settle::touched(cluster, action)?,
            None => Touched { topics: job.named.clone() },
        };
        let endpoint = std::sync::Arc::clone(&cluster.endpoint);
        if let Some(topic) = touched.topics.iter().find(|t| !endpoint.may_touch(t)) {
            let mut broken = Broken::from(match *topic == endpoint.ledger {
                true => format!("the topic {topic} is the ledger's"),
                false => format!("the topic {topic} is not of this store"),
            });
            let prefix = endpoint.prefix.as_deref().unwrap_or_default();
            broken.hints = vec![format!("the topics of this store begin with `{prefix}`; `--topic` takes a pattern")];
            return Err(broken);
        }
        if let (Some(Action::Produce { topic, .. }), true) = (&job.action, job.tool.is_some()) {
            // The tool would look for it for a minute.
            if cluster.leader(topic, 0)?.is_none() {
                return Err(Broken::from(format!("Topic {topic} not present in metadata")));
            }
        }
        let said = match (&job.tool, &job.action) {
            (Some(line), _) => self.tool(line, job.input.clone())?,
            (None, Some(action)) => {
                builtin::carry_out(cluster, action, &touched, job.input.as_deref(), &|| self.check())?
            }
            (None, None) => String::new(),
        };
        if let Some(action) = &job.action {
            settle::settle(cluster, action, &touched).map_err(|failure| Broken {
                what: "could not see its effect".to_owned(),
                hints: vec!["this line may have been done all the same: look before it is run again".to_owned()],
                ..Broken::from(failure)
            })?;
        }
        if !said.trim().is_empty() {
            let said = held.scrub(&said);
            (self.context.event)(self.step.index, StepEvent::Said(said));
        }
        Ok(())
    }

    /// Runs one of Kafka's tools to its end, its deadline or a stop; gives back what it printed.
    fn tool(&self, line: &CommandLine, input: Option<String>) -> Result<String, Broken> {
        let cannot =
            |e: std::io::Error| Broken::from(Failure::unreachable(format!("`{}` cannot be started: {e}", line.shown)));
        let mut running = Running::start(line).map_err(cannot)?;
        let (mut stdout, stdin) = (running.stdout.take(), running.stdin.take());
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(pipe) = stdout.as_mut() {
                let _ = pipe.read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let writer = thread::spawn(move || {
            if let (Some(mut pipe), Some(input)) = (stdin, input) {
                // A tool that has ended reads no more.
                let _ = pipe.write_all(input.as_bytes());
            }
        });
        let left = self.step.timeout.map(|limit| limit.saturating_sub(self.started.elapsed()));
        let ended = watch(&running, left, self.context.stop);
        let finished = running.finish().map_err(cannot)?;
        let said = reader.join().unwrap_or_default();
        let _ = writer.join();
        let words = words(&said, &finished.stderr);
        match (ended, finished.code) {
            (None, Some(0)) => Ok(said),
            (None, code) => {
                let how = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
                Err(Broken::from(if words.is_empty() { format!("{} ended with {how}", line.shown) } else { words }))
            }
            (Some(Ended::Deadline(_)), _) => Err(self.late(words)),
            (Some(Ended::Stopped(reason)), _) => Err(self.stopped(reason, words)),
        }
    }

    /// Whether the script may go on.
    fn check(&self) -> Result<(), Broken> {
        match (self.context.stop.at_once(), self.step.timeout) {
            (Some(reason), _) => Err(self.stopped(reason, String::new())),
            (None, Some(limit)) if self.started.elapsed() >= limit => Err(self.late(String::new())),
            _ => Ok(()),
        }
    }

    fn late(&self, message: String) -> Broken {
        let seconds = self.step.timeout.unwrap_or_default().as_secs_f64();
        let what = format!("ran out of time after {seconds} s");
        Broken { what, line: None, message, hints: Vec::new(), kind: FailureKind::Failed }
    }

    fn stopped(&self, reason: StopReason, message: String) -> Broken {
        let (what, kind) = match reason {
            StopReason::Interrupted => ("was interrupted", FailureKind::Interrupted),
            _ => ("was ended: the lease was lost", FailureKind::Failed),
        };
        Broken { what: what.to_owned(), line: None, message, hints: Vec::new(), kind }
    }

    /// The ledger refused a write: everything else has to stop too.
    fn no_lease(&self) -> Broken {
        self.context.stop.ask(StopReason::LeaseLost);
        self.stopped(StopReason::LeaseLost, String::new())
    }
}

/// What a tool said about its failure: both its outputs, without the frames of Java's stack.
fn words(stdout: &str, stderr: &str) -> String {
    let frame = |line: &str| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with("at ") || line.starts_with("... ") && line.ends_with(" more")
    };
    stdout.lines().chain(stderr.lines()).filter(|line| !frame(line)).collect::<Vec<_>>().join("\n")
}

/// What to do about the refusals that people meet.
fn hints(message: &str) -> Vec<String> {
    const HINTS: [(&str, &str); 9] = [
        ("already exists", "a topic that may be there: `--create --if-not-exists`"),
        ("would not be an increase", "partitions can only grow; fewer of them take a new topic and its records copied"),
        ("Unknown topic config name", "the names are listed under `Topic Configs` in Kafka's documentation"),
        ("Invalid config(s)", "`--delete-config` takes back only what was set on the topic itself"),
        ("does not exist as expected", "a topic that may be missing: `--if-exists`"),
        ("not present in metadata", "make it before, with `kafka-topics --create`"),
        (
            "OutOfMemoryError",
            "give the tool's JVM more: `KAFKA_HEAP_OPTS=-Xmx512m` in the environment, or before the command",
        ),
        ("uthorization", "this user may not do that here: grant it the right with kafka-acls"),
        ("cannot be reached because only", "`--replication-factor` may not be larger than the number of brokers"),
    ];
    let known = HINTS.iter().filter(|(words, _)| message.contains(words));
    known.map(|(_, hint)| (*hint).to_owned()).collect()
}
