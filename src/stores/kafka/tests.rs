//! What the records add up to, and scripts made ready.

use std::collections::BTreeMap;
use std::time::Duration;

use super::book::{Book, packed};
use super::endpoint::Endpoint;
use super::record::{Claimant, Record, Row, Says};
use crate::config::{Environment, Secret};
use crate::domain::{Checksum, Direction, EntryEvent, Version};
use crate::stores::{NewEntry, Settings, StoredScript};

/// An endpoint of a URL.
pub fn endpoint(url: &str) -> Endpoint {
    Endpoint::resolve(&Settings {
        name: "kafka".to_owned(),
        url: Secret::new(url),
        client: None,
        timeout: None,
        lease: Duration::from_secs(15),
        root: "/project".into(),
        options: BTreeMap::new(),
        variables: Environment::default(),
    })
    .unwrap()
}

fn claimant(name: &str) -> Claimant {
    let own = |text: &str| text.to_owned();
    Claimant { user: own(name), host: own("h"), pid: 1, process: String::new(), run: own("r"), tool: own("t") }
}

fn claim(name: &str, over: Option<&str>) -> Record {
    let over = over.map(str::to_owned);
    Record::new(name, Says::Claim { owner: claimant(name), lease_ms: 100, over, note: Some("gone".to_owned()) })
}

fn done(name: &str, down: Option<&StoredScript>) -> Record {
    let entry = NewEntry {
        event: EntryEvent::Done,
        direction: Direction::Up,
        version: Some(Version::new(1)),
        label: "001_a".to_owned(),
        checksum: Checksum::recorded("sha256:1"),
        down: down.cloned(),
        ordinal: 0,
        duration_ms: None,
        parts_done: None,
        parts_total: None,
        note: None,
    };
    Record::new(name, Says::Entry(Row::new(&entry, &claimant(name))))
}

/// Adds records at these times; which of them count.
fn fold(book: &mut Book, records: &[(i64, Record)]) -> Vec<bool> {
    let add = |(offset, (at, record)): (usize, &(i64, Record))| book.add(i64::try_from(offset).unwrap(), *at, record);
    records.iter().enumerate().map(add).collect()
}

#[test]
fn the_first_claim_in_the_log_holds_until_it_expires() {
    let mut book = Book::default();
    let release = Record::new("b", Says::Release);
    let counts = fold(
        &mut book,
        &[
            (0, claim("a", None)),
            (1, claim("b", None)),
            (90, Record::new("a", Says::Renew { lease_ms: 100 })),
            (150, claim("b", None)),
            (200, claim("b", None)),
            (201, done("a", None)),
            (202, done("b", None)),
            (203, release),
            (204, claim("a", None)),
        ],
    );
    assert_eq!(counts, [true, false, true, false, true, false, true, true, true]);
    let entries = book.entries().unwrap();
    let events: Vec<_> = entries.iter().map(|e| (e.event, e.who.as_str())).collect();
    assert_eq!(events, [(EntryEvent::Unlocked, "b@h"), (EntryEvent::Done, "b@h")]);
    assert!(entries[0].note.as_ref().unwrap().contains("expired"), "{entries:?}");
}

#[test]
fn a_dead_holder_is_replaced_at_once_and_only_the_one_that_was_seen() {
    let mut book = Book::default();
    let counts = fold(
        &mut book,
        &[(0, claim("a", None)), (1, claim("b", Some("a"))), (2, claim("c", Some("a"))), (3, done("a", None))],
    );
    assert_eq!(counts, [true, true, false, false]);
    assert!(book.is_held_with("b"));
    assert_eq!(book.entries().unwrap()[0].note.as_deref(), Some("gone"));
    assert_eq!(book.holder(50).unwrap().expires_in_ms, 51);
}

#[test]
fn unlocking_takes_the_lease_of_the_holder_that_was_seen() {
    let unlock = |seen: &str| {
        let entry = Row::unlocked(&claimant("x"), "released".to_owned());
        Record::new("x", Says::Unlock { seen: seen.to_owned(), entry })
    };
    let mut book = Book::default();
    let counts = fold(&mut book, &[(0, claim("a", None)), (1, unlock("z")), (2, unlock("a")), (3, done("a", None))]);
    assert_eq!(counts, [true, false, true, false]);
    assert!(book.holder(3).is_none());
}

#[test]
fn a_record_that_was_sent_twice_counts_once() {
    let mut book = Book::default();
    let entry = done("a", None);
    let counts = fold(&mut book, &[(0, claim("a", None)), (1, entry.clone()), (2, entry)]);
    assert_eq!(counts, [true, true, false]);
    assert_eq!(book.entries().unwrap().len(), 1);
}

#[test]
fn a_down_script_comes_back_whole_from_its_pieces() {
    let text = "it's 🪜\n".repeat(1000);
    let checksum = Checksum::recorded("sha256:2");
    let down = StoredScript { extension: "kafka".to_owned(), text: text.into(), checksum };
    let whole = packed(&down.text);
    let piece = |piece: usize, text: &str| {
        let (checksum, extension) = (down.checksum.as_str().to_owned(), "kafka".to_owned());
        Record::new("a", Says::Down { checksum, extension, piece, pieces: 2, text: text.to_owned() })
    };
    let mut book = Book::default();
    let (first, second) = whole.split_at(40);
    fold(&mut book, &[(0, claim("a", None)), (1, piece(0, first)), (2, done("a", Some(&down)))]);
    assert!(book.stored_down(Version::new(1)).is_err(), "half a script is none");
    fold(&mut book, &[(3, piece(1, second))]);
    assert_eq!(book.stored_down(Version::new(1)), Ok(Some(down)));
    fold(&mut book, &[(4, Record::new("a", Says::Wipe))]);
    assert_eq!(book.stored_down(Version::new(1)), Ok(None));
    assert!(book.is_held_with("a") && book.entries().unwrap().is_empty());
}

#[test]
fn records_are_read_as_they_were_written_and_newer_ones_are_refused() {
    let record = claim("a", Some("b"));
    assert_eq!(Record::from_bytes(&record.to_bytes(), 0, "t"), Ok(record.clone()));
    let newer = Record { format: 99, ..record };
    assert!(Record::from_bytes(&newer.to_bytes(), 0, "t").unwrap_err().message.contains("newer"));
    assert!(Record::from_bytes(b"hello", 7, "t").unwrap_err().message.contains("record 7"));
    assert!(Record::from_bytes(b"{\"format\":99,\"x\":1}", 7, "t").unwrap_err().message.contains("newer"));
}
