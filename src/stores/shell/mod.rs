//! The shell kind: executables, with a ledger in a file or in another store, for what no other kind speaks to.
//!
//! Each script is a process of its own, two-phase and without a journal: what it did before it failed is its own affair.

mod held;
mod keeper;
mod place;
mod run;

use std::collections::BTreeMap;

use self::held::Held;
use self::keeper::Keeper;
use self::place::Place;
use self::run::{ScriptFile, command};
use super::host::{Guest, Host};
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
        options: &[(LEDGER, "the store that keeps the ledger and the lease, instead of a file")],
        example_url: "shell:.stepladder/shell.jsonl",
        not_promised: &[
            (15, "there is neither a password nor a host"),
            (20, "what its scripts made is known to their down scripts alone: `fresh` runs those"),
        ],
    },
    open,
};

/// The key that names the store that keeps the ledger.
const LEDGER: &str = "ledger";

/// The store that is to keep the ledger of a store with these options.
pub fn keeper<'a>(kind: &Kind, options: &'a BTreeMap<String, String>) -> Option<&'a str> {
    options.get(LEDGER).filter(|_| kind.card.name == KIND.card.name).map(String::as_str)
}

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let keeper = Keeper::File(Place::of(settings)?, settings.lease);
    Ok(Box::new(Shell { keeper, settings: settings.clone() }))
}

/// A store whose ledger `host` keeps.
///
/// # Errors
/// A URL that names a file for the ledger as well.
pub fn open_in(host: Host, settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    if !matches!(settings.url.reveal(), "shell:" | "shell://") {
        return Err(Failure::usage(format!(
            "{} has two ledgers: `{LEDGER}` names the store {}, and its connection names another place",
            settings.name,
            host.name()
        ))
        .hint("leave one of them out; `shell:` alone is a connection that names none"));
    }
    let keeper = Keeper::Host(Guest::new(host, &settings.name));
    Ok(Box::new(Shell { keeper, settings: settings.clone() }))
}

/// A store, seen from outside.
#[derive(Clone)]
struct Shell {
    keeper: Keeper,
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
        self.keeper.address()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        self.keeper.probe()
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.keeper.look()
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        self.keeper.holder()
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.keeper.stored_down(version)
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        let lines = |step: &Step| -> Result<Vec<String>, Failure> {
            let ledger = self.keeper.ledger_name();
            let around = |what: &str| format!("# {ledger}: {} {} {what}", step.direction.word(), step.label);
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
        vec![("STEPLADDER_URL".to_owned(), Secret::open(self.keeper.url()))]
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        let held = |pen| Held { shell: self.clone(), pen, owner: owner.clone() };
        Ok(self.keeper.lock(owner)?.map_or_else(Taken::Held, |pen| Taken::Ours(Box::new(held(pen)))))
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        self.keeper.unlock(seen, by)
    }
}
