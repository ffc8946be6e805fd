//! What the records of a log add up to.

use super::book::{Book, lease_of, place};
use super::record::{Record, Row, Says};
use crate::domain::{Checksum, Direction, EntryEvent, Version};
use crate::process::identity;
use crate::stores::{NewEntry, StoredScript};

fn entry(version: u64, event: EntryEvent, down: Option<StoredScript>) -> NewEntry {
    NewEntry {
        event,
        direction: Direction::Up,
        version: Some(Version::new(version.into())),
        label: format!("{version:03}_\"x\" 🪜"),
        checksum: Checksum::of(b"y"),
        down,
        ordinal: 3,
        duration_ms: Some(12),
        parts_done: Some(0),
        parts_total: Some(4),
        note: None,
    }
}

fn row(version: u64, event: EntryEvent) -> Says {
    Says::Entry(Row::new(&entry(version, event, None), &identity::owner("r1"))).at(99)
}

fn at(lease: i64, number: i64, says: Says) -> (i64, Record) {
    (place(lease, number), Record::new("t", says))
}

fn versions(log: Vec<(i64, Record)>) -> Vec<String> {
    Book::of(log).entries().unwrap().into_iter().map(|e| e.version.unwrap().to_string()).collect()
}

#[test]
fn what_a_lost_lease_writes_after_the_next_has_looked_is_void() {
    let done = |version| row(version, EntryEvent::Done);
    let log = |after| {
        vec![
            at(1, 1, Says::Open { after: 0 }),
            at(1, 2, done(1)),
            at(1, 3, done(2)),
            at(2, 1, Says::Open { after }),
            at(2, 2, done(3)),
        ]
    };
    assert_eq!(versions(log(place(1, 2))), ["1", "3"]);
    assert_eq!(versions(log(place(1, 3))), ["1", "2", "3"]);
    // A lease that never came to begin changes nothing; nor does the order in which the points come.
    let mut shuffled = log(place(1, 2));
    shuffled.reverse();
    assert_eq!(versions(shuffled), ["1", "3"]);
    let mut third = log(place(1, 2));
    third.push(at(4, 1, Says::Open { after: place(2, 1) }));
    assert_eq!(versions(third), ["1"]);
}

#[test]
fn a_late_opening_does_not_count_for_places() {
    let book = Book::of(vec![at(7, 1, Says::Open { after: place(3, 9) })]);
    assert_eq!(book.opened, Some((7, place(3, 9))));
    assert_eq!((lease_of(book.last), book.last), (7, place(7, 1)));
}

#[test]
fn journals_and_a_fresh_start() {
    let journal = Says::Journal { version: "1".to_owned(), done: 2, total: 4 };
    let log = vec![at(1, 1, row(1, EntryEvent::Begun)), at(1, 2, journal)];
    let entries = Book::of(log.clone()).entries().unwrap();
    assert_eq!((entries[0].parts_done, entries[0].parts_total), (Some(2), Some(4)));
    let wiped = [log, vec![at(1, 3, Says::Wipe), at(1, 4, row(2, EntryEvent::Done))]].concat();
    assert_eq!(versions(wiped), ["2"]);
}

#[test]
fn down_scripts_are_kept_in_pieces_and_come_back_whole() {
    let mut seed = 1_u64;
    let mut text = String::new();
    while text.len() < 300_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text.push_str(&format!("{seed:x}\r\n\"🪜\\"));
    }
    let down = StoredScript {
        extension: "influxql".to_owned(),
        checksum: Checksum::of(text.as_bytes()),
        text: text.as_str().into(),
    };
    let mut book = Book::default();
    let pieces = book.keep(Some(&down));
    assert!(pieces.len() > 2, "{}", pieces.len());
    for (number, says) in (1..).zip(pieces) {
        let record = Record::new("t", says);
        let back = Record::from_text(&record.to_text(), 1).unwrap();
        assert_eq!(back, record);
        assert!(record.to_text().len() < 64 << 10);
        book.add(place(1, number), back.says);
    }
    assert_eq!(book.keep(Some(&down)), []);
    let done = entry(1, EntryEvent::Done, Some(down.clone()));
    book.add(place(1, 99), Says::Entry(Row::new(&done, &identity::owner("r1"))).at(99));
    assert_eq!(book.stored_down(Version::new(1)).unwrap(), Some(down));
    let entries = book.entries().unwrap();
    assert_eq!((entries[0].at_ms, entries[0].duration_ms, entries[0].label.as_str()), (99, Some(12), "001_\"x\" 🪜"));
}

#[test]
fn a_newer_format_and_foreign_points_are_refused() {
    for text in [r#"{"format":99,"token":"t","op":"foretell"}"#, "x", r#"{"format":1,"token":"t","op":"foretell"}"#] {
        assert!(Record::from_text(text, 1).is_err(), "{text}");
    }
}
