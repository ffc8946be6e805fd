//! PostgreSQL and TimescaleDB: scripts through psql, the ledger over the server's own protocol.
//!
//! A script and its entry are one transaction in one psql ([`script`] says what it is fed, [`psql`] feeds it); the
//! ledger and the lease are spoken to by the driver ([`session`]), so that looking and heartbeats start no client.

mod afterwards;
mod common_name;
mod connect;
mod dsn;
mod endpoint;
mod errors;
mod files;
mod lease;
mod ledger;
mod locked;
mod passfile;
mod probe;
mod psql;
mod script;
mod service;
mod session;
mod tls;
mod verdict;
mod wipe;

use std::path::PathBuf;
use std::sync::Arc;

use postgres::error::SqlState;

use self::endpoint::Endpoint;
use self::ledger::Schema;
use self::locked::{Held, Ready};
use self::script::{Chain, Frame, route};
use self::session::{Session, identifier, literal};
use super::{
    Atomicity, Card, Client, Holder, Kind, Ledger, Needed, Owner, Preview, Probe, Settings, Step, StepFailure, Store,
    StoredScript, Taken,
};
use crate::config::{Secret, scrub};
use crate::domain::sql::Dialect;
use crate::domain::{Failure, Version};
use crate::process::CommandLine;

const CLIENT: Client = Client {
    programs: &["psql"],
    install: "Debian, Ubuntu: apt-get install postgresql-client · macOS: brew install libpq",
};

/// PostgreSQL.
pub static POSTGRES: Kind = Kind {
    card: Card {
        name: "postgres",
        aliases: &["postgresql", "pg"],
        title: "PostgreSQL",
        extensions: &["sql"],
        client: Some(CLIENT),
        atomic: Atomicity::Atomic,
        journals: true,
        dialect: Some(Dialect::Postgres),
        variables: &["POSTGRES_URL"],
        ambient: &["PGHOST", "PGSERVICE", "PGDATABASE", "PGHOSTADDR"],
        default_url: None,
        schemes: &["postgres", "postgresql"],
        default_port: Some(5432),
        options: &[("schema", "the schema that holds the ledger (public)")],
        example_url: "postgres://app:secret@localhost:5432/app",
        not_promised: &[],
    },
    open: |settings| Postgres::open(settings, &POSTGRES),
};

/// TimescaleDB: PostgreSQL with its extension.
pub static TIMESCALEDB: Kind = Kind {
    card: Card {
        name: "timescaledb",
        aliases: &["timescale"],
        title: "TimescaleDB",
        variables: &["TIMESCALEDB_URL", "TIMESCALE_DSN"],
        ambient: &[],
        schemes: &["timescaledb", "timescale", "postgres", "postgresql"],
        example_url: "postgres://app:secret@localhost:5432/metrics",
        ..POSTGRES_CARD
    },
    open: |settings| Postgres::open(settings, &TIMESCALEDB),
};

const POSTGRES_CARD: Card = Card {
    name: "",
    aliases: &[],
    title: "",
    extensions: &["sql"],
    client: Some(CLIENT),
    atomic: Atomicity::Atomic,
    journals: true,
    dialect: Some(Dialect::Postgres),
    variables: &[],
    ambient: &[],
    default_url: None,
    schemes: &[],
    default_port: Some(5432),
    options: &[("schema", "the schema that holds the ledger (public)")],
    example_url: "",
    not_promised: &[],
};

/// Where a store is and how it is configured.
#[derive(Clone)]
pub struct Place {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    schema: Schema,
}

impl Place {
    fn program(&self) -> Result<PathBuf, Failure> {
        crate::process::find::client(&CLIENT, self.settings.client.as_deref(), &self.settings.name, None)
    }

    fn command(&self, program: PathBuf, run: &str) -> CommandLine {
        psql::command(program, &self.endpoint, &self.settings.root, run)
    }

    fn scrub(&self, failure: &mut StepFailure) {
        failure.message = scrub(&failure.message, &self.endpoint.secrets());
    }
}

/// A database, seen from outside.
struct Postgres {
    place: Place,
    kind: &'static Kind,
    session: Session,
}

impl Postgres {
    fn open(settings: &Settings, kind: &'static Kind) -> Result<Box<dyn Store>, Failure> {
        let schemes = ["postgres", "postgresql", "timescaledb", "timescale"];
        let endpoint = Arc::new(Endpoint::resolve(&settings.url, &schemes, &settings.variables, &settings.root)?);
        let schema = Schema::new(settings.options.get("schema").map_or("public", String::as_str));
        let session = Session::new(Arc::clone(&endpoint));
        Ok(Box::new(Self { place: Place { endpoint, settings: settings.clone(), schema }, kind, session }))
    }

    fn is_timescale(&self) -> bool {
        self.kind.card.name == TIMESCALEDB.card.name
    }

    /// A server that cannot have the extension is refused; a database that does not have it yet may get it from its
    /// first migration.
    fn check_extension(&mut self) -> Result<(), Failure> {
        if !self.is_timescale() {
            return Ok(());
        }
        let sql = "select exists (select from pg_catalog.pg_available_extensions where name = 'timescaledb')";
        if self.session.read(sql)?.first().and_then(|r| r.get(0)) == Some("t") {
            return Ok(());
        }
        Err(Failure::unreachable(format!("{} has no TimescaleDB", self.place.endpoint))
            .hint("install the extension on the server, or make this a store of the kind `postgres`"))
    }

    /// Creates what the ledger needs, and starts a client for this run meanwhile. Another process may be doing the same at this
    /// moment.
    fn create_ledger(&mut self, run: &str) -> Result<Option<Ready>, Failure> {
        let schema = &self.place.schema;
        let (mut ready, mut tries) = (None, 0);
        while !ledger::is_complete(&mut self.session, schema)? {
            ready = ready.or_else(|| Ready::start(&self.place, run));
            let find = format!("select to_regnamespace({}) is null", literal(&identifier(schema.name())));
            let missing = self.session.read(&find)?.first().and_then(|r| r.get(0)) == Some("t");
            match self.session.write(&ledger::create(schema, missing)) {
                Ok(_) => break,
                Err(trouble) if tries < 20 && trouble.state.as_ref().is_some_and(is_race) => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                Err(trouble) => {
                    let mut failure = trouble.failure;
                    failure.message = format!("the ledger cannot be created: {}", failure.message);
                    if trouble.state == Some(SqlState::SYNTAX_ERROR) {
                        // Before it there was no CREATE PROCEDURE.
                        failure = failure.hint("the server has to be PostgreSQL 11 or newer");
                    }
                    return Err(failure);
                }
            }
        }
        Ok(ready)
    }
}

/// What creating the same thing twice at once ends in.
fn is_race(state: &SqlState) -> bool {
    [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_FUNCTION,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
        // `tuple concurrently updated`
        SqlState::INTERNAL_ERROR,
    ]
    .contains(state)
}

impl Store for Postgres {
    fn address(&self) -> String {
        self.place.endpoint.to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        let timescale = self.is_timescale();
        probe::probe(&mut self.session, &self.place.schema, timescale)
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.check_extension()?;
        ledger::look(&mut self.session, &self.place.schema)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        Ok(lease::holder(&mut self.session, &self.place.schema)?)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, &self.place.schema, version)
    }

    fn preview(&self, steps: &[Step], run: &str) -> Result<Preview, Failure> {
        let line = self.place.command(self.place.program()?, run);
        let frame = Frame { schema: &self.place.schema, token: None, mark: "" };
        let lines = steps.iter().map(|step| {
            let route = route(step, &step.path, true);
            let feed = match step.mode.is_atomic() {
                true => frame.atomic(step, &route, Chain::default()),
                false => frame.two_phase(step, &route),
            };
            feed.text.lines().map(str::to_owned).collect()
        });
        Ok(Preview { client: line.to_string(), steps: lines.collect() })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let things = wipe::things(&mut self.session, &self.place.schema)?;
        Ok(things.into_iter().map(|t| t.shown).collect())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment = self.place.endpoint.environment();
        environment.push(("STEPLADDER_URL".to_owned(), self.place.endpoint.url.clone()));
        environment
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        let program = self.place.program()?;
        let output = std::process::Command::new(&program).arg("--version").output();
        let text =
            output.map_err(|e| Failure::unreachable(format!("`{}` cannot be started: {e}", program.display())))?;
        let text = String::from_utf8_lossy(&text.stdout).trim().to_owned();
        let version = text.split_whitespace().find(|w| w.starts_with(|c: char| c.is_ascii_digit())).unwrap_or_default();
        let major: u32 = version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        if major < OLDEST {
            return Err(Failure::unreachable(format!("`{}` is too old: {text}", program.display()))
                .hint(format!("psql {OLDEST} or later is needed · {}", CLIENT.install)));
        }
        Ok(Some(format!("{} {version}", program.display())))
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        Needed::first(needed, |_| self.place.program())
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        self.check_extension()?;
        let schema = self.place.schema.clone();
        if ledger::exists(&mut self.session, &schema)? {
            ledger::check_format(&mut self.session, &schema)?;
        }
        let ready = self.create_ledger(&owner.run)?;
        match lease::take(&mut self.session, &schema, owner, self.place.settings.lease)? {
            lease::Attempt::Held(holder) => Ok(Taken::Held(holder)),
            lease::Attempt::Ours(took_over) => {
                let another = self.session.another();
                let session = std::mem::replace(&mut self.session, another);
                let held =
                    Held { place: self.place.clone(), session, owner: owner.clone(), took_over, program: None, ready };
                Ok(Taken::Ours(Box::new(held)))
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        lease::unlock(&mut self.session, &self.place.schema, seen, by)
    }
}

/// The oldest psql that understands what it is fed.
const OLDEST: u32 = 11;
