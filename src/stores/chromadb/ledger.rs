//! The ledger: a record per entry in a collection of its own, whose ids are the entries' places.
//!
//! Chroma has no transaction and no conditional write, but of several records with the same id the first one stays.
//! So an entry is written at the place behind the last one that its writer has seen, and read back: whoever finds
//! somebody else's entry there has been overtaken. Since taking a lease over writes an entry first, a run whose
//! lease was taken over can never write again, however late its request arrives.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use serde_json::{Map, Value, json};

use super::api::{Api, Collection, Record};
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript};

/// The collection's name.
pub const NAME: &str = "stepladder_ledger";

/// How often a write is tried again when somebody else's entry came first.
const TRIES: usize = 5;

/// Finds the ledger.
///
/// # Errors
/// The server does not answer; the ledger has a newer format.
pub fn find(api: &Api) -> Result<Option<Collection>, Failure> {
    let Some(found) = api.find(NAME)? else { return Ok(None) };
    match found.number("format") {
        newer if newer > FORMAT => Err(Failure::failed(format!(
            "the ledger has format {newer}, and this stepladder knows formats up to {FORMAT}"
        ))
        .hint("a newer stepladder wrote it: use that one, nothing was changed")),
        _ => Ok(Some(found)),
    }
}

/// Creates the ledger where it is missing. Only whoever holds the lease does.
///
/// # Errors
/// As [`find`]; what the server refuses.
pub fn ensure(api: &Api) -> Result<Collection, Failure> {
    for _ in 0..TRIES {
        if let Some(found) = find(api)? {
            return Ok(found);
        }
        let metadata = json!({ "format": FORMAT, "what": "the ledger of the migrations: leave it alone" });
        if let Some(made) = api.create(NAME, metadata.as_object().unwrap_or(&Map::new()))? {
            return Ok(made);
        }
    }
    Err(Failure::failed("the ledger cannot be created: it comes and goes"))
}

/// Reads all entries.
///
/// # Errors
/// As [`find`]; an entry that cannot be understood.
pub fn look(api: &Api) -> Result<Ledger, Failure> {
    let Some(found) = find(api)? else {
        // A database that is not there has no collections either.
        api.check_database()?;
        return Ok(Ledger::default());
    };
    let Some(records) = api.records(&found.id, None)? else { return Ok(Ledger::default()) };
    let mut entries = records.iter().map(entry).collect::<Result<Vec<Entry>, Failure>>()?;
    entries.sort_by_key(|e| e.seq);
    Ok(Ledger { exists: true, entries })
}

/// The down script that the newest entry of a version recorded.
///
/// # Errors
/// As [`look`]; a script that does not unpack.
pub fn stored_down(api: &Api, version: Version) -> Result<Option<StoredScript>, Failure> {
    let Some(found) = find(api)? else { return Ok(None) };
    let version = version.to_string();
    let records = api.records(&found.id, None)?.unwrap_or_default();
    let has_down = |r: &&Record| text(r, "version") == Some(&version) && text(r, "down_checksum").is_some();
    let Some(newest) = records.iter().filter(has_down).max_by_key(|r| number(r, "seq")) else { return Ok(None) };
    let damaged = |what: &str| Failure::failed(format!("the stored down script of entry {} {what}", newest.id));
    let packed = api.uri(&found.id, &newest.id)?.ok_or_else(|| damaged("is gone"))?;
    Ok(Some(StoredScript {
        extension: text(newest, "down_extension").unwrap_or("py").to_owned(),
        text: unpack(&packed).ok_or_else(|| damaged("does not unpack"))?.into(),
        checksum: Checksum::recorded(text(newest, "down_checksum").unwrap_or_default()),
    }))
}

/// Notes in the newest `begun` entry of a version how many of its parts are done.
///
/// # Errors
/// The server does not answer; there is no such entry.
pub fn journal(api: &Api, id: &str, version: Version, parts: &Value) -> Result<(), Failure> {
    let version = version.to_string();
    let records = api.records(id, None)?.ok_or_else(gone)?;
    let begun = |r: &&Record| text(r, "version") == Some(&version) && text(r, "event") == Some("begun");
    let newest = records.iter().filter(begun).max_by_key(|r| number(r, "seq"));
    let newest = newest.ok_or_else(|| Failure::failed("there is no entry to note the parts in"))?;
    api.update(id, &newest.id, parts)
}

/// Where the next entries go.
#[derive(Clone, Debug)]
pub struct Place {
    /// The ledger's collection.
    pub id: String,
    /// Behind the last entry that was seen.
    pub next: i64,
}

impl Place {
    /// Behind the last entry that there is now.
    ///
    /// # Errors
    /// The server does not answer; the ledger has gone.
    pub fn last(api: &Api, id: &str) -> Result<Self, Failure> {
        let records = api.records(id, None)?.ok_or_else(gone)?;
        let last = records.iter().map(|r| number(r, "seq")).max().unwrap_or(0);
        Ok(Self { id: id.to_owned(), next: last.saturating_add(1) })
    }

    /// Writes entries and reads them back; false when somebody else's are in their place, which leaves ours
    /// unwritten. Repeating a write whose answer was lost is harmless: it has the same ids.
    ///
    /// # Errors
    /// The server does not answer, and it is not known whether the entries are there.
    pub fn write(
        &mut self,
        api: &Api,
        entries: &[Map<String, Value>],
        downs: &[Option<&StoredScript>],
    ) -> Result<bool, Failure> {
        let nonce = crate::process::identity::token();
        let records: Vec<Record> = (self.next..)
            .zip(entries.iter().zip(downs))
            .map(|(seq, (entry, down))| record(seq, entry, *down, &nonce))
            .collect();
        let ids: Vec<String> = records.iter().map(|r| r.id.clone()).collect();
        let mut trouble = None;
        for _ in 0..TRIES {
            if let Err(failure) = api.add(&self.id, &records) {
                trouble = Some(failure);
            }
            let there = match api.records(&self.id, Some(&ids)) {
                Ok(there) => there.ok_or_else(gone)?,
                Err(failure) => {
                    trouble = Some(failure);
                    continue;
                }
            };
            if there.iter().any(|r| text(r, "nonce") != Some(&nonce)) {
                return Ok(false);
            }
            if there.len() == ids.len() {
                self.next = self.next.saturating_add(i64::try_from(ids.len()).unwrap_or(0));
                return Ok(true);
            }
        }
        Err(trouble.unwrap_or_else(|| Failure::failed("an entry was written into the ledger and is not there")))
    }

    /// Writes an entry wherever the ledger ends by now.
    ///
    /// # Errors
    /// As [`Place::write`]; others write all the time.
    pub fn write_behind(&mut self, api: &Api, entry: &Map<String, Value>) -> Result<(), Failure> {
        for _ in 0..TRIES {
            if self.write(api, std::slice::from_ref(entry), &[None])? {
                return Ok(());
            }
            *self = Self::last(api, &self.id)?;
        }
        Err(Failure::failed("the ledger is written by others all the time"))
    }
}

fn gone() -> Failure {
    Failure::failed("the ledger is gone: its collection was dropped or replaced")
        .hint("`stepladder status` shows where things stand")
}

fn record(seq: i64, entry: &Map<String, Value>, down: Option<&StoredScript>, nonce: &str) -> Record {
    let mut metadata = entry.clone();
    metadata.insert("seq".to_owned(), seq.into());
    metadata.insert("nonce".to_owned(), nonce.into());
    if let Some(down) = down {
        metadata.insert("down_checksum".to_owned(), down.checksum.as_str().into());
        metadata.insert("down_extension".to_owned(), down.extension.as_str().into());
    }
    Record { id: format!("{seq:012}"), metadata, uri: down.map(|d| pack(&d.text)) }
}

/// An entry as the metadata of its record. Chroma knows no null there: what is not known is left out.
pub fn metadata(new: &NewEntry, owner: &Owner, at_ms: i64) -> Map<String, Value> {
    let mut fields = new.fields(owner, at_ms);
    fields.insert("token".to_owned(), owner.token.clone().into());
    if let Some(note) = &new.note {
        fields.insert("note".to_owned(), short(note).into());
    }
    fields
}

/// The end of a message as long as a traceback: its last line says what happened, and hosted servers take no more.
fn short(note: &str) -> &str {
    const MOST: usize = 4000;
    let from = note.len().saturating_sub(MOST);
    let from = (from..note.len()).find(|at| note.is_char_boundary(*at)).unwrap_or(0);
    &note[from..]
}

/// The entry that says that a lease was taken from somebody.
pub fn unlocked(by: &Owner, at_ms: i64, note: String) -> Map<String, Value> {
    metadata(&NewEntry::unlocked(note), by, at_ms)
}

fn text<'a>(record: &'a Record, key: &str) -> Option<&'a str> {
    record.metadata.get(key).and_then(Value::as_str)
}

fn number(record: &Record, key: &str) -> i64 {
    record.metadata.get(key).and_then(Value::as_i64).unwrap_or(0)
}

fn entry(record: &Record) -> Result<Entry, Failure> {
    let unknown = |what: &str| Failure::failed(format!("entry {} of the ledger has an unknown {what}", record.id));
    let own = |key: &str| text(record, key).unwrap_or_default().to_owned();
    let part = |key: &str| record.metadata.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    Ok(Entry {
        seq: number(record, "seq"),
        event: EntryEvent::from_word(&own("event")).ok_or_else(|| unknown("event"))?,
        direction: Direction::from_word(&own("direction")).ok_or_else(|| unknown("direction"))?,
        version: text(record, "version").map(str::parse).transpose().map_err(|_| unknown("version"))?,
        label: own("label"),
        checksum: Checksum::recorded(own("checksum")),
        down_checksum: text(record, "down_checksum").map(Checksum::recorded),
        run: own("run"),
        ordinal: number(record, "ordinal"),
        at_ms: number(record, "at_ms"),
        duration_ms: record.metadata.get("duration_ms").and_then(Value::as_i64),
        who: own("who"),
        tool: own("tool"),
        parts_done: part("parts_done"),
        parts_total: part("parts_total"),
        note: text(record, "note").map(str::to_owned),
    })
}

const PACKED: &str = "data:application/x-deflate;base64,";
const PLAIN: &str = "data:text/plain;charset=utf-8;base64,";
/// Shorter scripts are not worth a compressor.
const SHORT: usize = 512;

/// A script as a data URI: a look asks for no URIs, so that it reads no scripts.
fn pack(text: &str) -> String {
    if text.len() < SHORT {
        return format!("{PLAIN}{}", STANDARD.encode(text));
    }
    let mut packed = Vec::new();
    // Reading from memory cannot fail.
    let _ = DeflateEncoder::new(text.as_bytes(), Compression::default()).read_to_end(&mut packed);
    format!("{PACKED}{}", STANDARD.encode(packed))
}

fn unpack(uri: &str) -> Option<String> {
    if let Some(plain) = uri.strip_prefix(PLAIN) {
        return String::from_utf8(STANDARD.decode(plain).ok()?).ok();
    }
    let packed = STANDARD.decode(uri.strip_prefix(PACKED)?).ok()?;
    let mut text = String::new();
    DeflateDecoder::new(packed.as_slice()).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_come_back_whole() {
        for text in ["", "short 'ünï' 🪜\r\n", &"long \"text\"\\ \u{0} ".repeat(1000)] {
            assert_eq!(unpack(&pack(text)).as_deref(), Some(text));
        }
        assert_eq!(unpack("data:x,"), None);
        assert_eq!(unpack(&format!("{PACKED}!")), None);
    }

    #[test]
    fn an_entry_comes_back_from_its_record() {
        let owner = crate::process::identity::owner("r1");
        let down = StoredScript { extension: "py".to_owned(), text: "x".into(), checksum: Checksum::of(b"x") };
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
            note: None,
        };
        let record = record(4, &metadata(&new, &owner, 99), Some(&down), "n");
        assert!(record.metadata.values().all(|v| !v.is_null()));
        let back = entry(&record).unwrap();
        assert_eq!((back.seq, back.event, back.version, back.at_ms), (4, EntryEvent::Done, new.version, 99));
        assert_eq!((back.label, back.down_checksum, back.duration_ms), (new.label, Some(down.checksum), Some(12)));
        assert_eq!((back.note, back.parts_done), (None, None));
    }
}
