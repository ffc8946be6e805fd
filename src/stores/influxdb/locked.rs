//! A store whose lease this run holds.

use super::lease::{self, Pulse};
use super::log::{self, Log};
use super::record::{Row, Says};
use super::script::Ways;
use super::wipe;
use crate::config::scrub;
use crate::domain::{Failure, Version};
use crate::stores::http::{self, Agent, Line};
use crate::stores::{
    Context, Heart, Holder, Ledger, Locked, NewEntry, Outcome, Settings, Step, StepFailure, StoredScript,
};

/// The lease of one store, held.
pub struct Held {
    /// The ledger.
    pub log: Log,
    /// How the store is configured.
    pub settings: Settings,
    /// Whose stale lease it was.
    pub took_over: Option<Holder>,
}

impl Held {
    fn must(&mut self, says: Vec<Says>) -> Result<(), Failure> {
        match self.log.append(says)? {
            true => Ok(()),
            false => Err(Failure::failed("the lease was lost, so the ledger was not written")
                .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")),
        }
    }

    fn entry(&self, entry: &NewEntry) -> Vec<Says> {
        let mut says = self.log.book.keep(entry.down.as_ref());
        says.push(Says::Entry(Row::new(entry, &self.log.owner)));
        says
    }

    fn scrubbed(&self, mut failure: StepFailure) -> StepFailure {
        let secrets = self.log.api.endpoint.secrets();
        failure.message = scrub(&failure.message, &secrets.iter().collect::<Vec<_>>());
        failure
    }
}

impl http::Book for Held {
    fn agent(&self) -> &Agent {
        self.log.api.agent()
    }

    fn write(&mut self, lines: &[Line]) -> Result<bool, Failure> {
        let mut says = Vec::new();
        for line in lines {
            match line {
                Line::Entry(entry) => says.extend(self.entry(entry)),
                Line::Journal { version, done, total } => {
                    says.push(Says::Journal { version: version.to_string(), done: *done, total: *total });
                }
            }
        }
        self.log.append(says)
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(Pulse {
            api: self.log.api.clone(),
            number: self.log.number,
            mark: self.log.mark.clone(),
            length: self.settings.lease,
        }))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        super::look(&self.log.api)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        log::read(&self.log.api)?.unwrap_or_default().stored_down(version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let ways = Ways::new(self.log.api.clone());
        http::run(self, &ways, steps, context).map_err(|failure| self.scrubbed(failure))
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let says = self.entry(entry);
        self.must(says)
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        self.must(vec![Says::Journal { version: version.to_string(), done, total }])
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        let ways = Ways::new(self.log.api.clone());
        http::seed(self.log.api.agent(), &ways, step, context).map_err(|failure| self.scrubbed(failure))
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        let (api, number, mark) = (self.log.api.clone(), self.log.number, self.log.mark.clone());
        // A run that has lost its lease drops nothing more.
        let may = || match lease::is_held(&api, number, &mark)? {
            true => Ok(()),
            false => Err(Failure::failed("the lease was lost, so nothing more was dropped")
                .hint("`stepladder lock` shows who holds it")),
        };
        wipe::wipe(&api, &may)?;
        self.must(vec![Says::Wipe])
    }

    fn release(self: Box<Self>) -> Result<(), Failure> {
        lease::release(&self.log.api, self.log.number, &self.log.mark)
    }
}
