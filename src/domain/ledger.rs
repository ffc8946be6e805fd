//! The append-only entries inside a store, and what they add up to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::checksum::Checksum;
use super::file_name::Direction;
use super::version::Version;

/// The ledger format that this code writes. A store whose ledger says a higher one is refused.
pub const FORMAT: i64 = 1;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryEvent {
    /// A script that is no single transaction is about to run.
    Begun,
    /// A script ran to its end.
    Done,
    /// A script did not run to its end. Without a `begun` of the same migration before it nothing was kept.
    Failed,
    /// A person said how a half-applied or changed migration is to be seen: direction up means applied (with the
    /// checksum of the entry), down means reverted.
    Settled,
    /// Recorded as applied without having run.
    Baselined,
    /// A lease was released by force or taken over.
    Unlocked,
}

impl EntryEvent {
    /// Its word in ledgers and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Settled => "settled",
            Self::Baselined => "baselined",
            Self::Unlocked => "unlocked",
        }
    }

    /// The event that a ledger's word names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Begun, Self::Done, Self::Failed, Self::Settled, Self::Baselined, Self::Unlocked]
            .into_iter()
            .find(|e| e.word() == word)
    }
}

/// One entry of a ledger, as read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in this ledger: later entries have higher numbers.
    pub seq: i64,
    /// What happened.
    pub event: EntryEvent,
    /// Which way.
    pub direction: Direction,
    /// To which migration; none for `unlocked`.
    pub version: Option<Version>,
    /// `NNN_name`; empty for `unlocked`.
    pub label: String,
    /// Of the up script.
    pub checksum: Checksum,
    /// Of the down script recorded with it.
    pub down_checksum: Option<Checksum>,
    /// The run's id: its first digits are its time, so ids sort as runs do.
    pub run: String,
    /// The step's place in its run, over all stores.
    pub ordinal: i64,
    /// When, by the store's clock, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// `user@host`.
    pub who: String,
    /// `stepladder <version>`.
    pub tool: String,
    /// Parts of the script that are known to be done.
    pub parts_done: Option<u32>,
    /// Parts the script has.
    pub parts_total: Option<u32>,
    /// The client's message of a failure, or a person's words.
    pub note: Option<String>,
}

/// What the entries of one migration add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub version: Version,
    /// `NNN_name` as recorded last.
    pub label: String,
    /// Where it stands.
    pub state: State,
    /// Of the up script as applied.
    pub checksum: Checksum,
    /// Of the down script recorded with it.
    pub down_checksum: Option<Checksum>,
    /// The entry that applied it: its place in the order of application.
    pub position: i64,
    /// The run that brought it where it stands.
    pub run: String,
    /// The step's place in that run.
    pub ordinal: i64,
    /// When, in milliseconds since 1970-01-01 UTC, by the store's clock.
    pub at_ms: i64,
    /// How long the script took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// Who did it.
    pub who: String,
}

/// Where a migration stands according to its ledger alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Applied, by a script, by baseline or by a person's word.
    Applied,
    /// Was applied once and taken back.
    Reverted,
    /// A script was begun and its end is not known, or known to be a failure.
    HalfApplied(Half),
}

/// What is known of a half-applied migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// The direction of the script that did not end.
    pub direction: Direction,
    /// Parts known to be done.
    pub done: Option<u32>,
    /// Parts it has.
    pub total: Option<u32>,
    /// The client's message, when the failure was recorded; none after a crash.
    pub message: Option<String>,
    /// Of the up script, when it was begun.
    pub checksum: Checksum,
    /// Whether it had been applied before the script began.
    pub was_applied: bool,
}

impl Record {
    /// Whether it counts as applied.
    pub fn is_applied(&self) -> bool {
        self.state == State::Applied
    }

    /// What is known, if it is half-applied.
    pub fn half(&self) -> Option<&Half> {
        match &self.state {
            State::HalfApplied(half) => Some(half),
            _ => None,
        }
    }
}

/// Adds up the entries of one ledger, but for those of its guests. Never panics, whatever the entries are; entries are
/// taken in the order of their `seq`.
pub fn fold(entries: &[Entry]) -> BTreeMap<Version, Record> {
    let mut sorted: Vec<&Entry> = entries.iter().filter(|e| super::guest::of(e).is_none()).collect();
    sorted.sort_by_key(|e| e.seq);
    let mut records = BTreeMap::new();
    for entry in sorted {
        let Some(version) = entry.version else { continue };
        let previous = records.remove(&version);
        if let Some(record) = step(previous, version, entry) {
            records.insert(version, record);
        }
    }
    records
}

fn step(previous: Option<Record>, version: Version, entry: &Entry) -> Option<Record> {
    let was_applied = match previous.as_ref().map(|p| &p.state) {
        Some(State::Applied) => true,
        Some(State::HalfApplied(half)) => half.was_applied,
        _ => false,
    };
    let state = match (entry.event, entry.direction) {
        (EntryEvent::Unlocked, _) => return previous,
        (EntryEvent::Begun, direction) => State::HalfApplied(Half {
            direction,
            done: entry.parts_done,
            total: entry.parts_total,
            message: None,
            checksum: entry.checksum.clone(),
            was_applied,
        }),
        (EntryEvent::Failed, _) => return failed(previous, entry),
        (EntryEvent::Done | EntryEvent::Settled | EntryEvent::Baselined, Direction::Up) => State::Applied,
        (EntryEvent::Done | EntryEvent::Settled | EntryEvent::Baselined, Direction::Down) => State::Reverted,
    };
    Some(replaced(previous, version, entry, state, was_applied))
}

/// A failure after a `begun` adds what is known of it; alone it is an event of history, since nothing was kept.
fn failed(previous: Option<Record>, entry: &Entry) -> Option<Record> {
    let mut record = previous?;
    if let State::HalfApplied(half) = &mut record.state {
        half.message = entry.note.clone();
        half.done = entry.parts_done.or(half.done);
        half.total = entry.parts_total.or(half.total);
    }
    Some(record)
}

fn replaced(previous: Option<Record>, version: Version, entry: &Entry, state: State, was_applied: bool) -> Record {
    // A settled checksum, or a down that did not get through, leaves the migration at its place in the order.
    let keeps_place = was_applied && state != State::Reverted;
    let place = previous.as_ref().filter(|_| keeps_place);
    let keeps_up = entry.direction == Direction::Down;
    let source = previous.as_ref().filter(|_| keeps_up);
    Record {
        version,
        label: entry.label.clone(),
        state,
        checksum: source.map_or_else(|| entry.checksum.clone(), |p| p.checksum.clone()),
        down_checksum: source.map_or_else(|| entry.down_checksum.clone(), |p| p.down_checksum.clone()),
        position: place.map_or(entry.seq, |p| p.position),
        run: place.map_or_else(|| entry.run.clone(), |p| p.run.clone()),
        ordinal: place.map_or(entry.ordinal, |p| p.ordinal),
        at_ms: place.map_or(entry.at_ms, |p| p.at_ms),
        duration_ms: place.map_or(entry.duration_ms, |p| p.duration_ms),
        who: entry.who.clone(),
    }
}
