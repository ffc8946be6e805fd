//! A database whose lease this run holds.

use super::cluster::{Cluster, Place};
use super::lease::{self, Pulse, millis};
use super::ledger::{self, eval, lua, was_ours};
use super::ready::Ready;
use super::session::Session;
use super::{run, wipe};
use crate::config::scrub;
use crate::domain::{Failure, Version};
use crate::stores::{
    Context, Heart, Holder, Ledger, Locked, NewEntry, Outcome, Owner, Settings, Step, StepFailure, StoredScript,
};

const RENEW: &str = lua!("renew");

/// The lease of one database, held.
pub struct Held {
    /// Speaks to the server.
    pub session: Session,
    /// How the store is configured.
    pub settings: Settings,
    /// This run.
    pub owner: Owner,
    /// Whose stale lease it was.
    pub took_over: Option<Holder>,
    /// The cluster that the server is a node of.
    pub cluster: Option<Cluster>,
    /// The steps that this run was told to be done: place and name.
    pub told: Vec<(i64, String)>,
}

impl Held {
    /// Renews the lease, and says whether it is still ours.
    ///
    /// # Errors
    /// No answer.
    pub fn renew(&mut self) -> Result<bool, Failure> {
        let arguments = [self.owner.token.clone(), millis(self.settings.lease)];
        let words = eval(&self.session.endpoint, RENEW, arguments);
        self.session.ask(&words).map(|v| was_ours(&v))
    }

    /// Where a part of a step goes; none is the ledger's node.
    pub fn places(&self, ready: &Ready<'_>, part: usize) -> Vec<Option<Place>> {
        let key = ready.keys.get(part).and_then(Option::as_deref);
        self.cluster.as_ref().map_or_else(|| vec![None], |c| c.places(ready.job.commands().get(part), key))
    }

    /// The slot of a part's key has moved.
    pub fn learn(&mut self, ready: &Ready<'_>, part: usize, place: &Place) {
        let key = ready.keys.get(part).and_then(Option::as_deref);
        if let (Some(cluster), Some(key)) = (&mut self.cluster, key) {
            cluster.learn(key, place);
        }
    }

    /// The connection to a place.
    pub fn at(&mut self, place: Option<&Place>) -> &mut Session {
        match (place, &mut self.cluster) {
            (Some(place), Some(cluster)) => cluster.node(place, &self.session),
            _ => &mut self.session,
        }
    }

    fn must(&self, written: bool) -> Result<(), Failure> {
        match written {
            true => Ok(()),
            false => Err(Failure::failed("the lease was lost, so the ledger was not written")
                .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")),
        }
    }

    fn scrubbed(&self, mut failure: StepFailure) -> StepFailure {
        failure.message = scrub(&failure.message, &self.session.endpoint.secrets());
        failure
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(Pulse::new(self.session.another(), &self.owner.token, self.settings.lease)))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&mut self.session)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        run::run(self, steps, context).map_err(|failure| self.scrubbed(failure))
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let written = ledger::record(&mut self.session, entry, &self.owner)?;
        self.must(written)
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        let written = ledger::journal(&mut self.session, version, Some(done), total, &self.owner)?;
        self.must(written)
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        run::seed(self, step, context).map_err(|failure| self.scrubbed(failure))
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        let emptied = wipe::wipe(self)?;
        self.must(emptied)
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        lease::release(&mut self.session, &self.owner.token)
    }
}
