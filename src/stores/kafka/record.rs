//! The records of the ledger's topic: one JSON document each, appended and never changed.

use serde::{Deserialize, Serialize};

use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure};
use crate::stores::{NewEntry, Owner};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The ledger's format.
    pub format: i64,
    /// Names this record: one that was sent twice counts once.
    pub id: String,
    /// The fencing token of who wrote it.
    pub token: String,
    /// What it says.
    #[serde(flatten)]
    pub says: Says,
}

/// What a record says. Whether it counts is decided by the records before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Says {
    /// Wants the lease.
    Claim {
        /// Who.
        owner: Claimant,
        /// For how long.
        lease_ms: i64,
        /// The token of the stale lease that it takes over, although it may not have expired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        over: Option<String>,
        /// Why it may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Renews it.
    Renew {
        /// For how long.
        lease_ms: i64,
    },
    /// Gives it back.
    Release,
    /// Takes it away from the holder with this token.
    Unlock {
        /// That token.
        seen: String,
        /// The entry that says so.
        entry: Row,
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

/// Who wants the lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimant {
    /// The user's name.
    pub user: String,
    /// The host's name.
    pub host: String,
    /// The process id.
    pub pid: u32,
    /// See [`Owner::process`].
    pub process: String,
    /// The run's id.
    pub run: String,
    /// `stepladder <version>`.
    pub tool: String,
}

impl Claimant {
    /// This process.
    pub fn of(owner: &Owner) -> Self {
        let Owner { user, host, pid, process, run, tool, .. } = owner.clone();
        Self { user, host, pid, process, run, tool }
    }

    /// `user@host`, as entries keep it.
    pub fn who(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }
}

/// An entry, without its place and time: those are the log's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    event: String,
    direction: String,
    /// The migration's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default)]
    label: String,
    #[serde(default)]
    checksum: String,
    /// The checksum of the down script that is kept with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    #[serde(default)]
    run: String,
    #[serde(default)]
    ordinal: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
    #[serde(default)]
    who: String,
    #[serde(default)]
    tool: String,
    /// Parts done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_done: Option<u32>,
    /// Parts in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts_total: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Most characters of a client's message that are kept: brokers take records of a megabyte.
const LONGEST_NOTE: usize = 64 << 10;

impl Row {
    /// An entry of a run.
    pub fn new(new: &NewEntry, by: &Claimant) -> Self {
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
            duration_ms: new.duration_ms,
            who: by.who(),
            tool: by.tool.clone(),
            parts_done: new.parts_done,
            parts_total: new.parts_total,
            note,
        }
    }

    /// Says that a lease was taken away from somebody.
    pub fn unlocked(by: &Claimant, note: String) -> Self {
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
    pub fn entry(&self, seq: i64, at_ms: i64) -> Result<Entry, Failure> {
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
            at_ms,
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
        Self { format: FORMAT, id: crate::process::identity::token(), token: token.to_owned(), says }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record.
    ///
    /// # Errors
    /// A newer format; what is no record of ours.
    pub fn from_bytes(bytes: &[u8], offset: i64, topic: &str) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        struct Format {
            format: i64,
        }
        let foreign = || {
            Failure::failed(format!("record {offset} of the topic {topic} is not the ledger's"))
                .hint("`ledger` under the store's section names another topic")
        };
        let format: Format = serde_json::from_slice(bytes).map_err(|_| foreign())?;
        if format.format > FORMAT {
            return Err(Failure::failed(format!(
                "the ledger has format {}, which a newer stepladder has written; this one knows {FORMAT}",
                format.format
            ))
            .hint("upgrade stepladder"));
        }
        serde_json::from_slice(bytes).map_err(|_| foreign())
    }
}
