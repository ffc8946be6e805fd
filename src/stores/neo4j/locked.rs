//! A database whose lease this run holds: runs steps through cypher-shell and writes the ledger.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::ahead::Aide;
use super::bolt::Value;
use super::frame::{Feed, Frame};
use super::lease::{self, Pulse};
use super::ledger;
use super::requests::{self, EXTENSION, Ways, Writer};
use super::script::{has_commands, parts};
use super::session::Session;
use super::shell::Shell;
use super::statement::{self, Guard, LEASE_LOST, Query};
use super::talk::{Talk, Talked};
use super::{CLIENT, verdict, wipe};

use crate::config::scrub;
use crate::domain::{EntryEvent, Failure, Version};
use crate::process::identity;
use crate::process::program::Ended;
use crate::stores::http;
use crate::stores::{
    Context, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Settings, Step, StepEvent, StepFailure,
    StopReason, StoredScript,
};

/// The lease of one database, held.
pub struct Held {
    /// Speaks to the ledger.
    pub session: Session,
    /// How the store is configured.
    pub settings: Settings,
    /// This run.
    pub owner: Owner,
    /// Whose stale lease it was.
    pub took_over: Option<Holder>,
    /// The client, once it was looked for.
    pub program: Option<PathBuf>,
    /// One that was started before it was needed.
    pub shell: Option<Shell>,
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        let mut pulse = Pulse::new(self.session.another(), &self.owner.token, self.settings.lease);
        // Connecting takes the longest, and must not come on top of the first wait.
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
        for alike in steps.chunk_by(|a, b| (a.extension == EXTENSION) == (b.extension == EXTENSION)) {
            let outcome = match alike[0].extension == EXTENSION {
                true => self.run_requests(alike, context)?,
                false => self.run_cypher(alike, context)?,
            };
            if outcome == Outcome::Stopped {
                return Ok(outcome);
            }
        }
        Ok(Outcome::AllDone)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        // A program comes first, and nobody knows for how long, or what it does to the server.
        self.shell = None;
        let query = self.guard().append(entry, &self.owner, "");
        self.guarded(&query)
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        let query = self.guard().journal(version, done, total);
        self.guarded(&query)
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        if step.extension == EXTENSION {
            let endpoint = self.session.endpoint();
            let seeded = http::seed(&requests::agent(endpoint), &Ways::of(endpoint), step, context);
            return seeded.map_err(|failure| self.scrubbed(failure));
        }
        self.talk(std::slice::from_ref(step), context, true).map(drop)
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        wipe::wipe(&mut self.session, &self.owner.token).map_err(lost)
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        lease::release(&mut self.session, &self.owner.token)
    }
}

/// Our own guard's refusal, in words for a person.
fn lost(failure: Failure) -> Failure {
    match failure.message.contains(LEASE_LOST) {
        true => Failure::failed("the lease was lost, so the ledger was not written")
            .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand"),
        false => failure,
    }
}

/// What the ledger says of a step of this run.
struct Seen {
    done: bool,
    duration_ms: i64,
    parts: Option<(u32, u32)>,
}

impl Held {
    /// Runs scripts of requests.
    fn run_requests(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        self.shell = None;
        let (ways, agent) = (Ways::of(self.session.endpoint()), requests::agent(self.session.endpoint()));
        let mut book = Writer { session: &mut self.session, owner: &self.owner, agent };
        http::run(&mut book, &ways, steps, context).map_err(|failure| self.scrubbed(failure))
    }

    /// Runs scripts of Cypher.
    fn run_cypher(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let mut rest = steps;
        while let Some(first) = rest.first() {
            if context.stop.asked().is_some() {
                return Ok(Outcome::Stopped);
            }
            parts(&first.text).map_err(|unfit| verdict::unfit(first, unfit))?;
            // What comes before a script that cannot be run is run; then it fails by itself.
            let fits = |step: &&Step| !has_commands(&step.text) && parts(&step.text).is_ok();
            let together = rest.iter().take_while(fits).count().max(1);
            let (now, later) = rest.split_at(together);
            if self.talk(now, context, false)? == Outcome::Stopped {
                return Ok(Outcome::Stopped);
            }
            rest = later;
        }
        Ok(Outcome::AllDone)
    }

    fn guard(&self) -> Guard<'_> {
        Guard { token: &self.owner.token, begins: false }
    }

    fn guarded(&mut self, query: &Query) -> Result<(), Failure> {
        self.session.send(query).map(drop).map_err(lost)
    }

    fn program(&mut self) -> Result<PathBuf, Failure> {
        if self.program.is_none() {
            let found =
                crate::process::find::client(&CLIENT, self.settings.client.as_deref(), &self.settings.name, None)?;
            self.program = Some(found);
        }
        Ok(self.program.clone().unwrap_or_default())
    }

    /// A shell that is running already, or a new one.
    fn shell(&mut self) -> Result<Shell, Failure> {
        if let Some(shell) = self.shell.take().filter(Shell::is_fresh) {
            return Ok(shell);
        }
        let program = self.program()?;
        Shell::start(program, self.session.endpoint(), &self.settings)
    }

    /// One client for these steps.
    fn talk(&mut self, steps: &[Step], context: &Context<'_>, seed: bool) -> Result<Outcome, StepFailure> {
        let Some(first) = steps.first() else { return Ok(Outcome::AllDone) };
        let mark = identity::token();
        let database = self.session.endpoint().database.as_deref();
        let frame = Frame { owner: Some(&self.owner), database, mark: &mark };
        let Feed { text, plans, .. } = frame.all(steps, seed).map_err(|unfit| verdict::unfit(first, unfit))?;
        let shell = self.shell().map_err(|f| StepFailure::before(first.index, f))?;
        let aide = Aide::start(self.session.another(), &self.owner.run, plans);
        let (mut session, token) = (self.session.another(), self.owner.token.clone());
        let mut asked = false;
        let mut ask_to_stop = || {
            // Where it cannot be said, the steps that the client has go on until it is ended.
            asked = lease::ask_to_stop(&mut session, &token, true).is_ok();
        };
        let talk = Talk::new(&mark, steps, context, &aide);
        let mut talked = shell.talk(text, talk, &mut ask_to_stop).map_err(|e| {
            StepFailure::before(first.index, Failure::unreachable(format!("cypher-shell cannot be waited for: {e}")))
        })?;
        if asked {
            let _ = lease::ask_to_stop(&mut self.session, &self.owner.token, false);
        }
        if talked.waiting.is_some()
            && talked.ended.is_none()
            && let Some(step) = steps.get(talked.done)
            && self.seen(steps).is_ok_and(|seen| seen.get(&step.index).is_some_and(|seen| seen.done))
        {
            talked.confirm(steps, context);
        }
        self.judge(steps, &talked, context, seed)
    }

    /// What came of it, by what was heard and by what the ledger says.
    fn judge(
        &mut self,
        steps: &[Step],
        talked: &Talked,
        context: &Context<'_>,
        seed: bool,
    ) -> Result<Outcome, StepFailure> {
        if seed {
            let Some(step) = steps.get(talked.done) else { return Ok(Outcome::AllDone) };
            let kept = if talked.begun { Kept::Half(None) } else { Kept::Nothing };
            return Err(self.scrubbed(verdict::failure(step, talked, kept)));
        }
        // Whoever has the lease now may be at the same script.
        let killed = talked.ended.is_none() && talked.finished.code.is_none();
        if killed || !matches!(talked.ended, None | Some(Ended::Stopped(StopReason::LeaseLost))) {
            self.wait_for_quiet(steps.get(talked.done));
        }
        let mut seen = match self.seen(steps) {
            Ok(seen) => seen,
            // A server that went away with a script: what the shell said of that is what a person needs.
            Err(failure) => {
                return Err(match steps.get(talked.done) {
                    Some(step) => self.scrubbed(verdict::failure(step, talked, Kept::Unknown)),
                    None => StepFailure::unconfirmed(steps[talked.done - 1].index, failure),
                });
            }
        };
        // Success is positive: the entries of all steps whose markers came back must be there.
        if let Some(step) = steps[..talked.done].iter().find(|s| !seen.get(&s.index).is_some_and(|s| s.done)) {
            return Err(StepFailure::absent(step.index, "cypher-shell"));
        }
        let Some(step) = steps.get(talked.done) else { return Ok(Outcome::AllDone) };
        let kept = match seen.remove(&step.index) {
            Some(Seen { done: true, duration_ms, .. }) if talked.ended.is_some() => {
                // It got through in the moment in which the client was ended.
                (context.event)(step.index, StepEvent::Done { duration_ms });
                return Ok(Outcome::Stopped).and_then(|stopped| match context.stop.asked() {
                    Some(_) => Ok(stopped),
                    None => self.run_cypher(&steps[talked.done + 1..], context),
                });
            }
            Some(Seen { done: true, .. }) => Kept::All,
            Some(Seen { parts, .. }) => Kept::Half(parts),
            None => Kept::Nothing,
        };
        if kept == Kept::Nothing && verdict::is_sibling(talked) {
            return Ok(Outcome::Stopped);
        }
        Err(self.scrubbed(verdict::failure(step, talked, kept)))
    }

    fn scrubbed(&self, mut failure: StepFailure) -> StepFailure {
        failure.message = scrub(&failure.message, &self.session.endpoint().secrets());
        failure
    }

    /// What the ledger says of each of these steps.
    fn seen(&mut self, steps: &[Step]) -> Result<BTreeMap<usize, Seen>, Failure> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(BTreeMap::new()) };
        let rows = ledger::of_run(&mut self.session, &self.owner.run, first.index, last.index)?;
        let seen = rows.iter().filter_map(|row| {
            let number = |at: usize| row.get(at).and_then(Value::as_int);
            let small = |at: usize| number(at).and_then(|n| u32::try_from(n).ok());
            let done = row.get(1).and_then(Value::as_text) == Some(EntryEvent::Done.word());
            let seen = Seen { done, duration_ms: number(2).unwrap_or(0), parts: small(3).zip(small(4)) };
            Some((usize::try_from(number(0)?).ok()?, seen))
        });
        Ok(seen.collect())
    }

    /// A client that was ended may have left a statement at work: the server notices, and takes it back, in a moment.
    fn wait_for_quiet(&mut self, step: Option<&Step>) {
        let Some(parts) = step.and_then(|step| parts(&step.text).ok()) else { return };
        let own = parts.iter().flat_map(|p| &p.items).filter(|i| !i.is_command).map(|i| i.text);
        // One that is being committed still shows its last statement: the ledger's.
        let texts: Vec<String> = own.chain([statement::BEGINNING]).map(statement::literal).collect();
        let find = format!(
            "SHOW TRANSACTIONS YIELD transactionId, currentQuery WHERE any(text IN [{}] WHERE currentQuery STARTS WITH text) \
             RETURN transactionId",
            texts.join(", ")
        );
        // One that was being committed is through after a moment.
        std::thread::sleep(Duration::from_millis(100));
        let until = Instant::now() + Duration::from_secs(5);
        // Who may not ask has to take the ledger at its word.
        while let Ok(rows) = self.session.read(&find) {
            if rows.is_empty() || Instant::now() > until {
                return;
            }
            for id in rows.iter().filter_map(|row| row[0].as_text()) {
                let _ = self.session.write(&format!("TERMINATE TRANSACTION {}", statement::literal(id)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
