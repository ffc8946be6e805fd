//! Who keeps the ledger and the lease of a shell store: a file, or another store.

use std::time::Duration;

use super::place::Place;
use crate::domain::{Failure, Version};
use crate::stores::host::{Guest, GuestLocked};
use crate::stores::memory::book::{Book, now_ms};
use crate::stores::{Heart, Holder, Ledger, NewEntry, Owner, Probe, Store, StoredScript};

/// Who keeps them.
#[derive(Clone)]
pub enum Keeper {
    /// A file, with a lease that lasts so long.
    File(Place, Duration),
    /// Another store, whose lease it is.
    Host(Guest),
}

impl Keeper {
    /// As a person would write it.
    pub fn address(&self) -> String {
        match self {
            Self::File(place, _) => place.address(),
            Self::Host(guest) => format!("the ledger of {} ({})", guest.host().name(), guest.host().address()),
        }
    }

    /// The ledger's name in a dry run.
    pub fn ledger_name(&self) -> String {
        match self {
            Self::File(..) => "ledger".to_owned(),
            Self::Host(guest) => format!("ledger of {}", guest.host().name()),
        }
    }

    /// What scripts are told of it: a host's connection is not theirs to know.
    pub fn url(&self) -> String {
        match self {
            Self::File(place, _) => place.url(),
            Self::Host(_) => "shell:".to_owned(),
        }
    }

    /// What answers.
    ///
    /// # Errors
    /// As [`Store::probe`].
    pub fn probe(&self) -> Result<Probe, Failure> {
        let place = match self {
            Self::File(place, _) => place,
            Self::Host(guest) => return guest.host().clone().probe(),
        };
        place.check()?;
        let server = match place.read()?.map(|book| book.entries.len()) {
            Some(1) => "a file with 1 entry".to_owned(),
            Some(n) => format!("a file with {n} entries"),
            None => "a file that the first run makes".to_owned(),
        };
        Ok(Probe { server, warnings: Vec::new() })
    }

    /// The entries.
    ///
    /// # Errors
    /// As [`Store::look`].
    pub fn look(&self) -> Result<Ledger, Failure> {
        match self {
            Self::File(place, _) => place.read()?.map_or_else(|| Ok(Ledger::default()), |book| book.ledger()),
            Self::Host(guest) => guest.look(),
        }
    }

    /// Who has the lease.
    ///
    /// # Errors
    /// As [`Store::holder`].
    pub fn holder(&self) -> Result<Option<Holder>, Failure> {
        match self {
            Self::File(place, _) => Ok(place.read()?.and_then(|book| book.lease.map(|lease| lease.holder(now_ms())))),
            Self::Host(guest) => guest.host().clone().holder(),
        }
    }

    /// A down script from the ledger.
    ///
    /// # Errors
    /// As [`Store::stored_down`].
    pub fn stored_down(&self, version: Version) -> Result<Option<StoredScript>, Failure> {
        match self {
            Self::File(place, _) => Ok(place.read()?.and_then(|book| book.stored_down(version))),
            Self::Host(guest) => guest.stored_down(version),
        }
    }

    /// Takes the lease; who has it where that is somebody else.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub fn lock(&self, owner: &Owner) -> Result<Result<Pen, Holder>, Failure> {
        let (place, length) = match self {
            Self::File(place, length) => (place, *length),
            Self::Host(guest) => return Ok(guest.lock(owner)?.map(Pen::Host)),
        };
        let taken = place.create(|book| book.take(owner, length))?;
        let file = |took_over| FilePen { place: place.clone(), length, owner: owner.clone(), took_over };
        Ok(taken.map(|took_over| Pen::File(Box::new(file(took_over)))).map_err(|holder| *holder))
    }

    /// Releases somebody else's lease.
    ///
    /// # Errors
    /// As [`Store::unlock`].
    pub fn unlock(&self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        let place = match self {
            Self::File(place, _) => place,
            Self::Host(guest) => return guest.host().clone().unlock(seen, by),
        };
        place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&seen.token)) else { return false };
            book.lease = None;
            book.note_unlocked(by, format!("released by force; it was held by {} of run {}", seen.who(), seen.run));
            true
        })
    }
}

/// The ledger under its lease.
pub enum Pen {
    /// In a file.
    File(Box<FilePen>),
    /// In another store.
    Host(GuestLocked),
}

/// A file's.
pub struct FilePen {
    place: Place,
    length: Duration,
    owner: Owner,
    took_over: Option<Holder>,
}

impl FilePen {
    /// Changes the files if the lease is still ours, under one lock.
    fn guarded(&self, change: impl FnOnce(&mut Book, &Owner)) -> Result<bool, Failure> {
        self.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&self.owner.token)) else { return false };
            change(book, &self.owner);
            true
        })
    }
}

impl Pen {
    /// Whose stale lease it was.
    pub fn took_over(&self) -> Option<&Holder> {
        match self {
            Self::File(file) => file.took_over.as_ref(),
            Self::Host(guest) => guest.took_over(),
        }
    }

    /// What renews the lease.
    ///
    /// # Errors
    /// A second connection that cannot be made.
    pub fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        match self {
            Self::File(file) => {
                Ok(Box::new(Beat { place: file.place.clone(), length: file.length, token: file.owner.token.clone() }))
            }
            Self::Host(guest) => guest.heart(),
        }
    }

    /// The entries.
    ///
    /// # Errors
    /// As [`Store::look`].
    pub fn look(&mut self) -> Result<Ledger, Failure> {
        match self {
            Self::File(file) => file.place.read()?.map_or_else(|| Ok(Ledger::default()), |book| book.ledger()),
            Self::Host(guest) => guest.look(),
        }
    }

    /// A down script from the ledger.
    ///
    /// # Errors
    /// As [`Store::stored_down`].
    pub fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        match self {
            Self::File(file) => Ok(file.place.read()?.and_then(|book| book.stored_down(version))),
            Self::Host(guest) => guest.stored_down(version),
        }
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// The lease is lost, or the ledger cannot be written.
    pub fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        match self {
            Self::File(file) => match file.guarded(|book, owner| book.append(entry, owner))? {
                true => Ok(()),
                false => Err(lost()),
            },
            Self::Host(guest) => guest.record(entry),
        }
    }

    /// Forgets the entries of a file. In another store they stay as history: what they say is taken back by now.
    ///
    /// # Errors
    /// As [`Pen::record`].
    pub fn empty(&mut self) -> Result<(), Failure> {
        match self {
            Self::File(file) => match file.guarded(|_, _| ())? {
                true => file.place.empty(),
                false => Err(lost()),
            },
            Self::Host(_) => Ok(()),
        }
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn release(self) -> Result<(), Failure> {
        match self {
            // A lease that is not ours any more is somebody else's to give back.
            Self::File(file) => file.guarded(|book, _| book.lease = None).map(|_| ()),
            Self::Host(guest) => guest.release(),
        }
    }
}

fn lost() -> Failure {
    Failure::failed("the lease was lost, so nothing was written")
        .detail("another run has it now, or it was released by force")
}

/// Renews the lease of a file.
struct Beat {
    place: Place,
    length: Duration,
    token: String,
}

impl Heart for Beat {
    fn beat(&mut self) -> Result<bool, Failure> {
        self.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&self.token)) else { return false };
            if let Some(lease) = &mut book.lease {
                lease.renew(self.length, now_ms());
            }
            true
        })
    }
}
