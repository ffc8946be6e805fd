//! What the records of the ledger's topic add up to. Pure: the log's order and the broker's clock decide everything, so
//! every reader comes to the same verdict, and a run that has lost its lease cannot write.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Claimant, Record, Row, Says};
use crate::domain::{Checksum, Entry, Failure, Version};
use crate::stores::{Holder, StoredScript};

/// The state after some records.
#[derive(Clone, Debug, Default)]
pub struct Book {
    claim: Option<Claim>,
    rows: Vec<(i64, i64, Row)>,
    downs: BTreeMap<String, Down>,
    seen: BTreeSet<String>,
    /// When the newest record was appended, by the broker's clock.
    pub newest_ms: i64,
}

#[derive(Clone, Debug)]
struct Claim {
    owner: Claimant,
    token: String,
    since_ms: i64,
    renewed_ms: i64,
    expires_ms: i64,
}

#[derive(Clone, Debug, Default)]
struct Down {
    extension: String,
    pieces: BTreeMap<usize, String>,
    wanted: usize,
}

impl Book {
    /// Adds a record; says whether it counts.
    pub fn add(&mut self, offset: i64, at_ms: i64, record: &Record) -> bool {
        self.newest_ms = self.newest_ms.max(at_ms);
        if !self.seen.insert(record.id.clone()) {
            return false;
        }
        let ours = self.is_held_with(&record.token);
        match &record.says {
            Says::Claim { owner, lease_ms, over, note } => {
                let claim = Claim {
                    owner: owner.clone(),
                    token: record.token.clone(),
                    since_ms: at_ms,
                    renewed_ms: at_ms,
                    expires_ms: at_ms.saturating_add(*lease_ms),
                };
                self.claimed(offset, at_ms, claim, over.as_deref(), note.clone())
            }
            Says::Unlock { seen, entry } => {
                let taken = self.is_held_with(seen);
                if taken {
                    self.claim = None;
                    self.rows.push((offset, at_ms, entry.clone()));
                }
                taken
            }
            // Everything else counts only while its writer's claim is the one that stands.
            _ if !ours => false,
            Says::Renew { lease_ms } => {
                if let Some(claim) = &mut self.claim {
                    claim.renewed_ms = at_ms;
                    claim.expires_ms = at_ms.saturating_add(*lease_ms);
                }
                true
            }
            Says::Release => {
                self.claim = None;
                true
            }
            Says::Entry(row) => {
                self.rows.push((offset, at_ms, row.clone()));
                true
            }
            Says::Journal { version, done, total } => {
                let begun = self.rows.iter_mut().rev().find(|(_, _, row)| row.is_begun(version));
                if let Some((_, _, row)) = begun {
                    row.parts_done = Some(*done);
                    row.parts_total = Some(*total);
                }
                true
            }
            Says::Down { checksum, extension, piece, pieces, text } => {
                let down = self.downs.entry(checksum.clone()).or_default();
                down.extension.clone_from(extension);
                down.wanted = *pieces;
                down.pieces.insert(*piece, text.clone());
                true
            }
            Says::Wipe => {
                self.rows.clear();
                self.downs.clear();
                true
            }
        }
    }

    fn claimed(&mut self, offset: i64, at_ms: i64, claim: Claim, over: Option<&str>, note: Option<String>) -> bool {
        let before = self.claim.as_ref();
        let free = before
            .is_none_or(|held| held.expires_ms <= at_ms || over == Some(&held.token) || held.token == claim.token);
        if !free {
            return false;
        }
        if let Some(held) = before.filter(|held| held.token != claim.token) {
            let expired = held.expires_ms <= at_ms;
            let holder = held.holder(at_ms);
            let note = note.filter(|_| !expired).unwrap_or_else(|| holder.takeover_note());
            self.rows.push((offset, at_ms, Row::unlocked(&claim.owner, note)));
        }
        self.claim = Some(claim);
        true
    }

    /// Whether the lease is held with this token.
    pub fn is_held_with(&self, token: &str) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.token == token)
    }

    /// The token and the expiry of the lease, by the broker's clock: they change with every sign of life.
    pub fn mark(&self) -> Option<(String, i64)> {
        self.claim.as_ref().map(|claim| (claim.token.clone(), claim.expires_ms))
    }

    /// Who holds the lease. The broker's clock is known from its last record only; ours tells how much later it is.
    pub fn holder(&self, our_ms: i64) -> Option<Holder> {
        self.claim.as_ref().map(|claim| claim.holder(our_ms.max(self.newest_ms)))
    }

    /// The entries, in order.
    ///
    /// # Errors
    /// An entry with a word that is not known.
    pub fn entries(&self) -> Result<Vec<Entry>, Failure> {
        self.rows.iter().map(|(offset, at_ms, row)| row.entry(offset + 1, *at_ms)).collect()
    }

    /// Whether a down script is kept already.
    pub fn has_down(&self, checksum: &str) -> bool {
        self.downs.get(checksum).is_some_and(|d| d.wanted == d.pieces.len())
    }

    /// The down script that the newest entry of this version recorded.
    ///
    /// # Errors
    /// One that does not unpack.
    pub fn stored_down(&self, version: Version) -> Result<Option<StoredScript>, Failure> {
        let version = version.to_string();
        let newest = self.rows.iter().rev().filter(|(_, _, row)| row.version.as_ref() == Some(&version));
        let Some(checksum) = newest.filter_map(|(_, _, row)| row.down.as_ref()).next() else { return Ok(None) };
        let broken = || Failure::failed(format!("the down script {checksum} in the ledger does not unpack"));
        let down = self.downs.get(checksum).filter(|d| d.wanted == d.pieces.len()).ok_or_else(broken)?;
        let packed: String = down.pieces.values().map(String::as_str).collect();
        Ok(Some(StoredScript {
            extension: down.extension.clone(),
            text: unpacked(&packed).ok_or_else(broken)?.into(),
            checksum: Checksum::recorded(checksum),
        }))
    }
}

impl Claim {
    fn holder(&self, now: i64) -> Holder {
        Holder {
            user: self.owner.user.clone(),
            host: self.owner.host.clone(),
            pid: self.owner.pid,
            process: self.owner.process.clone(),
            run: self.owner.run.clone(),
            token: self.token.clone(),
            since_ms: self.since_ms,
            idle_ms: now.saturating_sub(self.renewed_ms),
            expires_in_ms: self.expires_ms.saturating_sub(now),
        }
    }
}

/// A text, compressed, as JSON can hold it.
pub fn packed(text: &str) -> String {
    use base64::Engine;
    use std::io::Write;
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let bytes = packer.write_all(text.as_bytes()).and_then(|()| packer.finish()).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn unpacked(packed: &str) -> Option<String> {
    use base64::Engine;
    use std::io::Read;
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(bytes.as_slice()).read_to_string(&mut text).ok()?;
    Some(text)
}
