//! Writing the ledger: for as long as the lease is ours.

use bson::spec::BinarySubtype;
use bson::{Binary, Document, doc};

use super::ledger::{Head, change, flush, follow, head, insert};
use super::session::Session;
use super::wire::number;
use crate::domain::Failure;
use crate::stores::{StoredScript, pack};

/// Bytes that a document may have, with room for what stands around them.
const MOST: usize = (16 << 20) - (64 << 10);

/// An entry to be written, with the down script that it keeps.
pub type Written = (Document, Option<StoredScript>);

/// Writes entries for as long as the lease is ours.
pub struct Writer {
    token: String,
    seq: i64,
    era: i64,
    kept: Vec<String>,
}

impl Writer {
    /// Behind the newest entry that there is now.
    ///
    /// # Errors
    /// As [`head`].
    pub fn new(session: &mut Session, token: &str) -> Result<Self, Failure> {
        let head = head(session)?.ok_or_else(|| Failure::failed("the ledger is gone: its collection was dropped"))?;
        flush(session, &head.tail())?;
        Ok(Self { token: token.to_owned(), seq: head.seq(), era: head.era(), kept: Vec::new() })
    }

    /// Writes entries, all or none; false when the lease is not ours any more, and none was written.
    ///
    /// # Errors
    /// The server does not answer, and it is not known whether they are there.
    pub fn append(&mut self, session: &mut Session, written: &[Written]) -> Result<bool, Failure> {
        for (_, script) in written {
            self.keep(session, script.as_ref())?;
        }
        let entries: Vec<Document> = written.iter().map(|(entry, _)| entry.clone()).collect();
        let nonce = crate::process::identity::token();
        let set = follow(self.seq, self.era, &entries, &nonce);
        let ours = doc! { "_id": 1, "seq": self.seq, "lease.token": &self.token };
        if !change(session, ours, doc! { "$set": set.clone() })? {
            // The answer to a change that took place may have been lost.
            let there = head(session)?;
            if there.is_none_or(|head| head.nonce() != Some(&nonce)) {
                return Ok(false);
            }
        }
        self.seq = number(set.get("seq")).unwrap_or(self.seq);
        flush(session, &Head::of(set).tail())?;
        Ok(true)
    }

    /// Keeps a down script under its checksum: an entry names it, so it comes first.
    fn keep(&mut self, session: &mut Session, script: Option<&StoredScript>) -> Result<(), Failure> {
        let Some(script) = script.filter(|s| !self.kept.iter().any(|kept| kept == s.checksum.as_str())) else {
            return Ok(());
        };
        let packed = pack::pack(&script.text);
        if packed.len() > MOST {
            return Err(Failure::failed(format!(
                "a down script of {} bytes does not fit into a document, packed as it is",
                script.text.len()
            ))
            .hint("write what it loads into the database instead of into the script"));
        }
        let packed = Binary { subtype: BinarySubtype::Generic, bytes: packed };
        let kept = doc! { "_id": script.checksum.as_str(), "extension": &script.extension, "packed": packed };
        insert(session, &session.names().scripts.clone(), vec![kept])?;
        self.kept.push(script.checksum.as_str().to_owned());
        Ok(())
    }

    /// Notes how many parts of the newest `begun` entry of a version are done; false when the lease is not ours.
    ///
    /// # Errors
    /// The server does not answer; there is no such entry.
    pub fn journal(&self, session: &mut Session, seq: i64, done: u32, total: u32) -> Result<bool, Failure> {
        let (done, total) = (i64::from(done), i64::from(total));
        let parts = doc! { "seq": seq, "done": done, "total": total };
        let ours = doc! { "_id": 1, "lease.token": &self.token };
        if !change(session, ours, doc! { "$set": { "parts": parts } })? {
            return Ok(false);
        }
        let update = doc! { "q": { "_id": seq }, "u": { "$set": { "parts_done": done, "parts_total": total } } };
        session.run(&doc! { "update": &session.names().entries, "updates": [update] })?;
        Ok(true)
    }

    /// The number of the newest entry.
    pub const fn seq(&self) -> i64 {
        self.seq
    }

    /// Forgets all entries; false when the lease is not ours. What an overtaken run copies later is of another era.
    ///
    /// # Errors
    /// The server refuses.
    pub fn forget(&mut self, session: &mut Session) -> Result<bool, Failure> {
        let ours = doc! { "_id": 1, "lease.token": &self.token };
        let update = doc! { "$set": { "era": self.era + 1, "tail": [] }, "$unset": { "parts": "" } };
        if !change(session, ours, update)? {
            return Ok(false);
        }
        self.era += 1;
        self.kept.clear();
        let names = session.names().clone();
        for collection in [names.entries, names.scripts] {
            session.run(&doc! { "delete": collection, "deletes": [{ "q": {}, "limit": 0 }] })?;
        }
        Ok(true)
    }
}
