//! Runs `.http` scripts: `begun`, each request with its number journalled, `done`. What an answer means is the kind's word
//! ([`Manners`]), and so is how the ledger is written ([`Book`]).

use std::time::{Duration, Instant};

use super::call::{Call, Limit, Trouble, Unsendable};
use super::job::Job;
use super::verdict::{Broken, short, title};
use super::{Agent, Answer};
use crate::domain::http::{Request, requests};
use crate::domain::{EntryEvent, Failure, Version, Wrong};
use crate::process::program::Ended;
use crate::stores::{Context, Kept, NewEntry, Outcome, Step, StepEvent, StepFailure, Stop};

/// Something that the ledger is told.
#[derive(Clone, Debug)]
pub enum Line {
    /// An entry.
    Entry(NewEntry),
    /// So many parts of the begun script of this version are done.
    Journal {
        /// Of which migration.
        version: Version,
        /// Parts done.
        done: u32,
        /// Parts it has.
        total: u32,
    },
}

/// A ledger whose lease is held.
pub trait Book {
    /// Speaks to the store.
    fn agent(&self) -> &Agent;

    /// Writes all of these or none; false when the lease is not ours any more, and then none counts.
    ///
    /// # Errors
    /// It is not known whether they are there.
    fn write(&mut self, lines: &[Line]) -> Result<bool, Failure>;
}

/// Why a request did not do what it should have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The server's words.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

/// Work that goes on after its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What a person calls it.
    pub name: String,
    /// Asks how far it is.
    pub ask: Call,
    /// Asks it to end.
    pub cancel: Option<Call>,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// At work still.
    Running,
    /// At its end.
    Finished,
    /// At its end, which is no good one.
    Failed(Fault),
}

/// What a kind knows of its server's answers.
pub trait Manners {
    /// The requests of a script.
    ///
    /// # Errors
    /// The first thing that cannot be read, with its line.
    fn read(&self, step: &Step) -> Result<Vec<Request>, Wrong> {
        requests(&step.text)
    }

    /// The words of a part that its author did not write as a request.
    fn shown(&self, _request: &Request) -> Option<String> {
        None
    }

    /// A request as it is sent now, after those before it were done.
    ///
    /// # Errors
    /// What it needs is not there.
    fn complete(&self, _request: &Request, call: &Call) -> Result<Call, Fault> {
        Ok(call.clone())
    }

    /// Where a path of a script is on the server.
    fn place(&self, path: String) -> String {
        path
    }

    /// Whether a script may send this at all: the ledger is not a script's to touch.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn allow(&self, request: &Request, call: &Call) -> Result<(), Unsendable>;

    /// What a status that was not wanted means.
    fn refusal(&self, request: &Request, answer: &Answer) -> Fault;

    /// The failure that an answer hides behind a status that was wanted.
    fn hidden(&self, request: &Request, answer: &Answer) -> Option<Fault>;

    /// The task that an answer names, for `# @await-task`.
    fn task(&self, _answer: &Answer) -> Option<Task> {
        None
    }

    /// How far a task is, by the answer to its question.
    fn progress(&self, _answer: &Answer) -> Progress {
        Progress::Finished
    }
}

/// Runs consecutive steps. The end of one and the beginning of the next are one write to the ledger.
///
/// # Errors
/// The step that failed, with what is left of it.
pub fn run(
    book: &mut dyn Book,
    manners: &dyn Manners,
    steps: &[Step],
    context: &Context<'_>,
) -> Result<Outcome, StepFailure> {
    let agent = book.agent().clone();
    let mut done: Option<(Job<'_>, i64)> = None;
    for step in steps {
        if context.stop.asked().is_some() {
            turn(book, done, None, context)?;
            return Ok(Outcome::Stopped);
        }
        let job = match Job::read(step, agent.base(), manners) {
            Ok(job) => job,
            Err(failure) => {
                turn(book, done, None, context)?;
                return Err(failure);
            }
        };
        turn(book, done.take(), Some(&job), context)?;
        (context.event)(step.index, StepEvent::Started);
        let work = Work { agent: &agent, manners, step, context, started: Instant::now() };
        work.parts(&job, Some(book))?;
        let took = work.elapsed();
        done = Some((job, took));
    }
    turn(book, done, None, context)?;
    Ok(Outcome::AllDone)
}

/// Runs a seed script: no entry.
///
/// # Errors
/// As [`run`].
pub fn seed(agent: &Agent, manners: &dyn Manners, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    (context.event)(step.index, StepEvent::Started);
    let job = Job::read(step, agent.base(), manners)?;
    let work = Work { agent, manners, step, context, started: Instant::now() };
    work.parts(&job, None)?;
    (context.event)(step.index, StepEvent::Done { duration_ms: work.elapsed() });
    Ok(())
}

/// Writes that a step is done and that the next one begins.
fn turn(
    book: &mut dyn Book,
    done: Option<(Job<'_>, i64)>,
    next: Option<&Job<'_>>,
    context: &Context<'_>,
) -> Result<(), StepFailure> {
    let mut lines = Vec::new();
    if let Some((job, took)) = &done {
        lines.push(Line::Entry(NewEntry {
            duration_ms: Some(*took),
            ..NewEntry::of_parts(job.step, EntryEvent::Done, (job.total(), job.total()))
        }));
    }
    lines.extend(
        next.map(|job| Line::Entry(NewEntry::of_parts(job.step, EntryEvent::Begun, (job.first(), job.total())))),
    );
    let Some(step) = done.as_ref().map(|(job, _)| job.step).or(next.map(|job| job.step)) else { return Ok(()) };
    let kept = match &done {
        Some((job, _)) => Kept::Half(Some((job.total(), job.total()))),
        None => Kept::Nothing,
    };
    match book.write(&lines) {
        Ok(true) => {}
        Ok(false) => return Err(Broken::no_lease(context.stop).of(step, None, kept)),
        Err(failure) => return Err(Broken::from(failure).of(step, None, Kept::Unknown)),
    }
    if let Some((job, duration_ms)) = done {
        (context.event)(job.step.index, StepEvent::Done { duration_ms });
    }
    Ok(())
}

/// A step at work.
struct Work<'a> {
    agent: &'a Agent,
    manners: &'a dyn Manners,
    step: &'a Step,
    context: &'a Context<'a>,
    started: Instant,
}

impl Work<'_> {
    fn elapsed(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn limit(&self) -> Limit<'_> {
        Limit { started: self.started, timeout: self.step.timeout, stop: self.context.stop }
    }

    /// The requests, one after the other, each noted once its effect is there.
    fn parts(&self, job: &Job<'_>, mut book: Option<&mut dyn Book>) -> Result<(), StepFailure> {
        let total = job.total();
        for ((request, call), done) in job.parts.iter().zip(0..).skip(job.first() as usize) {
            let kept = match book {
                Some(_) => Kept::Half(Some((done, total))),
                None if done == 0 => Kept::Nothing,
                None => Kept::Half(None),
            };
            let place = match self.manners.shown(request) {
                Some(_) => format!("statement {} of {total}", done + 1),
                None => format!("request {} of {total}, {}", done + 1, request.shown()),
            };
            let failed = |broken: Broken| broken.within(&place).of(self.step, Some(request.line), kept);
            self.part(request, call).map_err(failed)?;
            if let Some(book) = book.as_mut().filter(|_| done + 1 < total) {
                let journal = Line::Journal { version: self.step.version, done: done + 1, total };
                let done_it = Kept::Half(Some((done + 1, total)));
                match book.write(&[journal]) {
                    Ok(true) => {}
                    Ok(false) => {
                        return Err(Broken::no_lease(self.context.stop).of(self.step, Some(request.line), done_it));
                    }
                    Err(failure) => return Err(Broken::from(failure).of(self.step, Some(request.line), done_it)),
                }
            }
            (self.context.event)(self.step.index, StepEvent::Progress { done: done + 1, total });
        }
        Ok(())
    }

    /// One request, with its effect awaited.
    fn part(&self, request: &Request, call: &Call) -> Result<(), Broken> {
        if let Some(time) = request.pause {
            return self.limit().pause(time).map_or(Ok(()), |ended| Err(Broken::ended(&ended)));
        }
        let call = self
            .manners
            .complete(request, call)
            .map_err(|Fault { message, hints }| Broken { hints, ..Broken::rejected(self.agent.scrub(&message)) })?;
        let answer = self.agent.call(&call, self.limit())?;
        self.judge(request, &answer)?;
        let shown = self.manners.shown(request).unwrap_or_else(|| request.shown());
        let said = format!("{shown}: HTTP {} {}", answer.status, answer.body.trim());
        (self.context.event)(self.step.index, StepEvent::Said(self.agent.scrub(said.trim_end())));
        if request.await_task {
            let Some(task) = self.manners.task(&answer) else {
                let mut broken =
                    Broken::rejected(format!("its answer names no task to wait for: {}", short(&answer.body)));
                broken.hints = vec!["with `# @await-task` the request needs `?wait_for_completion=false`".to_owned()];
                return Err(broken);
            };
            self.wait_for(&task)?;
        }
        Ok(())
    }

    fn judge(&self, request: &Request, answer: &Answer) -> Result<(), Broken> {
        let wanted = request.wants(answer.status);
        if (300..400).contains(&answer.status) && !wanted {
            let place = answer.location.as_deref().unwrap_or("nowhere");
            let mut broken = Broken::rejected(format!("HTTP {}: a redirect to {place}", answer.status));
            broken.hints = vec!["redirects are not followed, so that the login goes nowhere else; write the place that is meant into the store's URL".to_owned()];
            return Err(broken);
        }
        if answer.form == "text/html" && request.expect.is_empty() {
            let words = format!("HTTP {}: an HTML page came{}", answer.status, title(&answer.body));
            let mut broken = Broken::rejected(words);
            let hint =
                format!("something between here and {} answered, such as a proxy or a login page", self.agent.shown());
            broken.hints = vec![hint];
            return Err(broken);
        }
        let fault = match wanted {
            false => Some(self.manners.refusal(request, answer)),
            true if (200..300).contains(&answer.status) => self.manners.hidden(request, answer),
            true => None,
        };
        fault.map_or(Ok(()), |Fault { message, hints }| {
            Err(Broken { hints, ..Broken::rejected(self.agent.scrub(&message)) })
        })
    }

    /// Asks until a task has come to its end.
    fn wait_for(&self, task: &Task) -> Result<(), Broken> {
        let mut pause = Duration::from_millis(20);
        loop {
            let asked = self.agent.call(&task.ask, self.limit());
            let answer = match asked {
                Ok(answer) if [429, 502, 503, 504].contains(&answer.status) => None,
                Ok(answer) => Some(answer),
                Err(Trouble::Ended(ended)) => return Err(self.give_up(task, &ended)),
                Err(Trouble::NotSent(said) | Trouble::Unknown(said)) => {
                    let words = format!("it is not known how the task {} ended: {said}", task.name);
                    return Err(Trouble::Unknown(words).into());
                }
            };
            match answer.map(|answer| self.manners.progress(&answer)) {
                Some(Progress::Finished) => return Ok(()),
                Some(Progress::Failed(Fault { message, hints })) => {
                    return Err(Broken { hints, ..Broken::rejected(self.agent.scrub(&message)) });
                }
                Some(Progress::Running) | None => {}
            }
            if let Some(ended) = self.limit().pause(pause) {
                return Err(self.give_up(task, &ended));
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn give_up(&self, task: &Task, ended: &Ended) -> Broken {
        let mut broken = Broken::ended(ended);
        let nobody = Stop::default();
        let limit = Limit { started: Instant::now(), timeout: Some(Duration::from_secs(5)), stop: &nobody };
        let asked = task.cancel.as_ref().is_some_and(|call| self.agent.call(call, limit).is_ok_and(|a| a.is_fine()));
        broken.message = match asked {
            true => format!("the task {} was asked to end; what it has done so far stays", task.name),
            false => format!("the task {} may go on in the store", task.name),
        };
        broken
    }
}
