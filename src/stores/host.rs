//! A store that keeps the ledgers of other stores beside its own: one lease for all of them.
//!
//! In a run that works on the host and its guests the lease is taken once. Whoever comes second gets the same locked
//! store; what it writes waits while the host runs scripts, and never the other way round: a host waits for nobody.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{
    Context, Heart, Holder, Ledger, Locked, Needed, NewEntry, Outcome, Owner, Preview, Probe, Step, StepFailure, Store,
    StoredScript, Taken,
};
use crate::config::Secret;
use crate::domain::{Failure, Version, guest};

type SharedLocked = Mutex<Box<dyn Locked>>;

/// A store, opened once for itself and its guests. Clones are the same store.
#[derive(Clone)]
pub struct Host {
    name: String,
    shared: Arc<Mutex<Shared>>,
}

/// A host that goes with its last user.
#[derive(Clone)]
pub struct WeakHost(String, Weak<Mutex<Shared>>);

struct Shared {
    store: Box<dyn Store>,
    /// The lease, while somebody in this process has it.
    locked: Weak<SharedLocked>,
    token: String,
}

fn enter<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Host {
    /// The store of this name as a host.
    pub fn new(name: &str, store: Box<dyn Store>) -> Self {
        let shared = Shared { store, locked: Weak::new(), token: String::new() };
        Self { name: name.to_owned(), shared: Arc::new(Mutex::new(shared)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For whoever must not keep it open.
    pub fn downgrade(&self) -> WeakHost {
        WeakHost(self.name.clone(), Arc::downgrade(&self.shared))
    }

    fn with<T>(&self, work: impl FnOnce(&mut dyn Store) -> T) -> T {
        work(enter(&self.shared).store.as_mut())
    }

    /// Takes the lease, or a share in it where this run has it.
    fn take(&self, owner: &Owner) -> Result<Result<Share, Holder>, Failure> {
        let mut shared = enter(&self.shared);
        if let Some(locked) = shared.locked.upgrade().filter(|_| shared.token == owner.token) {
            return Ok(Ok(Share { locked, took_over: None }));
        }
        match shared.store.lock(owner)? {
            Taken::Held(holder) => Ok(Err(holder)),
            Taken::Ours(locked) => {
                let took_over = locked.took_over().cloned();
                let locked = Arc::new(Mutex::new(locked));
                shared.locked = Arc::downgrade(&locked);
                shared.token.clone_from(&owner.token);
                Ok(Ok(Share { locked, took_over }))
            }
        }
    }
}

impl WeakHost {
    /// The host, if somebody still uses it.
    pub fn upgrade(&self) -> Option<Host> {
        Some(Host { name: self.0.clone(), shared: self.1.upgrade()? })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.name).finish()
    }
}

// Every method is handed on, those too that the trait answers by itself.
impl Store for Host {
    fn address(&self) -> String {
        self.with(|store| store.address())
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        self.with(|store| store.probe())
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.with(|store| store.look())
    }

    fn cautions(&self) -> Vec<String> {
        self.with(|store| store.cautions())
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        self.with(|store| store.holder())
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.with(|store| store.stored_down(version))
    }

    fn preview(&self, steps: &[Step], run: &str) -> Result<Preview, Failure> {
        self.with(|store| store.preview(steps, run))
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        self.with(|store| store.inventory())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.with(|store| store.environment())
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        self.with(|store| store.client())
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        self.with(|store| store.find_client(needed))
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        Ok(self.take(owner)?.map_or_else(Taken::Held, |share| Taken::Ours(Box::new(share))))
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        self.with(|store| store.unlock(seen, by))
    }
}

/// A share in the host's lease. The last one to be given back gives the lease back.
struct Share {
    locked: Arc<SharedLocked>,
    took_over: Option<Holder>,
}

impl Share {
    fn with<T>(&self, work: impl FnOnce(&mut dyn Locked) -> T) -> T {
        work(enter(&self.locked).as_mut())
    }
}

impl Locked for Share {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        self.with(|locked| locked.heart())
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.with(|locked| locked.look())
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.with(|locked| locked.stored_down(version))
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        self.with(|locked| locked.run(steps, context))
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        self.with(|locked| locked.record(entry))
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        self.with(|locked| locked.journal(version, done, total))
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        self.with(|locked| locked.seed(step, context))
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        self.with(|locked| locked.wipe())
    }

    fn release(self: Box<Self>) -> Result<(), Failure> {
        match Arc::into_inner(self.locked) {
            Some(last) => last.into_inner().unwrap_or_else(PoisonError::into_inner).release(),
            None => Ok(()),
        }
    }
}

/// The ledger that a host keeps for a guest.
#[derive(Clone, Debug)]
pub struct Guest {
    host: Host,
    name: String,
}

impl Guest {
    /// The ledger of the store `name` in `host`.
    pub fn new(host: Host, name: &str) -> Self {
        Self { host, name: name.to_owned() }
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The guest's entries.
    ///
    /// # Errors
    /// As [`Store::look`].
    pub fn look(&self) -> Result<Ledger, Failure> {
        self.host.with(|store| store.look()).map(|ledger| self.own(ledger))
    }

    /// The down script that the newest entry of the guest's version recorded.
    ///
    /// # Errors
    /// As [`Store::stored_down`].
    pub fn stored_down(&self, version: Version) -> Result<Option<StoredScript>, Failure> {
        let key = guest::key(&self.name, version)?;
        self.host.with(|store| store.stored_down(key))
    }

    /// Takes the host's lease.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub fn lock(&self, owner: &Owner) -> Result<Result<GuestLocked, Holder>, Failure> {
        Ok(self.host.take(owner)?.map(|share| GuestLocked { guest: self.clone(), share: Box::new(share) }))
    }

    /// A host's ledger that says nothing of the guest is none of the guest's.
    fn own(&self, ledger: Ledger) -> Ledger {
        let entries = guest::entries(&self.name, ledger.entries);
        Ledger { exists: ledger.exists && !entries.is_empty(), entries }
    }
}

/// The same under the host's lease.
pub struct GuestLocked {
    guest: Guest,
    share: Box<Share>,
}

impl GuestLocked {
    /// The host's stale lease that was taken over.
    pub fn took_over(&self) -> Option<&Holder> {
        self.share.took_over()
    }

    /// What renews the host's lease.
    ///
    /// # Errors
    /// As [`Locked::heart`].
    pub fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        self.share.heart()
    }

    /// The guest's entries.
    ///
    /// # Errors
    /// As [`Locked::look`].
    pub fn look(&mut self) -> Result<Ledger, Failure> {
        self.share.look().map(|ledger| self.guest.own(ledger))
    }

    /// As [`Guest::stored_down`].
    ///
    /// # Errors
    /// As [`Locked::stored_down`].
    pub fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.share.stored_down(guest::key(&self.guest.name, version)?)
    }

    /// Writes an entry of the guest.
    ///
    /// # Errors
    /// As [`Locked::record`].
    pub fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        let version = entry.version.map(|v| guest::key(&self.guest.name, v)).transpose()?;
        let label = guest::label(&self.guest.name, &entry.label);
        self.share.record(&NewEntry { version, label, ..entry.clone() })
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// As [`Locked::release`].
    pub fn release(self) -> Result<(), Failure> {
        self.share.release()
    }
}
