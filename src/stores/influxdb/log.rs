//! The log: records in the order of their places, each a point of its own that is written once.
//!
//! InfluxDB has no transaction and no conditional write, and two points with the same place would be merged. So the places
//! of a lease are its holder's alone: the lease's number, then its own count. A record is written, and then looked whether
//! the lease is ours still. Whoever takes a lease over claims the next number first, reads the log after that, and begins
//! with a record that says how far it has read: what an older lease writes behind that place is void for every reader.
//! So a record counts exactly when the next holder saw it; a run that was overtaken hears of it before it goes on.

use std::thread;
use std::time::Duration;

use super::api::Api;
use super::book::{Book, lease_of, place};
use super::lease;
use super::query::field;
use super::record::{Record, Row, Says};
use crate::domain::Failure;
use crate::stores::Owner;

/// The measurement.
const ENTRIES: &str = "entries";
const RECORD: &str = "record";

/// The ledger under our lease.
pub struct Log {
    /// Speaks to the server.
    pub api: Api,
    /// Who we are.
    pub owner: Owner,
    /// Our lease.
    pub number: i64,
    /// What stands on its claim.
    pub mark: String,
    /// What the records add up to.
    pub book: Book,
    next: i64,
}

/// Reads the ledger; none where there is none.
///
/// # Errors
/// The server does not answer; a newer ledger.
pub fn read(api: &Api) -> Result<Option<Book>, Failure> {
    let Some(points) = api.points(ENTRIES, None)? else { return Ok(None) };
    let records = points.iter().filter(|point| point.field == RECORD);
    let records: Result<Vec<(i64, Record)>, Failure> =
        records.map(|point| Ok((point.time, Record::from_text(&point.text, point.time)?))).collect();
    Ok(Some(Book::of(records?)))
}

impl Log {
    /// With the lease in hand.
    pub fn open(api: Api, owner: Owner, number: i64, mark: String, book: Book) -> Self {
        Self { api, owner, number, mark, book, next: 1 }
    }

    /// Writes that the lease begins, and from whom it was taken; false when it is not ours any more.
    ///
    /// # Errors
    /// The server does not answer.
    pub fn begin(&mut self, note: Option<String>) -> Result<bool, Failure> {
        let mut says = vec![Says::Open { after: self.book.last }];
        if let Some(note) = note {
            says.push(Says::Entry(Row::unlocked(&self.owner, note)));
        }
        self.append(says)
    }

    /// Appends records; false when the lease is not ours any more, and then none of them counts.
    ///
    /// # Errors
    /// It is not known whether they are there.
    pub fn append(&mut self, says: Vec<Says>) -> Result<bool, Failure> {
        if says.is_empty() {
            return Ok(true);
        }
        if !lease::is_held(&self.api, self.number, &self.mark)? {
            return Ok(false);
        }
        let now = self.api.heard_ms();
        let says: Vec<Says> = says.into_iter().map(|says| says.at(now)).collect();
        let from = place(self.number, self.next);
        let lines: Vec<String> = (from..)
            .zip(&says)
            .map(|(at, says)| {
                let record = Record::new(&self.owner.token, says.clone());
                format!("{ENTRIES} {RECORD}={} {at}", field(&record.to_text()))
            })
            .collect();
        let points = lines.join("\n");
        // The same points at the same places: to write them twice is to write them once.
        self.api.write(&points).or_else(|_| self.api.write(&points))?;
        if !lease::is_held(&self.api, self.number, &self.mark)? && !self.was_seen(from)? {
            return Ok(false);
        }
        for (at, says) in (from..).zip(says) {
            self.next += 1;
            self.book.add(at, says);
        }
        Ok(true)
    }

    /// Whether the holder that overtook us has seen what we wrote, so that it counts.
    fn was_seen(&self, at: i64) -> Result<bool, Failure> {
        // It has claimed the lease, and says in a moment how far it has read.
        for _ in 0..20 {
            let book = read(&self.api)?.unwrap_or_default();
            if let Some((_, after)) = book.opened.filter(|(lease, _)| *lease > lease_of(at)) {
                return Ok(after >= at);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(false)
    }
}
