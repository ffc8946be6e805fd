//! The ledger: a list of entries in JSON, a hash of journals, a hash of down scripts, a hash that names its format.
//!
//! Each write is one Lua script (the files under `lua/`), which first checks whose lease it is: nothing is ever between the
//! check and the write.

use std::collections::BTreeMap;

use redis::Value;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::session::Session;
use super::words::{Words, items, pack, text};
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

/// The names of the ledger's keys, after its prefix: format, entries, journals, down scripts, lease.
pub const KEYS: [&str; 5] = ["meta", "ledger", "parts", "down", "lease"];

/// The words that run one of our Lua scripts.
pub fn eval<W: Into<Vec<u8>>>(
    endpoint: &Endpoint,
    script: &str,
    arguments: impl IntoIterator<Item = W>,
) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = vec!["EVAL".into(), script.into(), KEYS.len().to_string().into()];
    words.extend(KEYS.iter().map(|key| endpoint.key(key).into_bytes()));
    words.extend(arguments.into_iter().map(Into::into));
    words
}

/// The same, packed for the server.
pub fn prepared(endpoint: &Endpoint, script: &str, arguments: Words) -> Vec<u8> {
    arguments.after(&eval(endpoint, script, std::iter::empty::<Vec<u8>>()))
}

/// What is known of an entry before its script runs.
#[derive(Serialize)]
struct OpenRow<'a> {
    direction: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    label: &'a str,
    checksum: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    down_checksum: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    down_extension: Option<&'a str>,
    run: &'a str,
    ordinal: i64,
    who: String,
    tool: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

/// An entry as an object of JSON without its last brace: our Lua scripts add what is known when they run.
pub fn open_entry(entry: &NewEntry, owner: &Owner) -> String {
    let down = entry.down.as_ref();
    let row = OpenRow {
        direction: entry.direction.word(),
        version: entry.version.map(|v| v.to_string()),
        label: &entry.label,
        checksum: entry.checksum.as_str(),
        down_checksum: down.map(|d| d.checksum.as_str()),
        down_extension: down.map(|d| d.extension.as_str()),
        run: &owner.run,
        ordinal: entry.ordinal,
        who: owner.who(),
        tool: &owner.tool,
        note: entry.note.as_deref(),
    };
    // Strings and numbers are always JSON.
    let mut text = serde_json::to_string(&row).unwrap_or_default();
    text.pop();
    text
}

/// The same with what a finished entry knows besides; the time is the server's to add.
fn whole_entry(entry: &NewEntry, owner: &Owner) -> String {
    let mut text = open_entry(entry, owner);
    text += &format!(",\"event\":\"{}\"", entry.event.word());
    let parts = |n: Option<u32>| n.map(i64::from);
    let known =
        [("duration", entry.duration_ms), ("done", parts(entry.parts_done)), ("total", parts(entry.parts_total))];
    for (name, value) in known {
        text += &value.map_or_else(String::new, |value| format!(",\"{name}\":{value}"));
    }
    text
}

/// The entry that says that a lease was taken from somebody.
pub fn unlocked(by: &Owner, note: String) -> String {
    whole_entry(&NewEntry::unlocked(note), by)
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
    arguments.push(whole_entry(entry, owner).into());
    let words = eval(&session.endpoint, RECORD, arguments);
    session.ask(&words).map(|v| was_ours(&v))
}

/// Counts parts in the newest `begun` entry of a version if the lease is ours; whether it is. None says that the count is not
/// known.
///
/// # Errors
/// The server's refusal.
pub fn journal(
    session: &mut Session,
    version: Version,
    done: Option<u32>,
    total: u32,
    owner: &Owner,
) -> Result<bool, Failure> {
    let done = done.map_or_else(|| "?".to_owned(), |done| done.to_string());
    let arguments = [owner.token.clone(), version.to_string(), done, total.to_string()];
    let words = eval(&session.endpoint, JOURNAL, arguments);
    session.ask(&words).map(|v| was_ours(&v))
}

/// Reads the whole ledger without a trace.
///
/// # Errors
/// No answer; a ledger of a newer format; an entry that cannot be understood.
pub fn look(session: &mut Session) -> Result<Ledger, Failure> {
    Ok(look_around(session)?.0)
}

/// The same, with what endangers it; in one round trip.
///
/// # Errors
/// As [`look`].
pub fn look_around(session: &mut Session) -> Result<(Ledger, Vec<String>), Failure> {
    let key = |name: &str| session.endpoint.key(name);
    let mut packed = Vec::new();
    pack(&["HGET", &key("meta"), "format"], &mut packed);
    pack(&["LRANGE", &key("ledger"), "0", "-1"], &mut packed);
    pack(&["HVALS", &key("parts")], &mut packed);
    pack(&["INFO", "memory"], &mut packed);
    let mut replies = session.send(packed, 4)?;
    // Not everybody may ask for it.
    let memory = replies.pop().and_then(Result::ok).as_ref().and_then(text).unwrap_or_default();
    let cautions = super::probe::cautions(&memory);
    let mut values = Vec::new();
    for reply in replies {
        values.push(reply.map_err(|words| session.refused(&words))?);
    }
    let none = || Ok((Ledger::default(), cautions.clone()));
    let [format, entries, journals] = values.as_slice() else { return none() };
    let Some(format) = text(format) else { return none() };
    known_format(session, &format)?;
    let journals: BTreeMap<i64, Journal> = items(journals).iter().filter_map(journal_of).collect();
    let rows = (1..).zip(items(entries));
    let entries = rows.map(|(seq, row)| entry(seq, row, &journals)).collect::<Result<_, _>>()?;
    Ok((Ledger { exists: true, entries }, cautions))
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

/// Parts done, unless that is not known, and parts in all.
type Journal = (Option<u32>, u32);

/// `<number of the begun entry> <parts done, or ?> <parts in all>`
fn journal_of(value: &Value) -> Option<(i64, Journal)> {
    let row = text(value)?;
    let mut words = row.split(' ');
    let seq = words.next()?.parse().ok()?;
    let done = match words.next()? {
        "?" => None,
        done => Some(done.parse().ok()?),
    };
    Some((seq, (done, words.next()?.parse().ok()?)))
}

/// What an entry is in the ledger.
#[derive(Deserialize)]
struct Row {
    event: String,
    direction: String,
    version: Option<String>,
    label: String,
    checksum: String,
    down_checksum: Option<String>,
    down_extension: Option<String>,
    run: String,
    ordinal: i64,
    at: i64,
    duration: Option<i64>,
    who: String,
    tool: String,
    done: Option<u32>,
    total: Option<u32>,
    note: Option<String>,
}

fn row(seq: i64, value: &Value) -> Result<Row, Failure> {
    let Value::BulkString(bytes) = value else { return Err(Failure::failed("the ledger is no list of entries")) };
    serde_json::from_slice(bytes)
        .map_err(|why| Failure::failed(format!("entry {seq} of the ledger cannot be understood: {why}")))
}

fn entry(seq: i64, value: &Value, journals: &BTreeMap<i64, Journal>) -> Result<Entry, Failure> {
    let row = row(seq, value)?;
    let unknown = |what: &str| Failure::failed(format!("entry {seq} of the ledger has an unknown {what}"));
    let journal = journals.get(&seq);
    Ok(Entry {
        seq,
        event: EntryEvent::from_word(&row.event).ok_or_else(|| unknown("event"))?,
        direction: Direction::from_word(&row.direction).ok_or_else(|| unknown("direction"))?,
        version: row.version.map(|v| v.parse()).transpose().map_err(|_| unknown("version"))?,
        label: row.label,
        checksum: Checksum::recorded(row.checksum),
        down_checksum: row.down_checksum.map(Checksum::recorded),
        run: row.run,
        ordinal: row.ordinal,
        at_ms: row.at,
        duration_ms: row.duration,
        who: row.who,
        tool: row.tool,
        parts_done: journal.map_or(row.done, |j| j.0),
        parts_total: journal.map_or(row.total, |j| Some(j.1)),
        note: row.note,
    })
}

/// How many of the newest entries are read at a time to find one: `down` mostly wants one of the last.
const PAGE: i64 = 200;

/// The newest entry of a version that recorded a down script.
fn newest_down(session: &mut Session, version: Version) -> Result<Option<Row>, Failure> {
    let key = session.endpoint.key("ledger");
    let Value::Int(mut end) = session.ask(&["LLEN", &key])? else { return Ok(None) };
    let wanted = format!("\"version\":\"{version}\"");
    while end > 0 {
        let first = (end - PAGE).max(0);
        let page = session.ask(&["LRANGE", &key, &first.to_string(), &(end - 1).to_string()])?;
        for (seq, value) in (first + 1..).zip(items(&page)).collect::<Vec<_>>().into_iter().rev() {
            // Most are of other versions, and need not be taken apart.
            if text(value).is_some_and(|text| text.contains(&wanted)) {
                let row = row(seq, value)?;
                if row.version == Some(version.to_string()) && row.down_checksum.is_some() {
                    return Ok(Some(row));
                }
            }
        }
        end = first;
    }
    Ok(None)
}

/// The down script that the newest entry of a version recorded.
///
/// # Errors
/// No answer; a script that is not there or does not unpack.
pub fn stored_down(session: &mut Session, version: Version) -> Result<Option<StoredScript>, Failure> {
    let Some(found) = newest_down(session, version)? else { return Ok(None) };
    let checksum = found.down_checksum.unwrap_or_default();
    let key = session.endpoint.key("down");
    let packed = session.ask(&["HGET", &key, &checksum])?;
    let text = match &packed {
        Value::BulkString(bytes) => unpack(bytes).ok(),
        _ => None,
    };
    let text = text.ok_or_else(|| {
        Failure::failed(format!("the down script of version {version} in the ledger cannot be unpacked"))
    })?;
    let extension = found.down_extension.unwrap_or_default();
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
        let closed = whole_entry(&new, &owner) + ",\"at\":17}";
        let journals = [journal_of(&bulk("12 2 4")).unwrap()].into();
        let back = entry(12, &bulk(&closed), &journals).unwrap();
        assert_eq!((back.seq, back.event, back.version), (12, EntryEvent::Begun, Some(Version::new(7))));
        assert_eq!((back.label.as_str(), back.down_checksum), ("007_\"x\" 🪜", Some(down.checksum)));
        assert_eq!((back.parts_done, back.parts_total, back.note.as_deref()), (Some(2), Some(4), Some("it's")));
        assert_eq!((back.ordinal, back.at_ms, back.who), (3, 17, owner.who()));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        assert!(entry(1, &bulk("x"), &BTreeMap::new()).unwrap_err().message.contains("entry 1"));
        let text = r#"{"event":"begotten","direction":"up","label":"","checksum":"","run":"","ordinal":1,"at":1,"who":"","tool":""}"#;
        assert!(entry(1, &bulk(text), &BTreeMap::new()).unwrap_err().message.contains("unknown event"));
        assert_eq!(journal_of(&bulk("1 2")), None);
        assert_eq!(journal_of(&bulk("1 ? 2")), Some((1, (None, 2))));
    }
}
