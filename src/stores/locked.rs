//! A store whose lease is held: the only thing that can change anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::owner::Owner;
use super::step::{Outcome, Step, StepEvent, StepFailure, StoredScript};
use crate::domain::{Checksum, Direction, EntryEvent, Failure, FailureKind, Version};

/// An entry to be written by the engine: everything but scripts that a store runs itself.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// What happened.
    pub event: EntryEvent,
    /// Which way.
    pub direction: Direction,
    /// To which migration.
    pub version: Option<Version>,
    /// `NNN_name`.
    pub label: String,
    /// Of the up script.
    pub checksum: Checksum,
    /// The down script to keep.
    pub down: Option<StoredScript>,
    /// The step's place in its run.
    pub ordinal: i64,
    /// How long the script took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Parts done.
    pub parts_done: Option<u32>,
    /// Parts in all.
    pub parts_total: Option<u32>,
    /// The client's message, or a person's words.
    pub note: Option<String>,
}

impl NewEntry {
    /// About a step. Its down script is kept where it takes back what came of the step.
    pub fn of(step: &Step, event: EntryEvent) -> Self {
        let leads_back = step.direction == Direction::Up && event != EntryEvent::Failed;
        Self {
            checksum: step.checksum.clone(),
            down: step.down.clone().filter(|_| leads_back),
            ordinal: i64::try_from(step.index).unwrap_or(i64::MAX),
            ..Self::about(step.version, &step.label, event, step.direction)
        }
    }

    /// The same with how many of its parts are done, and how many there are.
    pub fn of_parts(step: &Step, event: EntryEvent, (done, total): (u32, u32)) -> Self {
        Self { parts_done: Some(done), parts_total: Some(total), ..Self::of(step, event) }
    }

    /// About a migration, without anything that its author does not say.
    pub fn about(version: Version, label: &str, event: EntryEvent, direction: Direction) -> Self {
        Self { version: Some(version), label: label.to_owned(), ..Self::bare(event, direction) }
    }

    /// Says that a lease was taken from somebody, or released by force.
    pub fn unlocked(note: String) -> Self {
        Self { note: Some(note), ..Self::bare(EntryEvent::Unlocked, Direction::Up) }
    }

    /// Everything but the down script under its usual name, for ledgers that keep documents; what is not known is
    /// left out.
    pub fn fields(&self, owner: &Owner, at_ms: i64) -> Map<String, Value> {
        let fields = json!({
            "event": self.event.word(),
            "direction": self.direction.word(),
            "version": self.version.map(|v| v.to_string()),
            "label": self.label,
            "checksum": self.checksum.as_str(),
            "run": owner.run,
            "ordinal": self.ordinal,
            "at_ms": at_ms,
            "duration_ms": self.duration_ms,
            "who": owner.who(),
            "tool": owner.tool,
            "parts_done": self.parts_done,
            "parts_total": self.parts_total,
            "note": self.note,
        });
        let Value::Object(fields) = fields else { return Map::new() };
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect()
    }

    fn bare(event: EntryEvent, direction: Direction) -> Self {
        Self {
            event,
            direction,
            version: None,
            label: String::new(),
            checksum: Checksum::recorded(""),
            down: None,
            ordinal: 0,
            duration_ms: None,
            parts_done: None,
            parts_total: None,
            note: None,
        }
    }
}

/// Why a run is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum StopReason {
    /// Another store's step failed: finish the step at hand, begin no other.
    Sibling = 1,
    /// The lease is lost: end the client at once.
    LeaseLost = 2,
    /// A signal: cancel the client, then end it.
    Interrupted = 3,
}

/// A flag that asks a run to stop. Clones share it; a graver reason replaces a lesser one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// Asks for it.
    pub fn ask(&self, reason: StopReason) {
        self.0.fetch_max(reason as usize, Ordering::SeqCst);
    }

    /// The gravest reason asked for so far.
    pub fn asked(&self) -> Option<StopReason> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            1 => Some(StopReason::Sibling),
            2 => Some(StopReason::LeaseLost),
            _ => Some(StopReason::Interrupted),
        }
    }

    /// The flag itself, for a signal handler to raise.
    pub fn flag(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.0)
    }

    /// Whether the client must be ended now rather than after its step.
    pub fn at_once(&self) -> Option<StopReason> {
        self.asked().filter(|r| *r != StopReason::Sibling)
    }
}

/// What a store needs to know while it runs steps.
pub struct Context<'a> {
    /// The run's id, for entries.
    pub run: &'a str,
    /// Asks to stop.
    pub stop: &'a Stop,
    /// Told what happens to which step ([`Step::index`]), as it happens.
    pub event: &'a (dyn Fn(usize, StepEvent) + Sync),
}

/// How long a store that does not answer is asked again what became of a script.
const COMES_BACK: Duration = Duration::from_secs(10);

impl Context<'_> {
    /// Asks a store that may have gone down with a script: after a crash a server is often back within seconds, and then
    /// it can say what became of it.
    ///
    /// # Errors
    /// The last answer: after ten seconds, or as soon as somebody asks to stop.
    pub fn patiently<T, E: AsRef<Failure>>(&self, mut ask: impl FnMut() -> Result<T, E>) -> Result<T, E> {
        let until = Instant::now() + COMES_BACK;
        loop {
            match ask() {
                Err(error)
                    if error.as_ref().kind == FailureKind::Unreachable
                        && self.stop.asked().is_none()
                        && Instant::now() < until =>
                {
                    std::thread::sleep(Duration::from_millis(100));
                }
                answer => return answer,
            }
        }
    }
}

/// Renews a lease from a thread of its own.
pub trait Heart: Send {
    /// Renews once. `Ok(false)` means that the lease is not ours any more.
    ///
    /// # Errors
    /// The store did not answer; the lease may still be ours.
    fn beat(&mut self) -> Result<bool, Failure>;
}

/// A store whose lease this run holds.
pub trait Locked: Send {
    /// The stale lease that was taken over, if one was; its `unlocked` entry has been written.
    fn took_over(&self) -> Option<&super::Holder>;

    /// What renews the lease while steps run.
    ///
    /// # Errors
    /// A second connection that cannot be made.
    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure>;

    /// Reads the ledger under the lease.
    ///
    /// # Errors
    /// As [`super::Store::look`].
    fn look(&mut self) -> Result<super::Ledger, Failure>;

    /// The down script that the newest entry of this version recorded.
    ///
    /// # Errors
    /// As [`super::Store::stored_down`].
    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure>;

    /// Runs consecutive steps of this store in order, and stops at the first failure.
    ///
    /// # Errors
    /// The step that failed, with what is left of it.
    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure>;

    /// Appends one entry, guarded by the fencing token.
    ///
    /// # Errors
    /// The lease is lost, or the store cannot be written.
    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure>;

    /// Notes in the newest `begun` entry of a version how many of its parts are done.
    ///
    /// # Errors
    /// As [`Locked::record`].
    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure>;

    /// Runs a seed script: no entry, one transaction where the store can.
    ///
    /// # Errors
    /// As [`Locked::run`].
    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure>;

    /// Drops all of the user's things and the ledger's entries, keeping the lease.
    ///
    /// # Errors
    /// What the store refused to drop.
    fn wipe(&mut self) -> Result<(), Failure>;

    /// Gives the lease back.
    ///
    /// # Errors
    /// The store cannot be written; the lease then expires by itself.
    fn release(self: Box<Self>) -> Result<(), Failure>;
}
