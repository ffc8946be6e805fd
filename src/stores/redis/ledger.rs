//! The ledger: a stream of entries, a hash of journals, a hash of down scripts, a hash that names its format.
//!
//! Each write is one Lua script (the files under `lua/`), which first checks whose lease it is: nothing is ever between the
//! check and the write.

use std::collections::BTreeMap;

use redis::Value;

use super::endpoint::Endpoint;
use super::session::{Session, items, pack, pairs, text};
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::pack::{pack as deflate, unpack};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript};

/// A Lua script of ours, after what all of them share.
macro_rules! lua {
    ($name:literal) => {
        concat!(include_str!("lua/common.lua"), include_str!(concat!("lua/", $name, ".lua")))
    };
}
pub(super) use lua;

const RECORD: &str = lua!("record");
const JOURNAL: &str = lua!("journal");

/// The names of the ledger's keys, after its prefix: format and last number, entries, journals, down scripts, lease.
pub const KEYS: [&str; 5] = ["meta", "ledger", "parts", "down", "lease"];

/// The words that run one of our Lua scripts.
pub fn eval<W: Into<Vec<u8>>>(
    endpoint: &Endpoint,
    how: &str,
    script: &str,
    arguments: impl IntoIterator<Item = W>,
) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = vec![how.into(), script.into(), KEYS.len().to_string().into()];
    words.extend(KEYS.iter().map(|key| endpoint.key(key).into_bytes()));
    words.extend(arguments.into_iter().map(Into::into));
    words
}

/// The words of an entry that stand before the step's outcome is known: names and values in turn.
pub fn words(entry: &NewEntry, owner: &Owner) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.push(name.into());
            words.push(value.into_bytes());
        }
    };
    add("direction", Some(entry.direction.word().to_owned()));
    add("version", entry.version.map(|v| v.to_string()));
    add("label", Some(entry.label.clone()));
    add("checksum", Some(entry.checksum.as_str().to_owned()));
    add("down_checksum", entry.down.as_ref().map(|d| d.checksum.as_str().to_owned()));
    add("down_extension", entry.down.as_ref().map(|d| d.extension.clone()));
    add("run", Some(owner.run.clone()));
    add("ordinal", Some(entry.ordinal.to_string()));
    add("who", Some(owner.who()));
    add("tool", Some(owner.tool.clone()));
    add("note", entry.note.clone());
    words
}

/// The same with what a finished entry knows besides.
fn whole_words(entry: &NewEntry, owner: &Owner) -> Vec<Vec<u8>> {
    let mut words = words(entry, owner);
    let known = [
        ("event", Some(entry.event.word().to_owned())),
        ("duration", entry.duration_ms.map(|n| n.to_string())),
        ("done", entry.parts_done.map(|n| n.to_string())),
        ("total", entry.parts_total.map(|n| n.to_string())),
    ];
    for (name, value) in known {
        words.extend(value.into_iter().flat_map(|value| [name.as_bytes().to_vec(), value.into_bytes()]));
    }
    words
}

/// The words of the entry that says that a lease was taken from somebody.
pub fn unlocked(by: &Owner, note: String) -> Vec<Vec<u8>> {
    let entry = NewEntry {
        event: EntryEvent::Unlocked,
        direction: Direction::Up,
        version: None,
        label: String::new(),
        checksum: Checksum::recorded(""),
        down: None,
        ordinal: 0,
        duration_ms: None,
        parts_done: None,
        parts_total: None,
        note: Some(note),
    };
    whole_words(&entry, by)
}

/// Where a down script is kept, and its bytes; empty for none. Equal scripts are kept once.
pub fn kept_down(down: Option<&StoredScript>) -> [Vec<u8>; 2] {
    down.map_or_else(Default::default, |d| [d.checksum.as_str().into(), deflate(&d.text)])
}

/// What an answer of a guarded write says: whether it was written.
pub fn was_ours(value: &Value) -> bool {
    matches!(value, Value::Int(1))
}

/// Appends an entry if the lease is ours; whether it is.
///
/// # Errors
/// The server's refusal.
pub fn record(session: &mut Session, entry: &NewEntry, owner: &Owner) -> Result<bool, Failure> {
    let number = |n: Option<u32>| n.unwrap_or(0).to_string().into_bytes();
    let [field, packed] = kept_down(entry.down.as_ref());
    let version = entry.version.map(|v| v.to_string()).unwrap_or_default().into_bytes();
    let mut arguments: Vec<Vec<u8>> = vec![owner.token.clone().into_bytes(), field, packed, version];
    arguments.push(entry.event.word().into());
    arguments.extend([number(entry.parts_done), number(entry.parts_total)]);
    arguments.extend(whole_words(entry, owner));
    let words = eval(&session.endpoint, "EVAL", RECORD, arguments);
    session.ask(&words).map(|v| was_ours(&v))
}

/// Counts parts in the newest `begun` entry of a version if the lease is ours; whether it is.
///
/// # Errors
/// The server's refusal.
pub fn journal(session: &mut Session, version: Version, done: u32, total: u32, owner: &Owner) -> Result<bool, Failure> {
    let arguments = [owner.token.clone(), version.to_string(), done.to_string(), total.to_string()];
    let words = eval(&session.endpoint, "EVAL", JOURNAL, arguments);
    session.ask(&words).map(|v| was_ours(&v))
}

/// Reads the whole ledger, in one round trip and without a trace.
///
/// # Errors
/// No answer; a ledger of a newer format; an entry that cannot be understood.
pub fn look(session: &mut Session) -> Result<Ledger, Failure> {
    let key = |name: &str| session.endpoint.key(name);
    let mut packed = Vec::new();
    pack(&["HGET", &key("meta"), "format"], &mut packed);
    pack(&["XRANGE", &key("ledger"), "-", "+"], &mut packed);
    pack(&["HVALS", &key("parts")], &mut packed);
    let mut values = Vec::new();
    for reply in session.send(packed, 3)? {
        values.push(reply.map_err(|words| session.refused(&words))?);
    }
    let [format, entries, journals] = values.as_slice() else { return Ok(Ledger::default()) };
    let Some(format) = text(format) else { return Ok(Ledger::default()) };
    known_format(session, &format)?;
    let journals: BTreeMap<i64, (u32, u32)> = items(journals).iter().filter_map(journal_of).collect();
    let entries = items(entries).iter().map(|row| entry(row, &journals)).collect::<Result<_, _>>()?;
    Ok(Ledger { exists: true, entries })
}

/// Refuses a format that is newer than ours.
///
/// # Errors
/// That.
pub fn known_format(session: &Session, format: &str) -> Result<(), Failure> {
    if format.parse::<i64>().is_ok_and(|f| f <= FORMAT) {
        return Ok(());
    }
    let place = &session.endpoint;
    Err(Failure::failed(format!(
        "the ledger of {place} was written by a newer stepladder (format {format}, this one knows {FORMAT})"
    ))
    .hint("use the newer stepladder"))
}

/// `<number of the begun entry> <parts done> <parts in all>`
fn journal_of(value: &Value) -> Option<(i64, (u32, u32))> {
    let row = text(value)?;
    let mut words = row.split(' ');
    let seq = words.next()?.parse().ok()?;
    Some((seq, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
}

fn entry(row: &Value, journals: &BTreeMap<i64, (u32, u32)>) -> Result<Entry, Failure> {
    let [id, fields] = items(row) else { return Err(Failure::failed("an entry of the ledger cannot be understood")) };
    let id = text(id).unwrap_or_default();
    let fields = pairs(fields);
    let unknown = |what: &str| Failure::failed(format!("entry {id} of the ledger has an unknown {what}"));
    let get = |name: &str| fields.get(name).map(String::as_str);
    let own = |name: &str| get(name).unwrap_or_default().to_owned();
    let number = |name: &str| get(name).and_then(|n| n.parse::<i64>().ok());
    let part = |name: &str| get(name).and_then(|n| n.parse::<u32>().ok());
    let seq = id.split('-').next().and_then(|n| n.parse().ok()).ok_or_else(|| unknown("number"))?;
    let journal = journals.get(&seq);
    Ok(Entry {
        seq,
        event: get("event").and_then(EntryEvent::from_word).ok_or_else(|| unknown("event"))?,
        direction: get("direction").and_then(Direction::from_word).ok_or_else(|| unknown("direction"))?,
        version: get("version").map(str::parse).transpose().map_err(|_| unknown("version"))?,
        label: own("label"),
        checksum: Checksum::recorded(own("checksum")),
        down_checksum: get("down_checksum").map(Checksum::recorded),
        run: own("run"),
        ordinal: number("ordinal").unwrap_or(0),
        at_ms: number("at").unwrap_or(0),
        duration_ms: number("duration"),
        who: own("who"),
        tool: own("tool"),
        parts_done: journal.map(|j| j.0).or_else(|| part("done")),
        parts_total: journal.map(|j| j.1).or_else(|| part("total")),
        note: get("note").map(str::to_owned),
    })
}

/// The down script that the newest entry of a version recorded.
///
/// # Errors
/// No answer; a script that is not there or does not unpack.
pub fn stored_down(session: &mut Session, version: Version) -> Result<Option<StoredScript>, Failure> {
    let key = session.endpoint.key("ledger");
    let rows = session.ask(&["XREVRANGE", &key, "+", "-"])?;
    let wanted = version.to_string();
    let fields = items(&rows).iter().filter_map(|row| items(row).get(1)).map(pairs);
    let mut ours = fields.filter(|f| f.get("version") == Some(&wanted));
    let Some(found) = ours.find(|f| f.contains_key("down_checksum")) else { return Ok(None) };
    let checksum = found.get("down_checksum").cloned().unwrap_or_default();
    let key = session.endpoint.key("down");
    let packed = session.ask(&["HGET", &key, &checksum])?;
    let text = match &packed {
        Value::BulkString(bytes) => unpack(bytes).ok(),
        _ => None,
    };
    let text = text.ok_or_else(|| {
        Failure::failed(format!("the down script of version {version} in the ledger cannot be unpacked"))
    })?;
    let extension = found.get("down_extension").cloned().unwrap_or_default();
    Ok(Some(StoredScript { extension, text: text.into(), checksum: Checksum::recorded(checksum) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn an_entry_comes_back_from_its_words() {
        let owner = crate::process::identity::owner("r1");
        let down = StoredScript { extension: "redis".to_owned(), text: "x".into(), checksum: Checksum::of(b"x") };
        let new = NewEntry {
            event: EntryEvent::Begun,
            direction: Direction::Up,
            version: Some(Version::new(7)),
            label: "007_\"x\" 🪜".to_owned(),
            checksum: Checksum::of(b"y"),
            down: Some(down.clone()),
            ordinal: 3,
            duration_ms: None,
            parts_done: Some(0),
            parts_total: Some(4),
            note: Some("it's".to_owned()),
        };
        let words = whole_words(&new, &owner).into_iter().map(Value::BulkString).collect();
        let row = Value::Array(vec![bulk("12-0"), Value::Array(words)]);
        let journals = [journal_of(&bulk("12 2 4")).unwrap()].into();
        let back = entry(&row, &journals).unwrap();
        assert_eq!((back.seq, back.event, back.version), (12, EntryEvent::Begun, Some(Version::new(7))));
        assert_eq!((back.label.as_str(), back.down_checksum), ("007_\"x\" 🪜", Some(down.checksum)));
        assert_eq!((back.parts_done, back.parts_total, back.note.as_deref()), (Some(2), Some(4), Some("it's")));
        assert_eq!((back.ordinal, back.who), (3, owner.who()));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        assert!(entry(&bulk("x"), &BTreeMap::new()).is_err());
        let row = Value::Array(vec![bulk("1-0"), Value::Array(vec![bulk("event"), bulk("begotten")])]);
        assert!(entry(&row, &BTreeMap::new()).unwrap_err().message.contains("unknown event"));
        assert_eq!(journal_of(&bulk("1 2")), None);
    }
}
