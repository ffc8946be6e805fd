//! A database whose lease is held: runs scripts through one Python and writes the ledger around them.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::Place;
use super::api::Api;
use super::lease::{self, Pulse};
use super::ledger;
use super::python::{self, Python, Said};
use super::requests::{EXTENSION, Ways};
use super::verdict;
use crate::domain::{EntryEvent, Failure, Version};
use crate::stores::http::{self, Agent, Book, Line};
use crate::stores::{
    Context, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure, Stop,
    StopReason, StoredScript,
};

/// The lease of one database, held.
pub struct Held {
    place: Place,
    api: Api,
    owner: Owner,
    /// The lease's collection.
    lease: String,
    /// Where the ledger ends.
    end: ledger::Place,
    took_over: Option<Holder>,
    /// The server's clock when the lease was taken, and ours: from then on ours measures.
    since: (i64, Instant),
    /// One interpreter for all the scripts of a run, once the first one came.
    python: Option<Python>,
    program: Option<PathBuf>,
}

/// An entry to be written, with the down script that it keeps.
type Written = (Map<String, Value>, Option<StoredScript>);

impl Held {
    /// After the lease was taken: makes the ledger where there is none, and says there whose lease it was.
    ///
    /// # Errors
    /// The server does not answer; the ledger cannot be made.
    pub fn new(
        place: Place,
        api: Api,
        owner: &Owner,
        lease: String,
        took_over: Option<Holder>,
    ) -> Result<Self, Failure> {
        let since = (api.now_ms()?, Instant::now());
        let id = ledger::ensure(&api)?.id;
        let mut end = ledger::Place::last(&api, &id)?;
        if let Some(holder) = &took_over {
            // Before anything else: from this entry on the old holder cannot write any more.
            end.write_behind(&api, &ledger::unlocked(owner, since.0, holder.takeover_note()))?;
        }
        Ok(Self { place, api, owner: owner.clone(), lease, end, took_over, since, python: None, program: None })
    }

    fn now_ms(&self) -> i64 {
        let since = i64::try_from(self.since.1.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.since.0.saturating_add(since)
    }

    fn is_held(&self) -> Result<bool, Failure> {
        lease::is_held(&self.api, &self.lease, &self.owner.token)
    }

    /// Writes entries if the lease is ours before and after; false when it is not.
    fn append(&mut self, written: &[Written]) -> Result<bool, Failure> {
        if !self.is_held()? {
            return Ok(false);
        }
        let entries: Vec<_> = written.iter().map(|(entry, _)| entry.clone()).collect();
        let downs: Vec<_> = written.iter().map(|(_, down)| down.as_ref()).collect();
        for _ in 0..3 {
            if self.end.write(&self.api, &entries, &downs)? {
                return self.is_held();
            }
            // Somebody wrote who must not, or took the lease over.
            if !self.is_held()? {
                return Ok(false);
            }
            let id = self.end.id.clone();
            self.end = ledger::Place::last(&self.api, &id)?;
        }
        Ok(false)
    }

    fn entry(&self, step: &Step, event: EntryEvent, duration_ms: Option<i64>) -> Written {
        let new = NewEntry { duration_ms, ..NewEntry::of(step, event) };
        (ledger::metadata(&new, &self.owner, self.now_ms()), new.down)
    }

    /// The interpreter, started if it is not there.
    fn python(&mut self, step: &Step) -> Result<&mut Python, StepFailure> {
        let program = match self.program.clone() {
            Some(program) => program,
            None => self.place.interpreter(Some(&step.full_name())).map_err(|f| StepFailure::before(step.index, f))?,
        };
        self.program = Some(program.clone());
        if self.python.is_none() {
            let line = python::command(program, &self.place.settings, &self.place.endpoint);
            let started = Python::start(&line, &self.place.endpoint).map_err(|e| {
                StepFailure::before(
                    step.index,
                    Failure::unreachable(format!("`{}` cannot be started: {e}", line.program.display())),
                )
            })?;
            self.python = Some(started);
        }
        match &mut self.python {
            Some(python) => Ok(python),
            None => Err(StepFailure::before(step.index, Failure::failed("there is no interpreter"))),
        }
    }

    /// Has the script compiled: what is wrong with it or with the interpreter is found before anything began.
    fn load(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        let root = self.place.settings.root.clone();
        let said = self.python(step)?.load(step, &root, context);
        self.judge(step, said, Kept::Nothing)
    }

    fn judge(&mut self, step: &Step, said: Said, kept: Kept) -> Result<(), StepFailure> {
        let (finished, printed) = match (&said, &mut self.python) {
            (Said::Well, _) => return Ok(()),
            (Said::Wrong(_), Some(python)) => (None, python.printed()),
            (_, python) => {
                // It is of no more use; how it ended says what came of the script.
                let gone = python.take().map(|mut python| (python.finish().ok(), python.printed()));
                gone.unwrap_or_default()
            }
        };
        let mut failure = verdict::failure(step, said, finished, &printed, kept);
        failure.message = self.place.without_secrets(&failure.message);
        Err(failure)
    }

    /// Runs the script that was loaded; how long it took.
    fn run_loaded(&mut self, step: &Step, context: &Context<'_>) -> Result<i64, StepFailure> {
        let began = Instant::now();
        let said = self.python(step)?.run(step.timeout, context);
        let took = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        if matches!(said, Said::Well)
            && let Some(python) = &mut self.python
        {
            let printed = python.printed();
            if !printed.trim().is_empty() {
                let printed = self.place.without_secrets(printed.trim_end());
                (context.event)(step.index, StepEvent::Said(printed));
            }
        }
        self.judge(step, said, Kept::Half(None)).map(|()| took)
    }

    /// Writes what was done, and that the next step begins, in one request.
    fn turn(
        &mut self,
        done: Option<(&Step, i64)>,
        next: Option<&Step>,
        context: &Context<'_>,
    ) -> Result<(), StepFailure> {
        let mut written = Vec::new();
        written.extend(done.map(|(step, took)| self.entry(step, EntryEvent::Done, Some(took))));
        written.extend(next.map(|step| self.entry(step, EntryEvent::Begun, None)));
        let outcome = if written.is_empty() { Ok(true) } else { self.append(&written) };
        let kept = if done.is_some() { Kept::Half(None) } else { Kept::Nothing };
        let Some(step) = done.map(|(step, _)| step).or(next) else { return Ok(()) };
        match outcome {
            Ok(true) => {}
            Ok(false) => return Err(no_lease(step, kept, context.stop)),
            Err(failure) => {
                return Err(StepFailure { kept: Kept::Unknown, ..StepFailure::before(step.index, failure) });
            }
        }
        if let Some((step, duration_ms)) = done {
            (context.event)(step.index, StepEvent::Done { duration_ms });
        }
        Ok(())
    }

    /// Runs scripts of Python, one after the other in one interpreter.
    fn run_python(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let mut done: Option<(&Step, i64)> = None;
        for step in steps {
            let loaded = match context.stop.asked() {
                Some(_) => {
                    self.turn(done, None, context)?;
                    return Ok(Outcome::Stopped);
                }
                None => self.load(step, context),
            };
            if let Err(failure) = loaded {
                self.turn(done, None, context)?;
                return Err(failure);
            }
            self.turn(done.take(), Some(step), context)?;
            (context.event)(step.index, StepEvent::Started);
            let took = self.run_loaded(step, context)?;
            done = Some((step, took));
        }
        self.turn(done, None, context)?;
        Ok(Outcome::AllDone)
    }

    /// Runs scripts of requests.
    fn run_requests(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let ways = Ways::of(&self.place.endpoint);
        http::run(self, &ways, steps, context).map_err(|failure| self.scrubbed(failure))
    }

    fn scrubbed(&self, mut failure: StepFailure) -> StepFailure {
        failure.message = self.place.without_secrets(&failure.message);
        failure
    }

    fn must(&mut self, written: &[Written]) -> Result<(), Failure> {
        if self.append(written)? { Ok(()) } else { Err(lost()) }
    }
}

/// The guard refused a write: everything else has to stop too.
fn no_lease(step: &Step, kept: Kept, stop: &Stop) -> StepFailure {
    stop.ask(StopReason::LeaseLost);
    StepFailure {
        what: "cannot be recorded: the lease was lost".to_owned(),
        message: "another run has the lease now, or it was released by force".to_owned(),
        kept,
        ..StepFailure::before(step.index, Failure::failed(""))
    }
}

fn lost() -> Failure {
    Failure::failed("the lease was lost, so the ledger was not written")
        .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")
}

impl Book for Held {
    fn agent(&self) -> &Agent {
        self.api.agent()
    }

    fn write(&mut self, lines: &[Line]) -> Result<bool, Failure> {
        let mut written = Vec::new();
        for line in lines {
            match line {
                Line::Entry(new) => {
                    written.push((ledger::metadata(new, &self.owner, self.now_ms()), new.down.clone()));
                }
                Line::Journal { version, done, total } => {
                    if !self.is_held()? {
                        return Ok(false);
                    }
                    let parts = json!({ "parts_done": done, "parts_total": total });
                    ledger::journal(&self.api, &self.end.id, *version, &parts)?;
                }
            }
        }
        if written.is_empty() { Ok(true) } else { self.append(&written) }
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(Pulse {
            api: self.api.clone(),
            id: self.lease.clone(),
            owner: self.owner.clone(),
            since: self.since.0,
            length: self.place.settings.lease,
        }))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&self.api)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&self.api, version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        for alike in steps.chunk_by(|a, b| (a.extension == EXTENSION) == (b.extension == EXTENSION)) {
            let outcome = match alike[0].extension == EXTENSION {
                true => self.run_requests(alike, context)?,
                false => self.run_python(alike, context)?,
            };
            if outcome == Outcome::Stopped {
                return Ok(outcome);
            }
        }
        Ok(Outcome::AllDone)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let fields = ledger::metadata(entry, &self.owner, self.now_ms());
        self.must(&[(fields, entry.down.clone())])
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        if !self.is_held()? {
            return Err(lost());
        }
        let parts = json!({ "parts_done": done, "parts_total": total });
        ledger::journal(&self.api, &self.end.id, version, &parts)
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        if step.extension == EXTENSION {
            let ways = Ways::of(&self.place.endpoint);
            let seeded = http::seed(self.api.agent(), &ways, step, context);
            return seeded.map_err(|failure| self.scrubbed(failure));
        }
        self.load(step, context)?;
        (context.event)(step.index, StepEvent::Started);
        let duration_ms = self.run_loaded(step, context)?;
        (context.event)(step.index, StepEvent::Done { duration_ms });
        Ok(())
    }

    /// The ledger first: a crash in between leaves things that nothing claims to have applied, and not claims that
    /// are not true. A new collection has a new id, so that nobody who knows the old one can write into it.
    fn wipe(&mut self) -> Result<(), Failure> {
        if !self.is_held()? {
            return Err(lost());
        }
        self.api.drop(ledger::NAME)?;
        self.end = ledger::Place { id: ledger::ensure(&self.api)?.id, next: 1 };
        for collection in self.api.collections()? {
            let stays = collection.name == ledger::NAME || collection.name == lease::NAME;
            if !stays {
                if !self.is_held()? {
                    return Err(lost());
                }
                self.api.drop(&collection.name)?;
            }
        }
        Ok(())
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        if let Some(mut python) = self.python.take() {
            // It has nothing left to do and ends by itself; what it says at its end is of no use.
            let _ = python.finish();
        }
        lease::release(&self.api, &self.lease, &self.owner.token)
    }
}
