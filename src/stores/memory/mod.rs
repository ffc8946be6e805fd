//! The memory kind: keys with values, for trying things and for tests, behind the same promises as a database.
//!
//! `memory://` keeps everything inside the process. `memory:<path>` keeps it in a JSON file that processes share:
//! a change reads the file under a lock of the operating system and replaces it in one rename, so a reader sees
//! the old state or the new one.

pub(in crate::stores) mod book;
mod held;
mod place;
mod run;
mod script;

#[cfg(test)]
mod tests;

use std::time::Duration;

use self::book::now_ms;
use self::held::Held;
use self::place::Place;
use super::{Atomicity, Card, Holder, Kind, Ledger, Owner, Preview, Probe, Settings, Step, Store, StoredScript, Taken};
use crate::config::Secret;
use crate::domain::{Direction, Failure, Version};

/// The kind.
pub static KIND: Kind = Kind { card: CARD, open };

const CARD: Card = Card {
    name: "memory",
    aliases: &[],
    title: "Memory",
    extensions: &["mem"],
    client: None,
    atomic: Atomicity::Atomic,
    journals: true,
    dialect: None,
    variables: &["MEMORY_URL"],
    ambient: &[],
    default_url: Some("memory://"),
    schemes: &["memory"],
    default_port: None,
    options: &[],
    example_url: "memory:data.json",
    not_promised: &[(15, "there is neither a password nor a host")],
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    Ok(Box::new(Memory { place: Place::of(settings)?, lease: settings.lease }))
}

struct Memory {
    place: Place,
    lease: Duration,
}

impl Store for Memory {
    fn address(&self) -> String {
        self.place.address()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        self.place.check()?;
        let server = match self.place.read()? {
            Some(book) => format!("memory, {}", crate::domain::plan::count(book.data.len(), "key")),
            None => "memory, nothing in it yet".to_owned(),
        };
        Ok(Probe { server, warnings: Vec::new() })
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        match self.place.read()? {
            Some(book) => book.ledger(),
            None => Ok(Ledger::default()),
        }
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        Ok(self.place.read()?.and_then(|book| book.lease.map(|lease| lease.holder(now_ms()))))
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        Ok(self.place.read()?.and_then(|book| book.stored_down(version)))
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        Ok(Preview { client: "built in".to_owned(), steps: steps.iter().map(preview).collect() })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let data = self.place.read()?.map(|book| book.data).unwrap_or_default();
        Ok(data.iter().map(|(key, value)| format!("key {key} ({} bytes)", value.len())).collect())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        let url = self.place.url();
        vec![("MEMORY_URL".to_owned(), Secret::open(&url)), ("STEPLADDER_URL".to_owned(), Secret::open(url))]
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        let lease = self.lease;
        let taken = self.place.create(|book| Ok(book.take(owner, lease)))?;
        Ok(match taken {
            Ok(took_over) => Taken::Ours(Box::new(Held::new(self.place.clone(), owner.clone(), lease, took_over))),
            Err(holder) => Taken::Held(*holder),
        })
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        self.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&seen.token)) else { return Ok(false) };
            book.lease = None;
            book.note_unlocked(by, format!("released: it was held by {} of run {}", seen.who(), seen.run));
            Ok(true)
        })
    }
}

fn preview(step: &Step) -> Vec<String> {
    let entry = match step.direction {
        Direction::Up => format!("entry: {} is applied", step.label),
        Direction::Down => format!("entry: {} is reverted", step.label),
    };
    let lines = step.text.lines().map(|line| format!("  {line}"));
    if step.mode.is_atomic() {
        let first = std::iter::once("on a copy of the data:".to_owned());
        return first.chain(lines).chain([format!("copy and {entry}, in one write")]).collect();
    }
    let first = std::iter::once(format!("entry: {} is begun", step.label));
    first.chain(lines).chain(["a journal of each command with its change".to_owned(), entry]).collect()
}
