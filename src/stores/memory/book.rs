//! Everything that a memory store holds: data, ledger and lease, as one JSON document.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::{Holder, Ledger, NewEntry, Owner, StoredScript};

/// The machine's clock: the only one that all processes of a memory store share.
pub(in crate::stores) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::stores) struct Book {
    /// The ledger's format.
    pub format: i64,
    /// The user's things.
    pub data: BTreeMap<String, String>,
    /// Who is at work.
    pub lease: Option<Lease>,
    /// The ledger.
    pub entries: Vec<Row>,
}

impl Default for Book {
    fn default() -> Self {
        Self { format: FORMAT, data: BTreeMap::new(), lease: None, entries: Vec::new() }
    }
}

/// A lease as kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::stores) struct Lease {
    user: String,
    host: String,
    pid: u32,
    process: String,
    run: String,
    token: String,
    since_ms: i64,
    renewed_ms: i64,
    expires_ms: i64,
}

impl Lease {
    fn new(owner: &Owner, length: Duration, now: i64) -> Self {
        Self {
            user: owner.user.clone(),
            host: owner.host.clone(),
            pid: owner.pid,
            process: owner.process.clone(),
            run: owner.run.clone(),
            token: owner.token.clone(),
            since_ms: now,
            renewed_ms: now,
            expires_ms: now.saturating_add(millis(length)),
        }
    }

    pub fn renew(&mut self, length: Duration, now: i64) {
        self.renewed_ms = now;
        self.expires_ms = now.saturating_add(millis(length));
    }

    pub fn holder(&self, now: i64) -> Holder {
        Holder {
            user: self.user.clone(),
            host: self.host.clone(),
            pid: self.pid,
            process: self.process.clone(),
            run: self.run.clone(),
            token: self.token.clone(),
            since_ms: self.since_ms,
            idle_ms: now.saturating_sub(self.renewed_ms),
            expires_in_ms: self.expires_ms.saturating_sub(now),
        }
    }
}

/// A duration in whole milliseconds.
pub(super) fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

/// An entry as kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::stores) struct Row {
    seq: i64,
    event: String,
    direction: String,
    version: Option<String>,
    label: String,
    checksum: String,
    down: Option<Down>,
    run: String,
    ordinal: i64,
    at_ms: i64,
    duration_ms: Option<i64>,
    who: String,
    tool: String,
    parts_done: Option<u32>,
    parts_total: Option<u32>,
    note: Option<String>,
}

/// A down script as kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Down {
    extension: String,
    checksum: String,
    text: String,
}

impl Row {
    fn entry(&self) -> Result<Entry, Failure> {
        let unknown = |what: &str| Failure::failed(format!("entry {} of the ledger has an unknown {what}", self.seq));
        let version = self.version.as_deref().map(str::parse).transpose().map_err(|_| unknown("version"))?;
        Ok(Entry {
            seq: self.seq,
            event: EntryEvent::from_word(&self.event).ok_or_else(|| unknown("event"))?,
            direction: Direction::from_word(&self.direction).ok_or_else(|| unknown("direction"))?,
            version,
            label: self.label.clone(),
            checksum: Checksum::recorded(&self.checksum),
            down_checksum: self.down.as_ref().map(|d| Checksum::recorded(&d.checksum)),
            run: self.run.clone(),
            ordinal: self.ordinal,
            at_ms: self.at_ms,
            duration_ms: self.duration_ms,
            who: self.who.clone(),
            tool: self.tool.clone(),
            parts_done: self.parts_done,
            parts_total: self.parts_total,
            note: self.note.clone(),
        })
    }
}

impl Book {
    pub fn ledger(&self) -> Result<Ledger, Failure> {
        let entries = self.entries.iter().map(Row::entry).collect::<Result<_, _>>()?;
        Ok(Ledger { exists: true, entries })
    }

    pub fn is_held_with(&self, token: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.token == token)
    }

    /// Takes the lease: the stale one that was taken over, or who holds it.
    pub fn take(&mut self, owner: &Owner, length: Duration) -> Result<Option<Holder>, Box<Holder>> {
        let now = now_ms();
        let before = self.lease.as_ref().map(|lease| lease.holder(now));
        if let Some(holder) = &before {
            if !holder.is_stale(owner) {
                return Err(Box::new(holder.clone()));
            }
            self.note_unlocked(owner, holder.takeover_note());
        }
        self.lease = Some(Lease::new(owner, length, now));
        Ok(before)
    }

    /// The down script that the newest entry of this version recorded.
    pub fn stored_down(&self, version: Version) -> Option<StoredScript> {
        let version = version.to_string();
        let newest = self.entries.iter().rev().filter(|row| row.version.as_ref() == Some(&version));
        let down = newest.filter_map(|row| row.down.as_ref()).next()?;
        Some(StoredScript {
            extension: down.extension.clone(),
            text: down.text.as_str().into(),
            checksum: Checksum::recorded(&down.checksum),
        })
    }

    /// Appends an entry of a run.
    pub fn append(&mut self, new: &NewEntry, owner: &Owner) {
        let down = new.down.as_ref().map(|down| Down {
            extension: down.extension.clone(),
            checksum: down.checksum.as_str().to_owned(),
            text: down.text.to_string(),
        });
        self.entries.push(Row {
            seq: self.next_seq(),
            event: new.event.word().to_owned(),
            direction: new.direction.word().to_owned(),
            version: new.version.map(|v| v.to_string()),
            label: new.label.clone(),
            checksum: new.checksum.as_str().to_owned(),
            down,
            run: owner.run.clone(),
            ordinal: new.ordinal,
            at_ms: now_ms(),
            duration_ms: new.duration_ms,
            who: owner.who(),
            tool: owner.tool.clone(),
            parts_done: new.parts_done,
            parts_total: new.parts_total,
            note: new.note.clone(),
        });
    }

    fn next_seq(&self) -> i64 {
        self.entries.iter().map(|row| row.seq).max().unwrap_or(0).saturating_add(1)
    }

    /// Says that a lease was taken away from somebody.
    pub fn note_unlocked(&mut self, by: &Owner, note: String) {
        self.append(&NewEntry::unlocked(note), by);
    }

    /// Notes in the newest `begun` entry of a version how many of its parts are done.
    pub fn journal(&mut self, version: Version, done: u32, total: u32) {
        let version = version.to_string();
        let begun = EntryEvent::Begun.word();
        let mine = |row: &&mut Row| row.event == begun && row.version.as_ref() == Some(&version);
        if let Some(row) = self.entries.iter_mut().rev().find(mine) {
            row.parts_done = Some(done);
            row.parts_total = Some(total);
        }
    }
}
