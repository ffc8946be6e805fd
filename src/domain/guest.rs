//! Entries that a store's ledger keeps for another store.
//!
//! A ledger tells its own entries from those of its guests by the label: `jobs/001_nightly` is `001_nightly` of the
//! store `jobs`, and no label of a file has a slash. So that a version finds its own down script only, the version of a
//! guest's entry is a number that no file has: a 9, eleven digits that the guest's name makes, and the migration's own
//! number in twenty digits.

use std::collections::{BTreeMap, BTreeSet};

use super::checksum::Checksum;
use super::ledger::{Entry, fold};
use super::version::{MAX_DIGITS, Version};
use super::{Failure, plan};

/// Digits of a guest's own versions.
const DIGITS: u32 = 20;
const ROOM: u128 = 10u128.pow(DIGITS);
const NAMES: u128 = 10u128.pow(11);
const FIRST: u128 = 9 * NAMES * ROOM;
const _: () = assert!(FIRST + NAMES * ROOM <= 10u128.pow(MAX_DIGITS as u32));

/// The version under which another store's ledger keeps one of `store`.
///
/// # Errors
/// A version of more than twenty digits.
pub fn key(store: &str, version: Version) -> Result<Version, Failure> {
    if version.number() >= ROOM {
        return Err(Failure::usage(format!(
            "has a number of more than {DIGITS} digits, which the ledger of another store cannot keep"
        ))
        .hint(format!("give the migration a shorter number, or {store} a ledger of its own")));
    }
    // The last sixteen digits of the hash.
    let digest = Checksum::of(store.as_bytes());
    let digits = digest.as_str().bytes().rev().take(16);
    let name = digits.fold(0u128, |n, b| n * 16 + u128::from((b as char).to_digit(16).unwrap_or(0)));
    Ok(Version::new(FIRST + name % NAMES * ROOM + version.number()))
}

/// The label of an entry of `store` in another store's ledger.
pub fn label(store: &str, label: &str) -> String {
    format!("{store}/{label}")
}

/// The other store whose entry this is; none for the ledger's own.
pub fn of(entry: &Entry) -> Option<&str> {
    entry.label.rsplit_once('/').map(|(store, _)| store)
}

/// The entries of the guest `store`, as its own ledger would hold them.
pub fn entries(store: &str, all: Vec<Entry>) -> Vec<Entry> {
    let own = |entry: Entry| {
        let label = entry.label.strip_prefix(store)?.strip_prefix('/').filter(|l| !l.contains('/'))?.to_owned();
        let version = entry.version.map(|v| Version::new(v.number() % ROOM));
        Some(Entry { label, version, ..entry })
    };
    all.into_iter().filter_map(own).collect()
}

/// Fails when emptying the chosen stores would lose what a guest's ledger says: each store with all its entries.
///
/// # Errors
/// A guest that is not chosen itself and has migrations applied or half-applied.
pub fn refuse_loss<'a>(
    ledgers: impl Iterator<Item = (&'a str, &'a [Entry])>,
    chosen: &BTreeSet<String>,
) -> Result<(), Failure> {
    for (host, entries) in ledgers.filter(|(host, _)| chosen.contains(*host)) {
        let lost: BTreeMap<&str, usize> =
            applied(entries).into_iter().filter(|(guest, _)| !chosen.contains(*guest)).collect();
        if let Some(guest) = lost.keys().next() {
            let names: Vec<String> = lost.iter().map(|(guest, n)| format!("{guest} ({n} applied)")).collect();
            return Err(Failure::findings(format!(
                "{host} keeps the ledger of {}, and that would be lost; nothing was dropped",
                plan::list(&names)
            ))
            .hint(format!("take it back first: `stepladder down --all -s {guest}`"))
            .hint(format!("or begin both afresh: `stepladder fresh -s {guest} -s {host}`")));
        }
    }
    Ok(())
}

/// How many migrations of each guest are not simply pending; guests without any are left out.
fn applied(all: &[Entry]) -> BTreeMap<&str, usize> {
    let guests: BTreeSet<&str> = all.iter().filter_map(of).collect();
    let count = |guest: &&str| {
        let records = fold(&entries(guest, all.to_vec()));
        records.values().filter(|r| r.is_applied() || r.half().is_some()).count()
    };
    guests.into_iter().map(|guest| (guest, count(&guest))).filter(|(_, n)| *n > 0).collect()
}

/// Those of `names` that are guests in one of these ledgers.
pub fn among<'a>(entries: impl Iterator<Item = &'a Entry>, names: &BTreeSet<String>) -> BTreeSet<String> {
    entries.filter_map(of).filter(|guest| names.contains(*guest)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Direction, EntryEvent};

    fn entry(seq: i64, event: EntryEvent, label: &str, version: Version) -> Entry {
        Entry {
            seq,
            event,
            direction: Direction::Up,
            version: Some(version),
            label: label.to_owned(),
            checksum: Checksum::recorded("sha256:0"),
            down_checksum: None,
            run: "r".to_owned(),
            ordinal: 0,
            at_ms: seq,
            duration_ms: None,
            who: "t@h".to_owned(),
            tool: "t".to_owned(),
            parts_done: None,
            parts_total: None,
            note: None,
        }
    }

    fn of_jobs(seq: i64, event: EntryEvent, number: u128) -> Entry {
        entry(seq, event, &label("jobs", &format!("{number:03}_a")), key("jobs", Version::new(number)).unwrap())
    }

    #[test]
    fn keys_are_apart_from_files_and_from_each_other() {
        let keys: BTreeSet<Version> = ["jobs", "mail", "a/b", ""]
            .iter()
            .flat_map(|store| [1, 2, ROOM - 1].map(|n| key(store, Version::new(n)).unwrap()))
            .collect();
        assert_eq!(keys.len(), 12);
        assert!(keys.iter().all(|k| k.to_string().len() == MAX_DIGITS && k.to_string().starts_with('9')));
        assert!(key("jobs", Version::new(ROOM)).unwrap_err().message.contains("more than 20 digits"));
    }

    #[test]
    fn a_ledger_and_its_guests_do_not_see_each_other() {
        let own = entry(1, EntryEvent::Done, "001_own", Version::new(1));
        let all = vec![own, of_jobs(2, EntryEvent::Done, 1), of_jobs(3, EntryEvent::Begun, 2)];
        let records = fold(&all);
        assert_eq!(records.values().map(|r| r.label.as_str()).collect::<Vec<_>>(), ["001_own"]);
        let jobs = fold(&entries("jobs", all.clone()));
        assert_eq!(jobs.values().map(|r| r.label.as_str()).collect::<Vec<_>>(), ["001_a", "002_a"]);
        assert_eq!(jobs.keys().map(|v| v.number()).collect::<Vec<_>>(), [1, 2]);
        assert!(entries("job", all.clone()).is_empty() && entries("obs", all).is_empty());
    }

    #[test]
    fn what_a_guest_has_applied_is_not_lost_with_its_host() {
        let ledger = [of_jobs(1, EntryEvent::Done, 1)];
        let refused = |chosen: &[&str]| {
            let chosen = chosen.iter().map(|s| (*s).to_owned()).collect();
            refuse_loss([("main", &ledger[..])].into_iter(), &chosen)
        };
        assert!(refused(&["main"]).unwrap_err().message.contains("jobs (1 applied)"));
        refused(&["main", "jobs"]).unwrap();
        refused(&["other"]).unwrap();
    }
}
