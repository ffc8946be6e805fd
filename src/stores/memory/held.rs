//! A memory store whose lease this run holds.

use std::collections::BTreeMap;
use std::time::Duration;

use super::book::{Book, now_ms};
use super::place::Place;
use crate::domain::{Failure, Version};
use crate::stores::{
    Context, Heart, Holder, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepFailure, StoredScript,
};

pub(super) struct Held {
    place: Place,
    owner: Owner,
    lease: Duration,
    took_over: Option<Holder>,
}

impl Held {
    pub fn new(place: Place, owner: Owner, lease: Duration, took_over: Option<Holder>) -> Self {
        Self { place, owner, lease, took_over }
    }

    /// The data as they are now.
    pub fn data(&self) -> Result<BTreeMap<String, String>, Failure> {
        Ok(self.place.read()?.map(|book| book.data).unwrap_or_default())
    }

    /// Changes the document if the lease is still ours, in the same write; false if it is not.
    pub fn guarded(&self, change: impl FnOnce(&mut Book, &Owner)) -> Result<bool, Failure> {
        self.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&self.owner.token)) else { return Ok(false) };
            change(book, &self.owner);
            Ok(true)
        })
    }

    fn must(&self, change: impl FnOnce(&mut Book, &Owner)) -> Result<(), Failure> {
        match self.guarded(change)? {
            true => Ok(()),
            false => Err(Failure::failed("the lease was lost, so nothing was written")),
        }
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(Beat { place: self.place.clone(), token: self.owner.token.clone(), lease: self.lease }))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.place.read()?.map_or_else(|| Ok(Ledger::default()), |book| book.ledger())
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        Ok(self.place.read()?.and_then(|book| book.stored_down(version)))
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        super::run::run(self, steps, context)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        self.must(|book, owner| book.append(entry, owner))
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        self.must(|book, _| book.journal(version, done, total))
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        super::run::seed(self, step, context)
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        self.must(|book, _| {
            book.data.clear();
            book.entries.clear();
        })
    }

    fn release(self: Box<Self>) -> Result<(), Failure> {
        // A lease that is not ours any more is somebody else's to give back.
        self.guarded(|book, _| book.lease = None).map(|_| ())
    }
}

/// Renews the lease.
struct Beat {
    place: Place,
    token: String,
    lease: Duration,
}

impl Heart for Beat {
    fn beat(&mut self) -> Result<bool, Failure> {
        self.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&self.token)) else { return Ok(false) };
            if let Some(lease) = &mut book.lease {
                lease.renew(self.lease, now_ms());
            }
            Ok(true)
        })
    }
}
