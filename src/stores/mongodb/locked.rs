//! A database whose lease is held: runs scripts and writes the ledger around them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::json::{self, Command};
use super::lease::{self, Pulse};
use super::ledger;
use super::mongosh::{Mongosh, Said};
use super::session::Session;
use super::wire::Trouble;
use super::writer::{Writer, Written};
use super::{Place, verdict, wipe};
use crate::domain::{EntryEvent, Failure, FailureKind, Version};
use crate::process::program::Ended;
use crate::stores::{
    Context, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure, Stop,
    StopReason, StoredScript,
};

/// The lease of one database, held.
pub struct Held {
    place: Place,
    session: Session,
    owner: Owner,
    writer: Writer,
    took_over: Option<Holder>,
    /// The server's clock when the lease was taken, and ours: from then on ours measures.
    since: (i64, Instant),
    /// One shell for all the scripts of a run, once the first one came.
    shell: Option<Mongosh>,
    program: Option<PathBuf>,
}

/// A script that may be begun.
enum Prepared {
    /// mongosh has it.
    Loaded,
    /// Its commands.
    Commands(Vec<Command>),
}

/// A step whose script is done and whose entry is not written yet.
struct Finished<'a> {
    step: &'a Step,
    took: i64,
    parts: Option<u32>,
}

impl Held {
    /// After the lease was taken.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn new(place: Place, mut session: Session, owner: &Owner, took_over: Option<Holder>) -> Result<Self, Failure> {
        let since = (session.now_ms()?, Instant::now());
        let writer = Writer::new(&mut session, &owner.token)?;
        Ok(Self { place, session, owner: owner.clone(), writer, took_over, since, shell: None, program: None })
    }

    fn now_ms(&self) -> i64 {
        self.since.0.saturating_add(millis(self.since.1.elapsed()))
    }

    fn entry(&self, step: &Step, event: EntryEvent, duration_ms: Option<i64>, parts: Option<(u32, u32)>) -> Written {
        let new = NewEntry {
            duration_ms,
            parts_done: parts.map(|(done, _)| done),
            parts_total: parts.map(|(_, total)| total),
            ..NewEntry::of(step, event)
        };
        (ledger::document(&new, &self.owner, self.now_ms()), new.down)
    }

    /// The shell, started if it is not there.
    fn shell(&mut self, step: &Step) -> Result<&mut Mongosh, StepFailure> {
        let program = match self.program.clone() {
            Some(program) => program,
            None => self.place.program(Some(&step.full_name())).map_err(|f| StepFailure::before(step.index, f))?,
        };
        let shell = match self.shell.take() {
            Some(shell) => shell,
            None => {
                Mongosh::start(program.clone(), &self.place.settings, self.place.endpoint.known()).map_err(|e| {
                    let what = format!("`{}` cannot be started: {e}", program.display());
                    StepFailure::before(step.index, Failure::unreachable(what))
                })?
            }
        };
        self.program = Some(program);
        Ok(self.shell.insert(shell))
    }

    /// Finds what is wrong with a script before anything began.
    fn prepare(&mut self, step: &Step, context: &Context<'_>) -> Result<Prepared, StepFailure> {
        if step.extension == "json" {
            return json::commands(&step.text).map(Prepared::Commands).map_err(|unfit| verdict::unfit(step, unfit));
        }
        let root = self.place.settings.root.clone();
        let said = self.shell(step)?.load(step, &root, context.stop);
        self.judge(step, said, Kept::Nothing).map(|()| Prepared::Loaded)
    }

    fn judge(&mut self, step: &Step, said: Said, kept: Kept) -> Result<(), StepFailure> {
        let (finished, printed) = match (&said, &mut self.shell) {
            (Said::Well, _) => return Ok(()),
            (Said::Wrong(_), Some(shell)) => (None, shell.printed()),
            (_, shell) => {
                // It is of no more use; how it ended says what came of the script.
                let gone = shell.take().map(|mut shell| (shell.finish().ok(), shell.printed()));
                gone.unwrap_or_default()
            }
        };
        let mut failure = verdict::failure(step, said, finished, &printed, kept);
        failure.message = self.place.without_secrets(&failure.message);
        Err(failure)
    }

    /// Runs a script that may be begun.
    fn execute<'a>(
        &mut self,
        step: &'a Step,
        prepared: Prepared,
        begun: Option<i64>,
        context: &Context<'_>,
    ) -> Result<Finished<'a>, StepFailure> {
        let began = Instant::now();
        let parts = match prepared {
            Prepared::Loaded => {
                self.run_loaded(step, context)?;
                None
            }
            Prepared::Commands(commands) => {
                self.run_commands(step, &commands, begun, context)?;
                Some(small(commands.len()))
            }
        };
        Ok(Finished { step, took: millis(began.elapsed()), parts })
    }

    fn run_loaded(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        let shell = self.shell(step)?;
        let said = shell.run(step.timeout, context.stop);
        if matches!(said, Said::Well) {
            let printed = shell.printed();
            if !printed.trim().is_empty() {
                (context.event)(step.index, StepEvent::Said(self.place.without_secrets(printed.trim_end())));
            }
        }
        self.judge(step, said, Kept::Half(None))
    }

    /// Runs commands one after the other; each is journalled when it is done, where there is an entry for it.
    fn run_commands(
        &mut self,
        step: &Step,
        commands: &[Command],
        begun: Option<i64>,
        context: &Context<'_>,
    ) -> Result<(), StepFailure> {
        let (began, total) = (Instant::now(), small(commands.len()));
        for (command, done) in commands.iter().zip(0_u32..).skip(step.resume_from as usize) {
            let mut ended = None;
            let mut watch = || {
                ended = Ended::due(context.stop, step.timeout, began);
                ended.is_none()
            };
            let go_on = watch();
            let answer =
                if go_on { self.session.watched(command.document.clone(), &mut watch) } else { Err(Trouble::Given) };
            if let Err(trouble) = answer {
                let kept = if begun.is_some() { Kept::Half(Some((done, total))) } else { Kept::Half(None) };
                return Err(self.refused(step, command, trouble, ended.as_ref(), kept));
            }
            let Some(begun) = begun else { continue };
            match self.writer.journal(&mut self.session, begun, done + 1, total) {
                Ok(true) => (context.event)(step.index, StepEvent::Progress { done: done + 1, total }),
                Ok(false) => return Err(no_lease(step, Kept::Half(Some((done + 1, total))), context.stop)),
                Err(failure) => {
                    return Err(StepFailure { kept: Kept::Unknown, ..StepFailure::before(step.index, failure) });
                }
            }
        }
        Ok(())
    }

    fn refused(
        &self,
        step: &Step,
        command: &Command,
        trouble: Trouble,
        cause: Option<&Ended>,
        kept: Kept,
    ) -> StepFailure {
        let name = command.document.keys().next().cloned().unwrap_or_default();
        let (what, kind, message) = match (trouble, cause) {
            (Trouble::Given, Some(cause)) => {
                let (what, kind) = verdict::ended(cause);
                (what, kind, format!("it waited for the answer to `{name}`"))
            }
            (Trouble::Said(refusal), _) => {
                ("was rejected".to_owned(), FailureKind::Failed, format!("{name}: {}", refusal.words()))
            }
            (trouble, _) => {
                let message = trouble.failure(&self.place.endpoint).message;
                ("lost its server".to_owned(), FailureKind::Failed, format!("{name}: {message}"))
            }
        };
        let message = self.place.without_secrets(&message);
        let line = Some(command.line);
        StepFailure { what, kind, message, line, kept, ..StepFailure::before(step.index, Failure::failed("")) }
    }

    /// Writes what was done, and that the next step begins, in one request.
    fn turn(
        &mut self,
        done: Option<Finished<'_>>,
        next: Option<(&Step, &Prepared)>,
        context: &Context<'_>,
    ) -> Result<(), StepFailure> {
        let mut written = Vec::new();
        if let Some(done) = &done {
            let parts = done.parts.map(|n| (n, n));
            written.push(self.entry(done.step, EntryEvent::Done, Some(done.took), parts));
        }
        if let Some((step, prepared)) = next {
            let parts = match prepared {
                Prepared::Loaded => None,
                Prepared::Commands(commands) => Some((step.resume_from, small(commands.len()))),
            };
            written.push(self.entry(step, EntryEvent::Begun, None, parts));
        }
        let Some(step) = done.as_ref().map(|done| done.step).or(next.map(|(step, _)| step)) else { return Ok(()) };
        let kept = if done.is_some() { Kept::Half(None) } else { Kept::Nothing };
        match self.writer.append(&mut self.session, &written) {
            Ok(true) => {}
            Ok(false) => return Err(no_lease(step, kept, context.stop)),
            Err(failure) => {
                return Err(StepFailure { kept: Kept::Unknown, ..StepFailure::before(step.index, failure) });
            }
        }
        if let Some(done) = done {
            (context.event)(done.step.index, StepEvent::Done { duration_ms: done.took });
        }
        Ok(())
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
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

fn must(held: bool) -> Result<(), Failure> {
    if held { Ok(()) } else { Err(lost()) }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        let mut pulse = Pulse::new(self.session.another(), self.owner.token.clone(), self.place.settings.lease);
        // Logging in takes the longest, and must not come on top of the first wait.
        pulse.beat()?;
        Ok(Box::new(pulse))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&mut self.session)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let mut done: Option<Finished<'_>> = None;
        for step in steps {
            if context.stop.asked().is_some() {
                self.turn(done, None, context)?;
                return Ok(Outcome::Stopped);
            }
            let prepared = match self.prepare(step, context) {
                Ok(prepared) => prepared,
                Err(failure) => {
                    self.turn(done, None, context)?;
                    return Err(failure);
                }
            };
            self.turn(done.take(), Some((step, &prepared)), context)?;
            (context.event)(step.index, StepEvent::Started);
            let begun = self.writer.seq();
            done = Some(self.execute(step, prepared, Some(begun), context)?);
        }
        self.turn(done, None, context)?;
        Ok(Outcome::AllDone)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let document = ledger::document(entry, &self.owner, self.now_ms());
        self.writer.append(&mut self.session, &[(document, entry.down.clone())]).and_then(must)
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        let entries = self.look()?.entries;
        let begun = entries.iter().rev().find(|e| e.version == Some(version) && e.event == EntryEvent::Begun);
        let begun = begun.ok_or_else(|| Failure::failed("there is no entry to note the parts in"))?;
        self.writer.journal(&mut self.session, begun.seq, done, total).and_then(must)
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        let prepared = self.prepare(step, context)?;
        (context.event)(step.index, StepEvent::Started);
        let done = self.execute(step, prepared, None, context)?;
        (context.event)(step.index, StepEvent::Done { duration_ms: done.took });
        Ok(())
    }

    /// The ledger first: a crash in between leaves things that nothing claims to have applied, and not claims that
    /// are not true.
    fn wipe(&mut self) -> Result<(), Failure> {
        self.writer.forget(&mut self.session).and_then(must)?;
        for (name, _) in wipe::things(&mut self.session)? {
            let head = ledger::head(&mut self.session)?;
            let lease = head.as_ref().and_then(|head| head.lease());
            must(lease.is_some_and(|lease| lease.get_str("token").ok() == Some(self.owner.token.as_str())))?;
            wipe::drop(&mut self.session, &name)?;
        }
        Ok(())
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        let released = lease::release(&mut self.session, &self.owner.token);
        if let Some(mut shell) = self.shell.take() {
            // It has nothing left to do and ends by itself; what it says at its end is of no use.
            let _ = shell.finish();
        }
        released
    }
}
