//! What the records of the log add up to. Pure: their places decide everything, so every reader comes to the same verdict.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::record::{Record, Row, Says};
use crate::domain::{Checksum, Entry, Failure, Version};
use crate::stores::StoredScript;
use crate::stores::pack;

/// Places of one lease: its number times this, and more.
const LEASE: i64 = 1 << 32;

/// The place of a lease's record.
pub const fn place(lease: i64, number: i64) -> i64 {
    lease * LEASE + number
}

/// The lease that a place belongs to.
pub const fn lease_of(place: i64) -> i64 {
    place / LEASE
}

/// Characters of a packed script in one record: a field takes 64 KiB.
const PIECE: usize = 48 << 10;

/// The state after some records.
#[derive(Clone, Debug, Default)]
pub struct Book {
    rows: Vec<(i64, Row)>,
    downs: BTreeMap<String, Down>,
    /// The place of the last record, whether it counts or not.
    pub last: i64,
    /// The number of the last lease that has begun, and up to where it has seen the log.
    pub opened: Option<(i64, i64)>,
}

#[derive(Clone, Debug, Default)]
struct Down {
    extension: String,
    pieces: BTreeMap<usize, String>,
    wanted: usize,
}

impl Book {
    /// Adds up a whole log.
    pub fn of(mut log: Vec<(i64, Record)>) -> Self {
        log.sort_by_key(|(place, _)| *place);
        let opens: Vec<(i64, i64)> = log
            .iter()
            .filter_map(|(place, record)| match record.says {
                Says::Open { after } => Some((lease_of(*place), after)),
                _ => None,
            })
            .collect();
        let mut book = Self { opened: opens.last().copied(), ..Self::default() };
        for (place, record) in log {
            // Written by a run that had lost its lease, after the next holder had looked.
            let late = opens.iter().any(|(lease, after)| *lease > lease_of(place) && *after < place);
            if late {
                book.last = book.last.max(place);
            } else {
                book.add(place, record.says);
            }
        }
        book
    }

    /// Adds a record that counts.
    pub fn add(&mut self, place: i64, says: Says) {
        self.last = self.last.max(place);
        match says {
            Says::Open { after } => self.opened = Some((lease_of(place), after)),
            Says::Entry(row) => self.rows.push((place, row)),
            Says::Journal { version, done, total } => {
                if let Some((_, row)) = self.rows.iter_mut().rev().find(|(_, row)| row.is_begun(&version)) {
                    row.parts_done = Some(done);
                    row.parts_total = Some(total);
                }
            }
            Says::Down { checksum, extension, piece, pieces, text } => {
                let down = self.downs.entry(checksum).or_default();
                down.extension = extension;
                down.wanted = pieces;
                down.pieces.insert(piece, text);
            }
            Says::Wipe => {
                self.rows.clear();
                self.downs.clear();
            }
        }
    }

    /// The entries, in order.
    ///
    /// # Errors
    /// An entry with a word that is not known.
    pub fn entries(&self) -> Result<Vec<Entry>, Failure> {
        self.rows.iter().map(|(place, row)| row.entry(*place)).collect()
    }

    /// The records that keep a down script; none when it is kept already.
    pub fn keep(&self, down: Option<&StoredScript>) -> Vec<Says> {
        let kept = |d: &StoredScript| self.downs.get(d.checksum.as_str()).is_some_and(|d| d.wanted == d.pieces.len());
        let Some(down) = down.filter(|d| !kept(d)) else { return Vec::new() };
        let text = STANDARD.encode(pack::pack(&down.text));
        let pieces = text.len().div_ceil(PIECE).max(1);
        // Base64 is ASCII: any cut is one between characters.
        let piece = |n: usize| Says::Down {
            checksum: down.checksum.as_str().to_owned(),
            extension: down.extension.clone(),
            piece: n,
            pieces,
            text: text[n * PIECE..text.len().min((n + 1) * PIECE)].to_owned(),
        };
        (0..pieces).map(piece).collect()
    }

    /// The down script that the newest entry of this version recorded.
    ///
    /// # Errors
    /// One that does not unpack.
    pub fn stored_down(&self, version: Version) -> Result<Option<StoredScript>, Failure> {
        let version = version.to_string();
        let newest = self.rows.iter().rev().filter(|(_, row)| row.version.as_ref() == Some(&version));
        let Some(checksum) = newest.filter_map(|(_, row)| row.down.as_ref()).next() else { return Ok(None) };
        let broken = || Failure::failed(format!("the down script {checksum} in the ledger does not unpack"));
        let down = self.downs.get(checksum).filter(|d| d.wanted == d.pieces.len()).ok_or_else(broken)?;
        let packed: String = down.pieces.values().map(String::as_str).collect();
        let bytes = STANDARD.decode(packed).map_err(|_| broken())?;
        Ok(Some(StoredScript {
            extension: down.extension.clone(),
            text: pack::unpack(&bytes).map_err(|_| broken())?.into(),
            checksum: Checksum::recorded(checksum),
        }))
    }
}
