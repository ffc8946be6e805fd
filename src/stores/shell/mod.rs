//! The shell kind: executables, with a ledger in a file, for what no other kind speaks to.
//!
//! Each script is a process of its own, two-phase and without a journal: what it did before it failed is its own affair.

mod held;
mod place;
mod run;

use self::held::Held;
use self::place::Place;
use self::run::{ScriptFile, command};
use super::memory::book::{Lease, now_ms};
use super::{Atomicity, Card, Holder, Kind, Ledger, Owner, Preview, Probe, Settings, Step, Store, StoredScript, Taken};
use crate::config::Secret;
use crate::domain::mode::ANY;
use crate::domain::mode::Reason;
use crate::domain::sql::Shape;
use crate::domain::{Direction, Failure, Mode, Record, Version};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "shell",
        aliases: &[],
        title: "Shell",
        extensions: &["sh", "py", ANY],
        client: None,
        atomic: Atomicity::None,
        journals: false,
        dialect: None,
        variables: &["STEPLADDER_SHELL_URL"],
        ambient: &[],
        default_url: Some("shell:"),
        schemes: &["shell"],
        default_port: None,
        options: &[],
        example_url: "shell:.stepladder/shell.jsonl",
        not_promised: &[
            (15, "there is neither a password nor a host"),
            (20, "what its scripts made is known to their down scripts alone: `fresh` runs those"),
        ],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    Ok(Box::new(Shell { place: Place::of(settings)?, settings: settings.clone() }))
}

/// A store, seen from outside.
#[derive(Clone)]
struct Shell {
    place: Place,
    settings: Settings,
}

impl Shell {
    /// The step that takes a migration back by the script that its ledger keeps.
    fn step_of(&self, record: &Record, kept: &StoredScript) -> Step {
        Step {
            index: 0,
            store: self.settings.name.clone(),
            version: record.version,
            label: record.label.clone(),
            direction: Direction::Down,
            path: format!("ledger:{}.down.{}", record.label, kept.extension),
            file: None,
            text: kept.text.clone(),
            extension: kept.extension.clone(),
            shape: Shape::default(),
            mode: Mode::TwoPhase(Reason::Kind),
            checksum: record.checksum.clone(),
            down: None,
            timeout: self.settings.timeout,
            resume_from: 0,
        }
    }
}

impl Store for Shell {
    fn address(&self) -> String {
        self.place.address()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        self.place.check()?;
        let server = match self.place.read()? {
            Some(book) => format!(
                "a file with {}",
                match book.entries.len() {
                    1 => "1 entry".to_owned(),
                    n => format!("{n} entries"),
                }
            ),
            None => "a file that the first run makes".to_owned(),
        };
        Ok(Probe { server, warnings: Vec::new() })
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.place.read()?.map_or_else(|| Ok(Ledger::default()), |book| book.ledger())
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        Ok(self.place.read()?.and_then(|book| book.lease.map(|lease| lease.holder(now_ms()))))
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        Ok(self.place.read()?.and_then(|book| book.stored_down(version)))
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        let lines = |step: &Step| -> Result<Vec<String>, Failure> {
            let around = |what: &str| format!("# ledger: {} {} {what}", step.direction.word(), step.label);
            let script = ScriptFile::of(step)?;
            let line = command(step, script.path(), &self.settings.root, &self.environment())?;
            let line = line.to_string().replace(&*script.path().to_string_lossy(), &step.path);
            let text = step.text.lines().map(|l| format!("  {l}"));
            Ok([around("begun"), line].into_iter().chain(text).chain([around("done")]).collect())
        };
        Ok(Preview {
            client: "each script by itself".to_owned(),
            steps: steps.iter().map(lines).collect::<Result<_, _>>()?,
        })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let records = crate::domain::fold(&self.look()?.entries);
        let mut applied: Vec<&Record> = records.values().filter(|r| r.is_applied()).collect();
        applied.sort_by_key(|r| std::cmp::Reverse(r.position));
        Ok(applied.iter().map(|r| format!("what {} made, by its down script", r.label)).collect())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        vec![("STEPLADDER_URL".to_owned(), Secret::open(self.place.url()))]
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        let length = self.settings.lease;
        let taken = self.place.create(|book| {
            let now = now_ms();
            let before = book.lease.as_ref().map(|lease| lease.holder(now));
            if let Some(holder) = &before {
                if !holder.is_stale(owner) {
                    return Err(Box::new(holder.clone()));
                }
                book.note_unlocked(owner, holder.takeover_note());
            }
            book.lease = Some(Lease::new(owner, length, now));
            Ok(before)
        })?;
        Ok(match taken {
            Ok(took_over) => Taken::Ours(Box::new(Held { shell: self.clone(), owner: owner.clone(), took_over })),
            Err(holder) => Taken::Held(*holder),
        })
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        self.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&seen.token)) else { return false };
            book.lease = None;
            book.note_unlocked(by, format!("released by force; it was held by {} of run {}", seen.who(), seen.run));
            true
        })
    }
}
