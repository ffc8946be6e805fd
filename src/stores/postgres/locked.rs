//! A store whose lease is held: runs steps through psql and writes the ledger.

use std::path::PathBuf;
use std::time::Instant;

use super::Place;
use super::files::Files;
use super::lease::{self, Pulse};
use super::ledger;
use super::psql;
use super::script::{Chain, Frame, has_commands, route};
use super::session::{Session, literal};
use super::verdict::{self, Fate};
use super::wipe;
use crate::domain::{EntryEvent, Failure, Version};
use crate::process::Running;
use crate::stores::{
    Context, FRESH, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure,
    StoredScript,
};

/// The lease of one database, held.
pub struct Held {
    /// Where the store is and how it is configured.
    pub place: Place,
    /// Speaks to the ledger.
    pub session: Session,
    /// This run.
    pub owner: Owner,
    /// Whose stale lease it was.
    pub took_over: Option<Holder>,
    /// The client, once it was looked for.
    pub program: Option<PathBuf>,
    /// One that was started ahead.
    pub ready: Option<Ready>,
}

/// A client that was started ahead: it logs in while the ledger is created and the scripts are read.
pub struct Ready {
    running: Running,
    since: Instant,
}

impl Ready {
    /// None where it cannot be started: whether it is needed, and so what is wrong with it, is seen later.
    pub fn start(place: &Place, run: &str) -> Option<Self> {
        let line = place.command(place.program().ok()?, run);
        Some(Self { running: Running::start(&line).ok()?, since: Instant::now() })
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        if self.ready.is_none() {
            self.ready = Ready::start(&self.place, &self.owner.run);
        }
        let session = self.session.another();
        Ok(Box::new(Pulse::new(session, &self.place.schema, &self.owner.token, self.place.settings.lease)))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&mut self.session, &self.place.schema)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, &self.place.schema, version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let mut rest = steps;
        while let Some(first) = rest.first() {
            if context.stop.asked().is_some() {
                return Ok(Outcome::Stopped);
            }
            // What backslash commands set cannot be taken back: such a script gets a client of its own.
            let together = match has_commands(first) {
                true => 1,
                false => rest.iter().take_while(|step| !has_commands(step)).count(),
            };
            let (now, later) = rest.split_at(together);
            if self.talk(now, context, false)? == Outcome::Stopped {
                return Ok(Outcome::Stopped);
            }
            rest = later;
        }
        Ok(Outcome::AllDone)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let rows = self.session.write(&ledger::record(&self.place.schema, &self.owner, entry))?;
        if rows.is_empty() { Err(lost()) } else { Ok(()) }
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        let schema = &self.place.schema;
        let sql = format!(
            "with held as (select 1 from {} where id = 1 and token = {} and expires > clock_timestamp() for update) \
             update {ledger} l set parts_done = {done}, parts_total = {total} from held where l.seq = \
             (select max(seq) from {ledger} where event = 'begun' and version = {version}) returning l.seq",
            schema.the("lease"),
            literal(&self.owner.token),
            ledger = schema.the("ledger"),
        );
        if self.session.write(&sql)?.is_empty() { Err(lost()) } else { Ok(()) }
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        self.talk(std::slice::from_ref(step), context, true).map(drop)
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        let held = format!("select {}({})", self.place.schema.the("held"), literal(&self.owner.token));
        wipe::wipe(&mut self.session, &self.place.schema, &held)
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        if let Some(unused) = self.ready.take() {
            let _ = unused.running.finish();
        }
        lease::release(&mut self.session, &self.place.schema, &self.owner.token)
    }
}

fn lost() -> Failure {
    Failure::failed("the lease was lost, so the ledger was not written")
        .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")
}

impl Held {
    fn program(&mut self) -> Result<PathBuf, Failure> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let program = self.place.program()?;
        self.program = Some(program.clone());
        Ok(program)
    }

    /// The client that was started ahead, or a new one.
    fn client(&mut self) -> Result<Running, Failure> {
        if let Some(Ready { running, since }) = self.ready.take() {
            if !running.has_ended() && since.elapsed() < FRESH {
                return Ok(running);
            }
            let _ = running.finish();
        }
        let program = self.program()?;
        let line = self.place.command(program, &self.owner.run);
        Running::start(&line).map_err(|e| Failure::unreachable(format!("psql cannot be started: {e}")))
    }

    /// One client for these steps.
    fn talk(&mut self, steps: &[Step], context: &Context<'_>, seed: bool) -> Result<Outcome, StepFailure> {
        let Some(first) = steps.first() else { return Ok(Outcome::AllDone) };
        let files = Files::of(steps, &self.place.settings.root).map_err(|f| StepFailure::before(first.index, f))?;
        if let Some(step) = steps.iter().find(|step| step.text.contains('\0')) {
            // The client would leave out the rest of that line without a word.
            let line = 1 + step.text.split('\0').next().map_or(0, |t| t.matches('\n').count());
            let what = format!("the script holds a NUL character at line {line}, which psql cannot read");
            if step.index == first.index {
                return Err(StepFailure { line: Some(line), ..StepFailure::before(step.index, Failure::failed(what)) });
            }
            let until = steps.iter().position(|s| s.index == step.index).unwrap_or(0);
            return match self.talk(&steps[..until], context, seed)? {
                Outcome::AllDone => self.talk(&steps[until..], context, seed),
                Outcome::Stopped => Ok(Outcome::Stopped),
            };
        }
        let running = self.client().map_err(|f| StepFailure::before(first.index, f))?;
        let mut make = |step: &Step, mark: &str, chain: Chain| {
            let frame = Frame { schema: &self.place.schema, token: Some(&self.owner.token), mark };
            let route = route(step, files.path(step), !seed);
            match (seed, step.mode.is_atomic()) {
                (true, _) => frame.seed(step, &route),
                (false, true) => frame.atomic(step, &route, chain),
                (false, false) => frame.two_phase(step, &route),
            }
        };
        let talked = psql::talk(running, steps, context, &mut make).map_err(|e| {
            StepFailure::before(first.index, Failure::failed(format!("the end of psql cannot be waited for: {e}")))
        })?;
        self.judge(steps, talked, &files, context, seed)
    }

    /// What came of it, by what was heard and by what the ledger says.
    fn judge(
        &mut self,
        steps: &[Step],
        talked: psql::Session,
        files: &Files,
        context: &Context<'_>,
        seed: bool,
    ) -> Result<Outcome, StepFailure> {
        let (done, at_work) = (&steps[..talked.done], talked.done < talked.fed.len());
        let confirmed = match (seed, done.last()) {
            (false, Some(last)) => match self.missing(done, context) {
                Ok(None) => true,
                Ok(Some(step)) => return Err(StepFailure::absent(step.index, "psql")),
                // A server that went away with a script cannot be asked about the steps before it either.
                Err(_) if at_work => false,
                Err(failure) => return Err(StepFailure::unconfirmed(last.index, failure)),
            },
            _ => true,
        };
        if !at_work {
            let outcome = if talked.done == steps.len() { Outcome::AllDone } else { Outcome::Stopped };
            if outcome == Outcome::AllDone || context.stop.asked().is_some() {
                return Ok(outcome);
            }
            if talked.ended.is_some() {
                // Its deadline came in the moment in which it got through.
                return self.talk(&steps[talked.done..], context, seed);
            }
        }
        let Some(step) = steps.get(talked.done) else { return Ok(Outcome::AllDone) };
        let fate = match (seed, confirmed) {
            (true, _) => Fate::of_seed(step),
            (false, true) => self.fate(step, &talked, context),
            (false, false) => Fate::Unknown,
        };
        let mut failure = verdict::failure(step, &talked, files.path(step), &fate);
        self.place.scrub(&mut failure);
        if talked.ended.as_ref().is_some_and(verdict::is_sibling) {
            return self.settle_ahead(steps, &talked, context, failure);
        }
        if fate == Fate::Ended {
            self.leave_trace(step, &mut failure);
        }
        Err(failure)
    }

    /// Steps that had been fed when another store's step failed: those that got through are done, the rest was not
    /// begun.
    fn settle_ahead(
        &mut self,
        steps: &[Step],
        talked: &psql::Session,
        context: &Context<'_>,
        failure: StepFailure,
    ) -> Result<Outcome, StepFailure> {
        let fed = &steps[talked.done..talked.fed.len().min(steps.len())];
        let there = self.entries(fed, context).map_err(|f| StepFailure { message: f.message, ..failure.clone() })?;
        for step in fed {
            if let Some((EntryEvent::Done, duration, _)) = there.get(&step.index) {
                (context.event)(step.index, StepEvent::Done { duration_ms: duration.unwrap_or(0) });
            }
        }
        if failure.kept == Kept::Unknown { Err(failure) } else { Ok(Outcome::Stopped) }
    }
}
