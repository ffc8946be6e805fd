//! The ledger: documents of one strict index, whose ids are their places; nothing of it is ever changed or deleted.
//!
//! A cluster has no transactions, but of several writers who create a document under the same id exactly one succeeds, and one
//! document may hold several entries: all of them are there or none. Every document goes to the place behind the last one
//! that its writer has seen. Whoever takes the lease, however it came free, first puts a document there that says so (a
//! fence): from then on every run before it finds its next place taken, however late its request arrives.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::api::Api;
use super::entries::{ENTRIES, entry, small};
use super::words;
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Entry, EntryEvent, Failure, Version};
use crate::stores::http::escaped;
use crate::stores::pack::unpack;
use crate::stores::{Ledger, StoredScript};

/// The document that says what this index is.
const HEAD: &str = "ledger";
/// Documents asked for at first, and at most, at once.
const WINDOW: i64 = 64;
const WIDEST: i64 = 2048;

/// All documents of the ledger, in order.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    pub(super) documents: Vec<Value>,
}

/// Reads the ledger; none where there is none.
///
/// # Errors
/// The cluster does not answer; the ledger has a newer format.
pub fn read(api: &Api) -> Result<Option<Pages>, Failure> {
    let mut pages = Pages::default();
    let mut window = WINDOW;
    loop {
        let from = pages.next();
        let mut ids: Vec<String> = (from..from + window).map(id).collect();
        if from == 1 {
            ids.insert(0, HEAD.to_owned());
        }
        let Some(mut found) = api.many(&ids)? else { return Ok(None) };
        if from == 1 {
            let head = if found.is_empty() { None } else { found.remove(0) };
            let Some(head) = head else { return Ok(None) };
            check(&head)?;
        }
        let asked = found.len();
        pages.documents.extend(found.into_iter().map_while(|document| document));
        if asked == 0 || pages.next() < from + window {
            return Ok(Some(pages));
        }
        window = (window * 4).min(WIDEST);
    }
}

fn check(head: &Value) -> Result<(), Failure> {
    match head["format"].as_i64().unwrap_or(0) {
        newer if newer > FORMAT => Err(Failure::failed(format!(
            "the ledger has format {newer}, and this stepladder knows formats up to {FORMAT}"
        ))
        .hint("a newer stepladder wrote it: use that one, nothing was changed")),
        _ => Ok(()),
    }
}

/// The id of the document at a place.
pub fn id(seq: i64) -> String {
    format!("{seq:012}")
}

impl Pages {
    /// The place behind the last document.
    pub fn next(&self) -> i64 {
        i64::try_from(self.documents.len()).unwrap_or(i64::MAX - 1) + 1
    }

    /// What the documents say.
    ///
    /// # Errors
    /// An entry that cannot be understood.
    pub fn ledger(&self) -> Result<Ledger, Failure> {
        let mut entries: Vec<Entry> = Vec::new();
        for (seq, document) in (1..).zip(&self.documents) {
            if document.get("wipe").is_some() {
                entries.clear();
            }
            for (number, value) in (0..).zip(document["entries"].as_array().into_iter().flatten()) {
                entries.push(entry(seq * ENTRIES + number, value)?);
            }
            if let Some(parts) = document.get("journal") {
                note_parts(&mut entries, parts);
            }
        }
        Ok(Ledger { exists: true, entries })
    }

    /// The place of the newest document with a down script of this version, and the entry's number in it.
    fn down_of(&self, version: &str) -> Option<(i64, usize)> {
        let mut newest = None;
        for (seq, document) in (1..).zip(&self.documents) {
            if document.get("wipe").is_some() {
                newest = None;
            }
            let entries = document["entries"].as_array().into_iter().flatten();
            for (number, entry) in entries.enumerate() {
                if entry["version"] == version && entry["down"].is_object() {
                    newest = Some((seq, number));
                }
            }
        }
        newest
    }
}

/// So many parts of the script that was begun last are done.
fn note_parts(entries: &mut [Entry], parts: &Value) {
    let version: Option<Version> = parts["version"].as_str().and_then(|v| v.parse().ok());
    let begun = entries.iter_mut().rev().find(|e| e.version == version && e.event == EntryEvent::Begun);
    if let Some(entry) = begun {
        entry.parts_done = small(&parts["done"]);
        entry.parts_total = small(&parts["total"]);
    }
}

/// Reads all entries.
///
/// # Errors
/// As [`read`]; an entry that cannot be understood.
pub fn look(api: &Api) -> Result<Ledger, Failure> {
    read(api)?.map_or_else(|| Ok(Ledger::default()), |pages| pages.ledger())
}

/// The down script that the newest entry of a version recorded.
///
/// # Errors
/// As [`look`]; a script that does not unpack.
pub fn stored_down(api: &Api, version: Version) -> Result<Option<StoredScript>, Failure> {
    let Some((seq, number)) = read(api)?.and_then(|pages| pages.down_of(&version.to_string())) else { return Ok(None) };
    let damaged = |what: &str| Failure::failed(format!("the stored down script of document {seq} {what}"));
    let document = api.get(&id(seq))?.ok_or_else(|| damaged("is gone"))?;
    let down = &document.source["entries"][number]["down"];
    let text = |key: &str| down[key].as_str().unwrap_or_default();
    let packed = STANDARD.decode(text("text")).map_err(|_| damaged("does not unpack"))?;
    Ok(Some(StoredScript {
        extension: text("extension").to_owned(),
        text: unpack(&packed).map_err(|_| damaged("does not unpack"))?.into(),
        checksum: Checksum::recorded(text("checksum")),
    }))
}

/// Creates the ledger's index where it is missing.
///
/// # Errors
/// As [`read`]; what the cluster refuses.
pub fn ensure(api: &Api) -> Result<(), Failure> {
    for hidden in [true, false] {
        match api.get(HEAD)? {
            Some(head) => return check(&head.source),
            None if create_index(api, hidden)? => break,
            None => {}
        }
    }
    api.create(HEAD, &json!({ "format": FORMAT })).map(drop)
}

/// False when this cluster is too old for hidden indices.
fn create_index(api: &Api, hidden: bool) -> Result<bool, Failure> {
    let kept = json!({ "type": "object", "enabled": false });
    let mut settings = json!({
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        // Templates for all indices must not bend what is written here.
        "default_pipeline": "_none",
    });
    if hidden {
        // `DELETE /*` does not mean it.
        settings["hidden"] = true.into();
    }
    let body = json!({
        "settings": { "index": settings },
        "mappings": {
            "dynamic": "strict",
            "_meta": { "what": "the ledger of the migrations: leave it alone" },
            "properties": {
                "format": { "type": "integer" },
                "seq": { "type": "long" },
                "token": { "type": "keyword" },
                "entries": kept, "journal": kept, "fence": kept, "wipe": kept, "lease": kept,
            },
        },
    });
    let answer = api.agent.send("PUT", &format!("/{}", escaped(&api.index)), Some(&body))?;
    if words::kind(&answer) == "resource_already_exists_exception" {
        return Ok(true);
    }
    if hidden && answer.status == 400 && answer.body.contains("index.hidden") {
        return Ok(false);
    }
    api.expect(answer).map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::super::entries::kept;
    use super::*;
    use crate::domain::Direction;
    use crate::stores::NewEntry;

    fn new(event: EntryEvent, version: u32, down: Option<StoredScript>) -> NewEntry {
        NewEntry {
            event,
            direction: Direction::Up,
            version: Some(Version::new(version.into())),
            label: "007_\"x\" 🪜".to_owned(),
            checksum: Checksum::of(b"y"),
            down,
            ordinal: 3,
            duration_ms: Some(12),
            parts_done: Some(0),
            parts_total: Some(4),
            note: None,
        }
    }

    #[test]
    fn documents_add_up() {
        let owner = crate::process::identity::owner("r1");
        let down =
            StoredScript { extension: "http".to_owned(), text: "DELETE /x".into(), checksum: Checksum::of(b"x") };
        let begun = kept(&new(EntryEvent::Begun, 7, Some(down.clone())), &owner, 99);
        assert!(begun.as_object().unwrap().values().all(|v| !v.is_null()));
        let done = kept(&new(EntryEvent::Done, 6, None), &owner, 98);
        let mut pages = Pages {
            documents: vec![
                json!({ "fence": {} }),
                json!({ "entries": [done, begun] }),
                json!({ "journal": { "version": "7", "done": 2, "total": 4 } }),
            ],
        };
        let ledger = pages.ledger().unwrap();
        assert_eq!(ledger.entries.iter().map(|e| e.seq).collect::<Vec<_>>(), [16, 17]);
        let last = &ledger.entries[1];
        assert_eq!((last.parts_done, last.parts_total, last.at_ms), (Some(2), Some(4), 99));
        assert_eq!((last.label.as_str(), last.down_checksum.as_ref()), ("007_\"x\" 🪜", Some(&down.checksum)));
        assert_eq!((pages.down_of("7"), pages.down_of("6"), pages.next()), (Some((2, 1)), None, 4));
        pages.documents.push(json!({ "wipe": {} }));
        assert_eq!((pages.ledger().unwrap().entries, pages.down_of("7")), (vec![], None));
        let strange = Pages { documents: vec![json!({ "entries": [{ "event": "foretold" }] })] };
        assert!(strange.ledger().unwrap_err().message.contains("document 1"));
    }
}
