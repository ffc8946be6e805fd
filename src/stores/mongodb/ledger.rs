//! The ledger: a document per entry, and one document that all writers meet at.
//!
//! There are no transactions on a standalone server, but one document changes as a whole. So an entry is first put
//! into the `tail` of the document that holds the lease, by a change that takes place only while the writer's token is
//! in it: that is the moment at which the entry is written. Then it is copied to its place among the others, which
//! anybody may do, any number of times: its number is its key. Who looks reads both. A run that lost its lease cannot
//! write, however late its request arrives. Down scripts lie apart, under their checksums.

use std::collections::BTreeMap;
use std::sync::Arc;

use bson::{Bson, DateTime, Document, doc};

use super::session::{DUPLICATE, Session};
use super::wire::{Trouble, number};
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript, pack};

/// What the collections' names begin with, unless the section says otherwise.
pub const PREFIX: &str = "stepladder";

/// The collections of a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of the one document.
    pub head: String,
    /// Of the entries.
    pub entries: String,
    /// Of the down scripts.
    pub scripts: String,
}

impl Names {
    /// Those that begin with a prefix.
    pub fn of(prefix: &str) -> Self {
        let name = |end: &str| format!("{prefix}_{end}");
        Self { head: name(HEAD), entries: name("ledger"), scripts: name("scripts") }
    }

    /// Whether one of them has this name.
    pub fn contain(&self, name: &str) -> bool {
        [&self.head, &self.entries, &self.scripts].into_iter().any(|own| own == name)
    }
}

/// What the name of the collection of the one document ends in.
const HEAD: &str = "lease";

/// Bytes kept of a note, from its end.
const LONGEST_NOTE: usize = 64 << 10;

/// The names of all ledgers of the database: ours, and those of stores that are configured otherwise.
///
/// # Errors
/// The server does not answer.
pub fn all_names(session: &mut Session, collections: &[String]) -> Result<Vec<Names>, Failure> {
    let mut found = vec![session.names().clone(), Names::of(PREFIX)];
    let prefixes = collections.iter().filter_map(|name| name.strip_suffix(HEAD)?.strip_suffix('_'));
    for names in prefixes.map(Names::of) {
        let is_known = found.contains(&names);
        if !is_known
            && session
                .find(&names.head, doc! { "_id": 1, "format": { "$exists": true }, "era": { "$exists": true } })?
                .len()
                == 1
        {
            found.push(names);
        }
    }
    Ok(found)
}

/// The one document, as it was read.
pub struct Head(Document);

impl Head {
    fn number(&self, key: &str) -> i64 {
        number(self.0.get(key)).unwrap_or(0)
    }

    /// The number of the newest entry.
    pub fn seq(&self) -> i64 {
        self.number("seq")
    }

    /// Counts how often everything was dropped: entries of another era are gone.
    pub fn era(&self) -> i64 {
        self.number("era")
    }

    /// The newest entries, which may not be in their place yet.
    pub fn tail(&self) -> Vec<Document> {
        let tail = self.0.get_array("tail").map(Vec::as_slice).unwrap_or_default();
        tail.iter().filter_map(|entry| entry.as_document().cloned()).collect()
    }

    /// Who holds the lease.
    pub fn lease(&self) -> Option<&Document> {
        self.0.get_document("lease").ok().filter(|lease| lease.get_str("token").is_ok())
    }

    /// The document as far as a change has set it.
    pub const fn of(set: Document) -> Self {
        Self(set)
    }

    /// What tells the change that wrote it from others.
    pub fn nonce(&self) -> Option<&str> {
        self.0.get_str("nonce").ok()
    }

    /// What has to be set for these entries to be written behind the newest one.
    pub fn followed_by(&self, entries: &[Document]) -> Document {
        follow(self.seq(), self.era(), entries, "")
    }
}

/// The same, from a number that is known.
pub fn follow(seq: i64, era: i64, entries: &[Document], nonce: &str) -> Document {
    let numbered = (seq + 1..).zip(entries).map(|(seq, entry)| {
        let mut whole = doc! { "_id": seq, "era": era };
        whole.extend(entry.clone());
        Bson::Document(whole)
    });
    let tail: Vec<Bson> = numbered.collect();
    let last = seq + i64::try_from(tail.len()).unwrap_or(0);
    doc! { "seq": last, "tail": tail, "nonce": nonce }
}

/// Reads the one document.
///
/// # Errors
/// The server does not answer; the ledger has a newer format.
pub fn head(session: &mut Session) -> Result<Option<Head>, Failure> {
    let Some(head) = session.find(&session.names().head.clone(), doc! { "_id": 1 })?.pop() else { return Ok(None) };
    match number(head.get("format")).unwrap_or(0) {
        newer if newer > FORMAT => Err(Failure::failed(format!(
            "the ledger has format {newer}, and this stepladder knows formats up to {FORMAT}"
        ))
        .hint("a newer stepladder wrote it: use that one, nothing was changed")),
        _ => Ok(Some(Head(head))),
    }
}

/// Makes the one document where it is missing. Of several who do exactly one does.
///
/// # Errors
/// The server refuses.
pub fn create(session: &mut Session) -> Result<(), Failure> {
    // Where somebody dropped that document alone, the entries go on from where they are.
    let names = session.names().clone();
    let newest =
        session.all(&doc! { "find": names.entries, "sort": { "_id": -1 }, "limit": 1, "singleBatch": true })?.pop();
    let of = |key: &str| newest.as_ref().and_then(|entry| number(entry.get(key)));
    let head = doc! {
        "_id": 1,
        "what": "the ledger of the migrations and its lease: leave it alone",
        "format": FORMAT,
        "era": of("era").unwrap_or(1),
        "seq": of("_id").unwrap_or(0),
        "tail": [],
    };
    insert(session, &names.head, vec![head])
}

/// Puts documents in their place; those that are there already stay.
///
/// # Errors
/// The server refuses.
pub fn insert(session: &mut Session, collection: &str, documents: Vec<Document>) -> Result<(), Failure> {
    match session.attempt(&doc! { "insert": collection, "documents": documents, "ordered": false }) {
        Err(Trouble::Said(refusal)) if refusal.code == DUPLICATE => Ok(()),
        Err(trouble) => Err(trouble.failure(session.endpoint())),
        Ok(_) => Ok(()),
    }
}

/// Copies entries to their place.
///
/// # Errors
/// The server refuses.
pub fn flush(session: &mut Session, tail: &[Document]) -> Result<(), Failure> {
    match tail.is_empty() {
        true => Ok(()),
        false => insert(session, &session.names().entries.clone(), tail.to_vec()),
    }
}

/// Changes the one document if it is still as it was seen; false when it is not.
///
/// # Errors
/// The server does not answer, and it is not known whether it was changed.
pub fn change(session: &mut Session, seen: Document, update: Document) -> Result<bool, Failure> {
    let head = &session.names().head;
    let command = doc! { "findAndModify": head, "query": seen, "update": update, "fields": { "_id": 1 } };
    Ok(session.run(&command)?.get_document("value").is_ok())
}

/// Reads all entries.
///
/// # Errors
/// As [`head`]; an entry that cannot be understood.
pub fn look(session: &mut Session) -> Result<Ledger, Failure> {
    let head = head(session)?;
    let query = head.as_ref().map_or_else(Document::new, |head| doc! { "era": head.era() });
    let documents = session.find(&session.names().entries.clone(), query)?;
    let mut all: BTreeMap<i64, Document> = BTreeMap::new();
    for document in head.iter().flat_map(Head::tail).chain(documents) {
        all.insert(number(document.get("_id")).unwrap_or(0), document);
    }
    let parts = head.as_ref().and_then(|head| head.0.get_document("parts").ok());
    if let Some(parts) = parts
        && let Some(entry) = number(parts.get("seq")).and_then(|seq| all.get_mut(&seq))
    {
        entry.extend(doc! { "parts_done": parts.get("done").cloned(), "parts_total": parts.get("total").cloned() });
    }
    let entries = all.values().map(entry).collect::<Result<Vec<_>, _>>()?;
    Ok(Ledger { exists: head.is_some() || !entries.is_empty(), entries })
}

/// The down script that the newest entry of a version recorded.
///
/// # Errors
/// As [`look`]; a script that is gone or does not unpack.
pub fn stored_down(session: &mut Session, version: Version) -> Result<Option<StoredScript>, Failure> {
    let entries = look(session)?.entries;
    let newest = entries.iter().rev().find(|e| e.version == Some(version) && e.down_checksum.is_some());
    let Some((seq, checksum)) = newest.and_then(|e| Some((e.seq, e.down_checksum.clone()?))) else { return Ok(None) };
    let damaged = |what: &str| Failure::failed(format!("the stored down script of entry {seq} {what}"));
    let found = session.find(&session.names().scripts.clone(), doc! { "_id": checksum.as_str() })?.pop();
    let found = found.ok_or_else(|| damaged("is gone"))?;
    let packed = found.get_binary_generic("packed").map_err(|_| damaged("is not there"))?;
    let text = pack::unpack(packed).map_err(|e| damaged(&format!("does not unpack: {e}")))?;
    let extension = found.get_str("extension").unwrap_or("js").to_owned();
    Ok(Some(StoredScript { extension, text: Arc::from(text), checksum }))
}

/// An entry as a document, without its number.
pub fn document(new: &NewEntry, owner: &Owner, at_ms: i64) -> Document {
    let fields = doc! {
        "event": new.event.word(),
        "direction": new.direction.word(),
        "version": new.version.map(|v| v.to_string()),
        "label": &new.label,
        "checksum": new.checksum.as_str(),
        "down_checksum": new.down.as_ref().map(|down| down.checksum.as_str()),
        "run": &owner.run,
        "token": &owner.token,
        "ordinal": new.ordinal,
        "at": DateTime::from_millis(at_ms),
        "duration_ms": new.duration_ms,
        "who": owner.who(),
        "tool": &owner.tool,
        "parts_done": new.parts_done.map(i64::from),
        "parts_total": new.parts_total.map(i64::from),
        "note": new.note.as_deref().map(short),
    };
    fields.into_iter().filter(|(_, value)| *value != Bson::Null).collect()
}

/// The entry that says that a lease was taken from somebody.
pub fn unlocked(by: &Owner, at_ms: i64, note: String) -> Document {
    document(&NewEntry::unlocked(note), by, at_ms)
}

/// The end of a message: its last line says what happened.
fn short(note: &str) -> &str {
    let from = note.len().saturating_sub(LONGEST_NOTE);
    let from = (from..note.len()).find(|at| note.is_char_boundary(*at)).unwrap_or(0);
    &note[from..]
}

fn entry(document: &Document) -> Result<Entry, Failure> {
    let seq = number(document.get("_id")).unwrap_or(0);
    let unknown = |what: &str| Failure::failed(format!("entry {seq} of the ledger has an unknown {what}"));
    let text = |key: &str| document.get_str(key).ok();
    let own = |key: &str| text(key).unwrap_or_default().to_owned();
    let part = |key: &str| number(document.get(key)).and_then(|n| u32::try_from(n).ok());
    Ok(Entry {
        seq,
        event: EntryEvent::from_word(&own("event")).ok_or_else(|| unknown("event"))?,
        direction: Direction::from_word(&own("direction")).ok_or_else(|| unknown("direction"))?,
        version: text("version").map(str::parse).transpose().map_err(|_| unknown("version"))?,
        label: own("label"),
        checksum: Checksum::recorded(own("checksum")),
        down_checksum: text("down_checksum").map(Checksum::recorded),
        run: own("run"),
        ordinal: number(document.get("ordinal")).unwrap_or(0),
        at_ms: document.get_datetime("at").map_or(0, |at| at.timestamp_millis()),
        duration_ms: number(document.get("duration_ms")),
        who: own("who"),
        tool: own("tool"),
        parts_done: part("parts_done"),
        parts_total: part("parts_total"),
        note: text("note").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_from_its_document() {
        let owner = crate::process::identity::owner("r1");
        let down = StoredScript { extension: "js".to_owned(), text: "x".into(), checksum: Checksum::of(b"x") };
        let new = NewEntry {
            event: EntryEvent::Done,
            direction: Direction::Up,
            version: Some(Version::new(7)),
            label: "007_\"x\" 🪜".to_owned(),
            checksum: Checksum::of(b"y"),
            down: Some(down.clone()),
            ordinal: 3,
            duration_ms: Some(12),
            parts_done: None,
            parts_total: None,
            note: Some("é".repeat(LONGEST_NOTE)),
        };
        let set = follow(6, 2, &[document(&new, &owner, 99)], "n");
        assert_eq!(number(set.get("seq")), Some(7));
        let back = entry(&Head(set).tail()[0]).unwrap();
        assert_eq!((back.seq, back.event, back.version, back.at_ms), (7, EntryEvent::Done, new.version, 99));
        assert_eq!((back.label, back.down_checksum, back.duration_ms), (new.label, Some(down.checksum), Some(12)));
        assert_eq!((back.note.map(|n| n.len()), back.parts_done), (Some(LONGEST_NOTE), None));
    }
}
