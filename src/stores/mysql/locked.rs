//! A database whose lease is held: runs scripts through one client and writes the ledger.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::client::Family;
use super::lease::{self, Pulse};
use super::ledger;
use super::script::{self, Chain, Frame, Opening, Part};
use super::session::Session;
use super::talk::Talk;
use super::wire::Trouble;
use super::{Place, verdict, wipe};
use crate::domain::{EntryEvent, Failure, Version};
use crate::process::pipes::{AHEAD, QUICK};
use crate::stores::{
    Context, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure, StopReason,
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
    pub program: Option<(PathBuf, Family)>,
    /// One for all the scripts of a run, once the first one came.
    pub talk: Option<Talk>,
    /// When the lease was taken.
    pub since: Instant,
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        if self.talk.is_none() {
            self.talk = start_ahead(&self.place);
        }
        let session = self.session.another();
        Ok(Box::new(Pulse::new(session, &self.place.home, &self.owner.token, self.place.settings.lease)))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&mut self.session, &self.place.home)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, &self.place.home, version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let (mut fed, mut done, mut unfit) = (0, 0, None);
        let mut quick = false;
        while done < steps.len() {
            let window = if quick { AHEAD } else { 1 };
            if fed - done <= window / 2 && unfit.is_none() && context.stop.asked().is_none() {
                let until = steps.len().min(done + window);
                (fed, unfit) = self.feed_all(steps, fed, until);
            }
            let heard = match (done < fed, unfit.take()) {
                (true, kept_back) => {
                    unfit = kept_back;
                    self.hear(&steps[done..fed], context, false)
                }
                (false, Some(failure)) => Err(failure),
                (false, None) => {
                    self.verify(&steps[..done])?;
                    return Ok(Outcome::Stopped);
                }
            };
            match heard {
                Ok(took) => quick = took < QUICK,
                // A server that went away with a script cannot be asked about the steps before it either.
                Err(failure) if failure.kept == Kept::Unknown => return Err(failure),
                Err(failure) => {
                    self.verify(&steps[..done])?;
                    return Err(failure);
                }
            }
            done += 1;
        }
        self.verify(steps).map(|()| Outcome::AllDone)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let sql = ledger::record(&self.place.home, &self.owner, entry);
        self.write(&sql)
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        let sql = ledger::journal(&self.place.home, &self.owner.token, version, done, total);
        self.write(&sql)
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        let parts = script::parts(&step.text).map_err(|unfit| verdict::unfit(step, unfit))?;
        self.feed(step, &parts, &Chain::default(), true)?;
        self.hear(std::slice::from_ref(step), context, true).map(drop)
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        // A client that is open may hold what is to be dropped.
        if let Some(talk) = self.talk.take() {
            talk.finish();
        }
        wipe::wipe(&mut self.session, &self.place.home, &self.owner.token)
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        let released = lease::release(&mut self.session, &self.place.home, &self.owner.token);
        if let Some(talk) = self.talk.take() {
            talk.finish();
        }
        released
    }
}

impl Held {
    fn write(&mut self, sql: &str) -> Result<(), Failure> {
        match self.session.run(sql) {
            Ok(answers) if answers.iter().any(|answer| answer.affected > 0) => return Ok(()),
            Ok(_) | Err(Trouble::Refused(ledger::NO_LEASE, _)) => {}
            Err(trouble) => return Err(self.session.failure(trouble)),
        }
        Err(Failure::failed("the lease was lost, so the ledger was not written")
            .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand"))
    }

    fn program(&mut self, needed_by: Option<&str>) -> Result<(PathBuf, Family), Failure> {
        match &self.program {
            Some(known) => Ok(known.clone()),
            None => Ok(self.program.insert(program(&self.place, needed_by)?).clone()),
        }
    }

    /// The client that is there, or a new one.
    fn talk(&mut self, step: &Step) -> Result<Talk, StepFailure> {
        if let Some(talk) = self.talk.take() {
            if talk.is_fit() {
                return Ok(talk);
            }
            talk.finish();
        }
        let started = self.program(Some(&step.full_name())).and_then(|program| start(&self.place, program));
        started.map_err(|f| StepFailure::before(step.index, f))
    }

    /// Feeds the steps from `from` to before `until` to the client, which comes to them after those before: how far it came, and
    /// why not further.
    fn feed_all(&mut self, steps: &[Step], from: usize, until: usize) -> (usize, Option<StepFailure>) {
        let mut chain = Chain::default();
        let mut next = steps.get(from).map_or(Ok(Vec::new()), |step| script::parts(&step.text));
        for at in from..until {
            let step = &steps[at];
            let parts = match std::mem::replace(&mut next, Ok(Vec::new())) {
                Ok(parts) => parts,
                Err(unfit) => return (at, Some(verdict::unfit(step, unfit))),
            };
            if let Some(step) = steps.get(at + 1).filter(|_| at + 1 < until) {
                next = script::parts(&step.text);
                // Behind a script that changes its session comes another session.
                chain.after = next.as_ref().ok().filter(|_| !script::changes_session(&parts)).map(|p| opening(step, p));
            }
            let began = std::mem::take(&mut chain);
            chain.before = began.after.is_some();
            if let Err(failure) = self.feed(step, &parts, &began, false) {
                return (at, Some(failure));
            }
        }
        (until, None)
    }

    fn feed(&mut self, step: &Step, parts: &[Part<'_>], chain: &Chain, seed: bool) -> Result<(), StepFailure> {
        let mut talk = self.talk(step)?;
        let frame = Frame { home: &self.place.home, owner: &self.owner, mark: &talk.mark };
        let feed = made(frame, step, parts, seed, chain);
        talk.feed(feed, script::changes_session(parts));
        self.talk = Some(talk);
        Ok(())
    }

    /// Hears the first of these steps, which were all fed, to its end; how long it took.
    fn hear(&mut self, steps: &[Step], context: &Context<'_>, seed: bool) -> Result<Duration, StepFailure> {
        let (Some(step), Some(mut talk)) = (steps.first(), self.talk.take()) else { return Ok(Duration::ZERO) };
        match talk.hear(step, context) {
            Ok(took) => {
                let said = self.place.without_secrets(talk.printed().trim_end());
                if !said.is_empty() {
                    (context.event)(step.index, StepEvent::Said(said));
                }
                self.talk = Some(talk);
                let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
                (context.event)(step.index, StepEvent::Done { duration_ms });
                Ok(took)
            }
            Err(broken) => {
                let (step, kept) = self.settle(steps, &broken, context, seed);
                let mut failure = verdict::failure(step, &broken, kept);
                failure.message = self.place.without_secrets(&failure.message);
                if failure.what.contains("lease was lost") {
                    context.stop.ask(StopReason::LeaseLost);
                }
                Err(failure)
            }
        }
    }
}

/// The client, and whose it is.
///
/// # Errors
/// It cannot be found, or not be asked.
pub(super) fn program(place: &Place, needed_by: Option<&str>) -> Result<(PathBuf, Family), Failure> {
    let program = place.program(needed_by)?;
    let family = Family::of_program(&program)?;
    Ok((program, family))
}

fn start(place: &Place, (program, family): (PathBuf, Family)) -> Result<Talk, Failure> {
    let shown = program.display().to_string();
    Talk::start(program, family, &place.endpoint, &place.settings.root)
        .map_err(|e| Failure::unreachable(format!("`{shown}` cannot be started: {e}")))
}

/// A client that logs in while the ledger is created and the scripts are read. Whether it is needed, and so what is wrong with
/// it, is seen later.
pub(super) fn start_ahead(place: &Place) -> Option<Talk> {
    program(place, None).and_then(|program| start(place, program)).ok()
}

/// Whether a script is one transaction. What goes on in its middle is none.
pub(super) fn is_whole(step: &Step) -> bool {
    step.mode.is_atomic() && step.resume_from == 0
}

/// How a step begins.
fn opening(step: &Step, parts: &[Part<'_>]) -> Opening {
    if is_whole(step) {
        return Opening::Whole;
    }
    let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    Opening::Apart(Box::new(NewEntry::of_parts(step, EntryEvent::Begun, (step.resume_from, total))))
}

/// What the client is fed for a step.
pub fn made(frame: Frame<'_>, step: &Step, parts: &[Part<'_>], seed: bool, chain: &Chain) -> script::Feed {
    match (seed, opening(step, parts)) {
        (true, opening) => frame.seed(parts, step.index, matches!(opening, Opening::Whole)),
        (false, Opening::Whole) => frame.together(parts, step.index, &NewEntry::of(step, EntryEvent::Done), chain),
        (false, Opening::Apart(begun)) => {
            let total = begun.parts_total.unwrap_or(0);
            let done = NewEntry::of_parts(step, EntryEvent::Done, (total, total));
            frame.apart(parts, step.index, begun, &done, chain)
        }
    }
}
