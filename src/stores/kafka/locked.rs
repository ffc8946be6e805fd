//! A cluster whose lease this run holds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::book::packed;
use super::endpoint::Client;
use super::job::{Job, Place, Unfit};
use super::log::Log;
use super::record::{Claimant, Record, Row, Says};
use super::{properties, run, wipe};
use crate::config::scrub;
use crate::domain::{Failure, Version};
use crate::stores::{
    Context, Heart, Holder, Ledger, Locked, NewEntry, Outcome, Owner, Settings, Step, StepFailure, StoredScript,
};

/// The lease of one cluster, held.
pub struct Held {
    /// The ledger.
    pub log: Log,
    /// How the store is configured.
    pub settings: Settings,
    /// This run.
    pub owner: Owner,
    /// Whose stale lease it was.
    pub took_over: Option<Holder>,
    /// The client properties for Kafka's tools, once they were needed.
    pub config: Option<Config>,
}

/// A file that gives Kafka's tools the login.
pub enum Config {
    /// The tools need none.
    None,
    /// The configuration's.
    Own(PathBuf),
    /// Ours, for its owner's eyes only, gone with us.
    Made(tempfile::NamedTempFile),
}

impl Config {
    fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::None => None,
            Self::Own(path) => Some(path),
            Self::Made(file) => Some(file.path()),
        }
    }
}

/// Characters of a packed down script in one record: brokers take a megabyte.
const PIECE: usize = 512 << 10;

impl Held {
    /// This process, as records name it.
    pub fn claimant(&self) -> Claimant {
        Claimant::of(&self.owner)
    }

    /// Appends to the ledger; false when the lease is not ours any more, and then nothing of it counts.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, says: Vec<Says>) -> Result<bool, Failure> {
        let records: Vec<Record> = says.into_iter().map(|says| Record::new(&self.owner.token, says)).collect();
        Ok(self.log.append(&records)?.into_iter().all(|counts| counts))
    }

    fn must(&mut self, says: Vec<Says>) -> Result<(), Failure> {
        match self.write(says)? {
            true => Ok(()),
            false => Err(Failure::failed("the lease was lost, so the ledger was not written")
                .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")),
        }
    }

    /// Keeps a down script, unless the ledger has it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_down(&mut self, down: Option<&StoredScript>) -> Result<(), Failure> {
        let Some(down) = down.filter(|d| !self.log.book.has_down(d.checksum.as_str())) else { return Ok(()) };
        let text = packed(&down.text);
        // Base64 is ASCII: any cut is one between characters.
        let pieces: Vec<&str> =
            (0..text.len().div_ceil(PIECE).max(1)).map(|n| &text[n * PIECE..text.len().min((n + 1) * PIECE)]).collect();
        for (piece, text) in pieces.iter().enumerate() {
            self.must(vec![Says::Down {
                checksum: down.checksum.as_str().to_owned(),
                extension: down.extension.clone(),
                piece,
                pieces: pieces.len(),
                text: (*text).to_owned(),
            }])?;
        }
        Ok(())
    }

    /// A script, ready to run.
    ///
    /// # Errors
    /// The first line that cannot be run, and why.
    pub fn jobs(&mut self, text: &str) -> Result<Vec<Job>, Unfit> {
        let endpoint = Arc::clone(&self.log.cluster.endpoint);
        if self.config.is_none() && endpoint.client != Client::Builtin {
            let made = self.make_config().map_err(|failure| Unfit {
                line: None,
                message: failure.message,
                hints: failure.hints,
                kind: failure.kind,
            })?;
            self.config = Some(made);
        }
        let config = self.config.as_ref().and_then(Config::path);
        Place { endpoint: &endpoint, store: &self.settings.name, config, root: &self.settings.root }.jobs(text)
    }

    fn make_config(&self) -> Result<Config, Failure> {
        let endpoint = &self.log.cluster.endpoint;
        if let Some(path) = &endpoint.command_config {
            return Ok(Config::Own(path.clone()));
        }
        if endpoint.login.is_none() && endpoint.tls.is_none() {
            return Ok(Config::None);
        }
        let write = || -> std::io::Result<tempfile::NamedTempFile> {
            let file = tempfile::Builder::new().prefix("stepladder-").suffix(".properties").tempfile()?;
            let mechanism = |login: &super::endpoint::Login| {
                endpoint.mechanism().or(login.mechanism).unwrap_or(super::wire::sasl::Mechanism::Scram512)
            };
            let login = endpoint.login.as_ref().map(|login| (login, mechanism(login)));
            std::fs::write(file.path(), properties::write(login, endpoint.tls.as_ref()))?;
            Ok(file)
        };
        write().map(Config::Made).map_err(|e| Failure::failed(format!("a temporary file cannot be written: {e}")))
    }

    /// A text without secrets.
    pub fn scrub(&self, text: &str) -> String {
        scrub(text, &self.log.cluster.endpoint.secrets())
    }

    fn scrubbed(&self, mut failure: StepFailure) -> StepFailure {
        failure.message = self.scrub(&failure.message);
        failure
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(Pulse { log: self.log.another(), token: self.owner.token.clone(), lease: self.settings.lease }))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        super::look(&mut self.log)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.log.catch_up()?;
        self.log.book.stored_down(version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        run::run(self, steps, context).map_err(|failure| self.scrubbed(failure))
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        self.keep_down(entry.down.as_ref())?;
        let row = Row::new(entry, &self.claimant());
        self.must(vec![Says::Entry(row)])
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        self.must(vec![Says::Journal { version: version.to_string(), done, total }])
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        run::seed(self, step, context).map_err(|failure| self.scrubbed(failure))
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        // Deleting takes the lease as much as writing does: a run that has lost it stops here.
        self.must(vec![Says::Renew { lease_ms: millis(self.settings.lease) }])?;
        wipe::wipe(&mut self.log.cluster)?;
        self.must(vec![Says::Wipe])
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        // A lease that is not ours any more is somebody else's to give back.
        self.write(vec![Says::Release]).map(drop)
    }
}

/// A duration as records have it.
pub fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Renews the lease.
struct Pulse {
    log: Log,
    token: String,
    lease: Duration,
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        let renew = Record::new(&self.token, Says::Renew { lease_ms: millis(self.lease) });
        Ok(self.log.append(&[renew])?.into_iter().all(|counts| counts))
    }
}
