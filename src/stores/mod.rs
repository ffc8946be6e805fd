//! The seam between the engine and the kinds of store.
//!
//! A [`Store`] can only look. [`Store::lock`] returns a [`Locked`], and only a [`Locked`] can change anything:
//! the type system holds the lease. A kind declares of itself what it can promise in its [`Card`]; nothing
//! outside a kind's own file ever asks for its name.
//!
//! # How to add a kind
//! 1. One file here with a `static` [`Kind`]: its [`Card`], and `open`, which must not connect.
//! 2. [`Store::look`] and the other looking methods leave no trace: where there is no ledger, they say so.
//! 3. [`Store::lock`] creates the ledger where it is missing and takes the lease by the store's own arbitration
//!    and clock. It never blocks inside the store: held means [`Taken::Held`], the engine polls.
//! 4. [`Locked::run`] takes consecutive steps of this store, in order, and may feed them all to one client. It
//!    emits [`StepEvent`]s as they happen, writes each step's entry in the same transaction as the script where
//!    [`Mode::Atomic`](crate::domain::Mode) says so and `begun` … `done` around it otherwise, and stops at the
//!    first failure or when the context asks it to. Success is positive: marker seen *and* entry there.
//! 5. Every write to the ledger checks the fencing token in the same statement or transaction.
//! 6. A line in [`KINDS`], templates, a sample pair, a row in the docs. A test fails when one is missing.

mod card;
#[cfg(feature = "chromadb")]
pub mod chromadb;
#[cfg(feature = "elasticsearch")]
pub mod elasticsearch;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "influxdb")]
pub mod influxdb;
#[cfg(feature = "kafka")]
pub mod kafka;
mod locked;
pub mod memory;
#[cfg(feature = "mongodb")]
pub mod mongodb;
#[cfg(feature = "mysql")]
pub mod mysql;
mod needed;
#[cfg(feature = "neo4j")]
pub mod neo4j;
mod owner;
#[cfg(any(
    feature = "elasticsearch",
    feature = "influxdb",
    feature = "mongodb",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite"
))]
pub mod pack;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "kafka", feature = "mongodb"))]
mod scram;
#[cfg(feature = "shell")]
pub mod shell;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod step;
#[cfg(any(feature = "kafka", feature = "mongodb", feature = "mysql", feature = "neo4j", feature = "postgres"))]
pub mod tls;
#[cfg(any(feature = "http", feature = "mysql"))]
pub mod url;

use std::collections::BTreeMap;
use std::time::Duration;

pub use card::{Atomicity, Card, Client, Kind};
pub use locked::{Context, Heart, Locked, NewEntry, Stop, StopReason};
pub use needed::Needed;
pub use owner::{Holder, Owner};
pub use step::{Kept, Outcome, Preview, RUN_AGAIN, Step, StepEvent, StepFailure, StoredScript};

use crate::domain::{Entry, Failure, Version};

/// Every kind that this build knows.
pub static KINDS: &[&Kind] = &[
    #[cfg(feature = "sqlite")]
    &sqlite::KIND,
    #[cfg(feature = "postgres")]
    &postgres::POSTGRES,
    #[cfg(feature = "postgres")]
    &postgres::TIMESCALEDB,
    #[cfg(feature = "chromadb")]
    &chromadb::KIND,
    #[cfg(feature = "elasticsearch")]
    &elasticsearch::KIND,
    #[cfg(feature = "influxdb")]
    &influxdb::KIND,
    #[cfg(feature = "kafka")]
    &kafka::KIND,
    #[cfg(feature = "mongodb")]
    &mongodb::KIND,
    #[cfg(feature = "mysql")]
    &mysql::KIND,
    #[cfg(feature = "shell")]
    &shell::KIND,
    #[cfg(feature = "redis")]
    &redis::KIND,
    #[cfg(feature = "neo4j")]
    &neo4j::KIND,
    &memory::KIND,
];

/// The kind with this name or alias.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|k| k.card.name == name || k.card.aliases.contains(&name))
}

/// The other store that keeps the ledger of a store of this kind with these options.
pub fn keeper<'a>(kind: &Kind, options: &'a BTreeMap<String, String>) -> Option<&'a str> {
    #[cfg(feature = "shell")]
    let keeper = shell::keeper;
    #[cfg(not(feature = "shell"))]
    let keeper = |_: &Kind, _: &BTreeMap<String, String>| None;
    keeper(kind, options)
}

/// Makes a store from its settings, with its ledger in `host` where one is given. Does not connect.
///
/// # Errors
/// A connection that cannot be understood.
pub fn open(kind: &Kind, settings: &Settings, host: Option<host::Host>) -> Result<Box<dyn Store>, Failure> {
    match host {
        #[cfg(feature = "shell")]
        Some(host) => shell::open_in(host, settings),
        _ => (kind.open)(settings),
    }
}

/// What a store's settings say, resolved: which kind, where, how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store's name: its folder's name.
    pub name: String,
    /// Where it is. The secret parts are shown by no `Debug` and no `Display`.
    pub url: crate::config::Secret,
    /// The native client, when the configuration names one: a path or a program's name.
    pub client: Option<String>,
    /// How long a script may run unless its directive says otherwise.
    pub timeout: Option<Duration>,
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// Folder that relative paths are relative to: the project's.
    pub root: std::path::PathBuf,
    /// The remaining keys of the store's section, by name: those that the kind's card lists.
    pub options: BTreeMap<String, String>,
    /// The environment's variables, `.env` included, for the client's own ones (`PGHOST`, ...).
    pub variables: crate::config::Environment,
}

/// How long a connection or a client may have had nothing to do. After that it is tried, or replaced, before it is relied upon:
/// servers and firewalls end what is idle, and what is written into such a connection is lost.
pub const FRESH: std::time::Duration = std::time::Duration::from_secs(2);

/// What a look at a ledger found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Whether there is a ledger at all.
    pub exists: bool,
    /// Its entries in order.
    pub entries: Vec<Entry>,
}

/// What `doctor` and `wait` learn from a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Product and version as the server says it.
    pub server: String,
    /// Things that will make trouble, each with advice.
    pub warnings: Vec<(String, String)>,
}

/// Whether taking a lease succeeded.
pub enum Taken {
    /// It did.
    Ours(Box<dyn Locked>),
    /// Somebody else is at work.
    Held(Holder),
}

/// One configured store, seen from outside: everything here leaves no trace.
pub trait Store: Send {
    /// Where it is, as a person would write it, without secrets.
    fn address(&self) -> String;

    /// Connects and says what answers. For `doctor` and `wait`.
    ///
    /// # Errors
    /// [`crate::FailureKind::Unreachable`] when nothing answers or the answer is a refusal.
    fn probe(&mut self) -> Result<Probe, Failure>;

    /// Reads the ledger; an empty one where there is none.
    ///
    /// # Errors
    /// Unreachable store; a ledger of a newer format ([`crate::domain::ledger::FORMAT`]).
    fn look(&mut self) -> Result<Ledger, Failure>;

    /// What the last [look](Store::look) found that endangers the ledger: told once by every command that looks to decide.
    fn cautions(&self) -> Vec<String> {
        Vec::new()
    }

    /// Who holds the lease, if somebody does.
    ///
    /// # Errors
    /// As [`Store::look`].
    fn holder(&mut self) -> Result<Option<Holder>, Failure>;

    /// The down script that the newest entry of this version recorded.
    ///
    /// # Errors
    /// As [`Store::look`]; a script that does not unpack.
    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure>;

    /// What a run of these steps would do, exactly. Pure but for finding the client.
    ///
    /// # Errors
    /// A client that cannot be found.
    fn preview(&self, steps: &[Step], run: &str) -> Result<Preview, Failure>;

    /// What `fresh` would drop: one line for each thing, such as `table orders (12 rows)`.
    ///
    /// # Errors
    /// As [`Store::look`].
    fn inventory(&mut self) -> Result<Vec<String>, Failure>;

    /// The environment that `.sh` and `.py` scripts get: the client's usual variables and `STEPLADDER_URL`.
    fn environment(&self) -> Vec<(String, crate::config::Secret)>;

    /// Whether the client that scripts need can be found: its path and version, or none for a built-in one.
    ///
    /// # Errors
    /// [`crate::FailureKind::Unreachable`] with how to install it.
    fn client(&self) -> Result<Option<String>, Failure>;

    /// Finds the client programs that these scripts need, and starts none.
    ///
    /// # Errors
    /// As [`Store::client`], with the script.
    fn find_client(&self, _needed: &[Needed<'_>]) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes the lease and creates the ledger where there is none.
    ///
    /// # Errors
    /// As [`Store::look`]; a ledger that cannot be created.
    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure>;

    /// Releases a lease that somebody else holds, when its holder is still `seen`; true if it did. The release
    /// is written into the ledger (`unlocked`).
    ///
    /// # Errors
    /// As [`Store::look`].
    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure>;
}
