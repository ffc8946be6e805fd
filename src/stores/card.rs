//! What a kind declares of itself.

use super::{Settings, Store};
use crate::domain::Failure;
use crate::domain::sql::Dialect;

/// A kind of store: its card and how to open one.
pub struct Kind {
    /// What it declares of itself.
    pub card: Card,
    /// Makes a store from its settings. Does not connect.
    pub open: fn(&Settings) -> Result<Box<dyn Store>, Failure>,
}

/// The promises and traits of a kind. Whatever the engine, the suite or the docs need to know of a kind, they
/// read here.
#[derive(Clone, Copy, Debug)]
pub struct Card {
    /// Its name in configuration, folders and messages.
    pub name: &'static str,
    /// Other names that are understood: `timescale`.
    pub aliases: &'static [&'static str],
    /// What people call it: `PostgreSQL`.
    pub title: &'static str,
    /// Extensions of scripts that the kind runs itself; the first one is what `generate` writes.
    pub extensions: &'static [&'static str],
    /// The client program, unless the kind is built in.
    pub client: Option<Client>,
    /// How much of a script is undone when it fails.
    pub atomic: Atomicity,
    /// Whether the ledger journals the parts of a script that is no single transaction, so that it can resume.
    pub journals: bool,
    /// How its `.sql` scripts are read.
    pub dialect: Option<Dialect>,
    /// Environment variables that may hold the connection, the first one set wins.
    pub variables: &'static [&'static str],
    /// Variables of the client's own whose presence alone makes a connection: `PGHOST`, `PGSERVICE`.
    pub ambient: &'static [&'static str],
    /// Connection to use when nothing is configured.
    pub default_url: Option<&'static str>,
    /// URL schemes that mean this kind.
    pub schemes: &'static [&'static str],
    /// The port that a question on the terminal proposes.
    pub default_port: Option<u16>,
    /// Further keys that its section of `stepladder.toml` takes, each with what it means.
    pub options: &'static [(&'static str, &'static str)],
    /// An example of its URL, for hints and docs.
    pub example_url: &'static str,
    /// Clauses of the conformance suite that it cannot promise: number and reason.
    pub not_promised: &'static [(u8, &'static str)],
}

/// The client program of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Program names, the first one found is used.
    pub programs: &'static [&'static str],
    /// How to install it, by system, in one line.
    pub install: &'static str,
}

/// How much of a failed script a store takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// Everything: script and ledger entry are one transaction unless the script prevents it.
    Atomic,
    /// Data alone: a script of nothing else is one transaction with its entry, everything else stays.
    Data,
    /// Nothing.
    None,
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.card.name)
    }
}

impl Card {
    /// Whether every script and its entry are one transaction, unless the script prevents it.
    pub fn is_atomic(&self) -> bool {
        self.atomic == Atomicity::Atomic
    }

    /// Whether some scripts and their entries are one transaction.
    pub fn has_transactions(&self) -> bool {
        self.atomic != Atomicity::None
    }
}
