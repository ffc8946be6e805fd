//! A cluster whose lease is held.

use std::time::Instant;

use serde_json::{Value, json};

use super::Place;
use super::api::Api;
use super::entries::{kept, unlocked};
use super::lease::{self, Pulse};
use super::ledger;
use super::place;
use super::wipe;
use crate::config::scrub;
use crate::domain::{Failure, Version};
use crate::stores::http::{self, Agent, Book, Line};
use crate::stores::{
    Context, Heart, Holder, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepFailure, StoredScript,
};

/// The lease of one cluster's store, held.
pub struct Held {
    place: Place,
    api: Api,
    owner: Owner,
    /// Where the ledger ends.
    end: place::Place,
    /// What stood in the ledger when the lease was taken, until something is written.
    seen: Option<ledger::Pages>,
    took_over: Option<Holder>,
    /// The server's clock when the lease was taken, and ours: from then on ours measures.
    since: (i64, Instant),
}

impl Held {
    /// With the fence in its place.
    ///
    /// # Errors
    /// The ledger cannot be read or written.
    pub fn new(place: Place, api: Api, owner: &Owner, took_over: Option<Holder>, now: i64) -> Result<Self, Failure> {
        let since = (now, Instant::now());
        let note = took_over.as_ref().map(|holder| unlocked(owner, now, holder.takeover_note()));
        let (end, seen) = place::Place::fenced(&api, owner, note)?;
        Ok(Self { place, api, owner: owner.clone(), end, seen: Some(seen), took_over, since })
    }

    fn now_ms(&self) -> i64 {
        let since = i64::try_from(self.since.1.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.since.0.saturating_add(since)
    }

    /// Writes a document while the lease is ours; false when it is not.
    fn append(&mut self, document: Value) -> Result<bool, Failure> {
        self.seen = None;
        // What is put in its place says whose it is by now; this finds a lease that was taken without a word.
        Ok(lease::is_held(&self.api, &self.owner.token)? && self.end.write(&self.api, document)?)
    }

    fn must(&mut self, document: Value) -> Result<(), Failure> {
        match self.append(document)? {
            true => Ok(()),
            false => Err(lost()),
        }
    }

    fn scrubbed(&self, mut failure: StepFailure) -> StepFailure {
        failure.message = self.api.agent.scrub(&scrub(&failure.message, &self.place.endpoint.secrets()));
        failure
    }
}

fn lost() -> Failure {
    Failure::failed("the lease was lost, so the ledger was not written")
        .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")
}

impl Book for Held {
    fn agent(&self) -> &Agent {
        &self.api.agent
    }

    fn write(&mut self, lines: &[Line]) -> Result<bool, Failure> {
        let mut document = json!({});
        let mut entries = Vec::new();
        for line in lines {
            match line {
                Line::Entry(new) => entries.push(kept(new, &self.owner, self.now_ms())),
                Line::Journal { version, done, total } => {
                    document["journal"] = json!({ "version": version.to_string(), "done": done, "total": total });
                }
            }
        }
        if !entries.is_empty() {
            document["entries"] = entries.into();
        }
        self.append(document)
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        let (api, length) = (self.api.clone(), self.place.settings.lease);
        Ok(Box::new(Pulse::new(api, self.owner.clone(), self.since, length)))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        match &self.seen {
            Some(pages) => pages.ledger(),
            None => ledger::look(&self.api),
        }
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&self.api, version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let ways = self.place.ways();
        http::run(self, &ways, steps, context).map_err(|failure| self.scrubbed(failure))
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let entry = kept(entry, &self.owner, self.now_ms());
        self.must(json!({ "entries": [entry] }))
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        self.must(json!({ "journal": { "version": version.to_string(), "done": done, "total": total } }))
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        http::seed(&self.api.agent, &self.place.ways(), step, context).map_err(|failure| self.scrubbed(failure))
    }

    /// The ledger first: a crash in between leaves things that nothing claims to have applied, and not claims that are
    /// not true.
    fn wipe(&mut self) -> Result<(), Failure> {
        // Who may not look may not drop: that must be known before the ledger says that all is gone.
        let things = wipe::things(&self.api, &self.place.endpoint)?;
        self.must(json!({ "wipe": {} }))?;
        let api = self.api.clone();
        let token = self.owner.token.clone();
        let held = || if lease::is_held(&api, &token)? { Ok(()) } else { Err(lost()) };
        wipe::wipe(&self.api, things, &held).map_err(|failure| {
            failure
                .detail("the ledger says from now on that nothing is applied; what was not dropped is still there")
                .hint("once the reason is gone, `stepladder fresh` again drops the rest")
        })
    }

    fn release(self: Box<Self>) -> Result<(), Failure> {
        lease::release(&self.api, &self.owner.token).map(drop)
    }
}
