//! The records of the ledger's log: one JSON document each, written once.

use serde::{Deserialize, Serialize};

use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure};
use crate::stores::{NewEntry, Owner};

/// A record. Its place in the log says whose it is: a lease's number, and its number under this lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The ledger's format.
    pub format: i64,
    /// The fencing token of who wrote it.
    pub token: String,
    /// What it says.
    #[serde(flatten)]
    pub says: Says,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Says {
    /// A lease begins: records of earlier leases behind this place came too late and do not count.
    Open {
        /// The place of the last record that its holder has seen.
        after: i64,
    },
    /// An entry of the ledger.
    Entry(Row),
    /// So many parts of the newest `begun` of a version are done.
    Journal {
        /// That version.
        version: String,
        /// Parts done.
        done: u32,
        /// Parts in all.
        total: u32,
    },
    /// A piece of a down script, compressed; entries name it by its checksum.
    Down {
        /// Of the script.
        checksum: String,
        /// Picks its runner.
        extension: String,
        /// Which piece, from 0.
        piece: usize,
        /// Of how many.
        pieces: usize,
        /// The piece.
        text: String,
    },
    /// A fresh start: the entries before it are forgotten.
    Wipe,
}

impl Says {
    /// The same, said at this time.
    pub fn at(mut self, ms: i64) -> Self {
        if let Self::Entry(row) = &mut self {
            row.at_ms = ms;
        }
        self
    }
}

/// An entry, without its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    event: String,
    direction: String,
    /// The migration's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    label: String,
    checksum: String,
    /// The checksum of the down script that is kept with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    run: String,
    ordinal: i64,
    at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    who: String,
    tool: String,
    /// Parts done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts_done: Option<u32>,
    /// Parts in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts_total: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Most characters of a message that are kept: a field takes 64 KiB.
const LONGEST_NOTE: usize = 8000;

impl Row {
    /// An entry of a run; its time is given to it when it is written.
    pub fn new(new: &NewEntry, by: &Owner) -> Self {
        let note = new.note.as_ref().map(|note| match note.char_indices().nth(LONGEST_NOTE) {
            Some((at, _)) => format!("{}...", &note[..at]),
            None => note.clone(),
        });
        Self {
            event: new.event.word().to_owned(),
            direction: new.direction.word().to_owned(),
            version: new.version.map(|v| v.to_string()),
            label: new.label.clone(),
            checksum: new.checksum.as_str().to_owned(),
            down: new.down.as_ref().map(|d| d.checksum.as_str().to_owned()),
            run: by.run.clone(),
            ordinal: new.ordinal,
            at_ms: 0,
            duration_ms: new.duration_ms,
            who: by.who(),
            tool: by.tool.clone(),
            parts_done: new.parts_done,
            parts_total: new.parts_total,
            note,
        }
    }

    /// Says that a lease was taken away from somebody.
    pub fn unlocked(by: &Owner, note: String) -> Self {
        Self {
            event: EntryEvent::Unlocked.word().to_owned(),
            direction: Direction::Up.word().to_owned(),
            run: by.run.clone(),
            who: by.who(),
            tool: by.tool.clone(),
            note: Some(note),
            ..Self::default()
        }
    }

    /// Whether it is the `begun` of this version.
    pub fn is_begun(&self, version: &str) -> bool {
        self.event == EntryEvent::Begun.word() && self.version.as_deref() == Some(version)
    }

    /// As everybody else sees it.
    ///
    /// # Errors
    /// A word that is not known.
    pub fn entry(&self, seq: i64) -> Result<Entry, Failure> {
        let unknown = |what: &str| Failure::failed(format!("record {seq} of the ledger has an unknown {what}"));
        let version = self.version.as_deref().map(str::parse).transpose().map_err(|_| unknown("version"))?;
        Ok(Entry {
            seq,
            event: EntryEvent::from_word(&self.event).ok_or_else(|| unknown("event"))?,
            direction: Direction::from_word(&self.direction).ok_or_else(|| unknown("direction"))?,
            version,
            label: self.label.clone(),
            checksum: Checksum::recorded(&self.checksum),
            down_checksum: self.down.as_deref().map(Checksum::recorded),
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

impl Record {
    /// A new record.
    pub fn new(token: &str, says: Says) -> Self {
        Self { format: FORMAT, token: token.to_owned(), says }
    }

    /// As a text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// A newer format; what is no record of ours.
    pub fn from_text(text: &str, place: i64) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Format {
            format: i64,
        }
        let foreign = || {
            Failure::failed(format!("point {place} of the measurement `entries` is not the ledger's"))
                .hint("`ledger` under the store's section names another database or bucket")
        };
        let format: Format = serde_json::from_str(text).map_err(|_| foreign())?;
        if format.format > FORMAT {
            return Err(Failure::failed(format!(
                "the ledger has format {}, and this stepladder knows formats up to {FORMAT}",
                format.format
            ))
            .hint("a newer stepladder wrote it: use that one, nothing was changed"));
        }
        serde_json::from_str(text).map_err(|_| foreign())
    }
}
