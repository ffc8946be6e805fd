//! Neo4j: scripts through cypher-shell, the ledger as nodes over Bolt.
//!
//! The shell is fed one text for all the steps of a run ([`frame`] makes it, [`shell`] feeds it, [`talk`] listens): it reads
//! everything before it runs anything. While it starts, the server plans the ledger's statements ([`ahead`]). Schema and data never
//! share a transaction, so each statement is journalled by itself; one that is certainly data shares its transaction with its
//! journal. Ledger and lease are spoken to in process ([`bolt`], [`session`]).

mod ahead;
mod bolt;
mod endpoint;
mod frame;
mod jvm;
mod lease;
mod ledger;
mod locked;
mod packed;
mod probe;
mod requests;
mod script;
mod session;
mod shell;
mod statement;
mod talk;
mod trust_store;
mod verdict;
mod wipe;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use self::endpoint::{Endpoint, SCHEMES};
use self::frame::{Feed, Frame};
use self::lease::Attempt;
use self::locked::Held;
use self::requests::{EXTENSION, Ways};
use self::session::Session;
use self::shell::Shell;
use super::{
    Atomicity, Card, Client, Holder, Kind, Ledger, Needed, Owner, Preview, Probe, Settings, Step, Store, StoredScript,
    Taken, http,
};
use crate::config::Secret;
use crate::domain::{Failure, Version};

const CLIENT: Client = Client {
    programs: &["cypher-shell"],
    install: "Debian, Ubuntu: apt-get install cypher-shell (from Neo4j's repository) · macOS: brew install cypher-shell",
};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "neo4j",
        aliases: &[],
        title: "Neo4j",
        extensions: &["cypher", "cql", "http"],
        client: Some(CLIENT),
        atomic: Atomicity::Data,
        journals: true,
        dialect: None,
        variables: &["NEO4J_URL", "NEO4J_URI"],
        ambient: &[],
        default_url: None,
        schemes: SCHEMES,
        default_port: Some(7687),
        options: &[
            ("database", "the database (the user's home database)"),
            ("ca", "a PEM file with certificates to trust, for neo4j+s, bolt+s and https"),
            ("http", "where requests (.http) go (http://HOST:7474, https://HOST:7473 for neo4j+s)"),
        ],
        example_url: "neo4j://neo4j:secret@localhost:7687",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Arc::new(Endpoint::resolve(settings)?);
    Ok(Box::new(Neo4j { settings: settings.clone(), session: Session::new(endpoint), wanted: OnceLock::new() }))
}

/// A database, seen from outside.
struct Neo4j {
    settings: Settings,
    session: Session,
    /// The client, once a run that needs it is about to begin.
    wanted: OnceLock<PathBuf>,
}

impl Neo4j {
    fn program(&self) -> Result<PathBuf, Failure> {
        crate::process::find::client(&CLIENT, self.settings.client.as_deref(), &self.settings.name, None)
    }
}

impl Store for Neo4j {
    fn address(&self) -> String {
        self.session.endpoint().to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        probe::probe(&mut self.session)
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&mut self.session)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        lease::holder(&mut self.session)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, version)
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        let endpoint = self.session.endpoint();
        let client = match steps.iter().all(|step| step.extension == EXTENSION) {
            true => "built in".to_owned(),
            false => {
                // A dry run makes no file, not even one that is gone again.
                let store = endpoint.ca.as_ref().map(|(path, _)| path.with_extension("jks"));
                shell::command(self.program()?, endpoint, &self.settings, store.as_deref()).to_string()
            }
        };
        let frame = Frame { owner: None, database: endpoint.database.as_deref(), mark: "" };
        let shown = steps.iter().map(|step| {
            if step.extension == EXTENSION {
                let preview = http::preview(std::slice::from_ref(step), &requests::base(endpoint), &Ways::of(endpoint));
                return Ok(preview?.steps.concat());
            }
            let mut feed = Feed::default();
            frame.step(&mut feed, step, false).map_err(|unfit| {
                Failure::findings(format!("{}:{}: {}", step.path, unfit.line, unfit.message)).hint(unfit.hint)
            })?;
            Ok(feed.text.lines().map(str::to_owned).collect())
        });
        Ok(Preview { client, steps: shown.collect::<Result<_, Failure>>()? })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        wipe::inventory(&mut self.session)
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        let endpoint = self.session.endpoint();
        let mut environment = endpoint.environment();
        environment.push(("STEPLADDER_URL".to_owned(), endpoint.url().clone()));
        environment
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        probe::client(&self.program()?).map(Some)
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        Needed::first(needed.iter().filter(|n| n.script.extension != EXTENSION), |_| {
            let program = self.program()?;
            let _ = self.wanted.set(program.clone());
            Ok(program)
        })
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        let has_ledger = ledger::format(&mut self.session)?.is_some();
        let seen = if has_ledger { lease::holder(&mut self.session)? } else { None };
        // Once it is likely that there will be work for it. Where it cannot be started, that is said when it is needed.
        let free = seen.as_ref().is_none_or(|holder| holder.is_stale(owner));
        let program = self.wanted.get().filter(|_| free);
        let shell = program.and_then(|p| Shell::start(p.clone(), self.session.endpoint(), &self.settings).ok());
        if !has_ledger {
            ledger::create(&mut self.session)?;
        }
        match lease::take(&mut self.session, owner, self.settings.lease, seen)? {
            Attempt::Held(holder) => Ok(Taken::Held(holder)),
            Attempt::Ours(took_over) => {
                let another = self.session.another();
                let session = std::mem::replace(&mut self.session, another);
                let (settings, program) = (self.settings.clone(), self.wanted.get().cloned());
                Ok(Taken::Ours(Box::new(Held { session, settings, owner: owner.clone(), took_over, program, shell })))
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        match ledger::format(&mut self.session)? {
            Some(_) => lease::unlock(&mut self.session, seen, by),
            None => Ok(false),
        }
    }
}
