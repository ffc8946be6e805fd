//! Entries as the ledger's documents hold them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure};
use crate::stores::pack::pack;
use crate::stores::{NewEntry, Owner};

/// Entries of one document have numbers of their own.
pub const ENTRIES: i64 = 8;

/// An entry as it is kept.
pub fn kept(new: &NewEntry, owner: &Owner, at_ms: i64) -> Value {
    let mut fields = new.fields(owner, at_ms);
    if let Some(down) = &new.down {
        let text = STANDARD.encode(pack(&down.text));
        let down = json!({ "checksum": down.checksum.as_str(), "extension": down.extension, "text": text });
        fields.insert("down".to_owned(), down);
    }
    fields.into()
}

/// The entry that says that a lease was taken from somebody.
pub fn unlocked(by: &Owner, at_ms: i64, note: String) -> Value {
    kept(&NewEntry::unlocked(note), by, at_ms)
}

/// A number of parts.
pub fn small(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

/// Reads an entry with this place.
///
/// # Errors
/// A word that is not known.
pub fn entry(seq: i64, value: &Value) -> Result<Entry, Failure> {
    let unknown = |what: &str| {
        Failure::failed(format!("an entry in document {} of the ledger has an unknown {what}", seq / ENTRIES))
    };
    let own = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Ok(Entry {
        seq,
        event: EntryEvent::from_word(&own("event")).ok_or_else(|| unknown("event"))?,
        direction: Direction::from_word(&own("direction")).ok_or_else(|| unknown("direction"))?,
        version: value["version"].as_str().map(str::parse).transpose().map_err(|_| unknown("version"))?,
        label: own("label"),
        checksum: Checksum::recorded(own("checksum")),
        down_checksum: value["down"]["checksum"].as_str().map(Checksum::recorded),
        run: own("run"),
        ordinal: value["ordinal"].as_i64().unwrap_or(0),
        at_ms: value["at_ms"].as_i64().unwrap_or(0),
        duration_ms: value["duration_ms"].as_i64(),
        who: own("who"),
        tool: own("tool"),
        parts_done: small(&value["parts_done"]),
        parts_total: small(&value["parts_total"]),
        note: value["note"].as_str().map(str::to_owned),
    })
}
