//! InfluxDB 1 and 2, over their HTTP APIs: `.influxql` statement by statement, `.http` request by request, `.flux` as a query.
//!
//! [`api`] asks the server what it is and speaks to it. [`script`] makes requests of scripts, which the runner in
//! [`crate::stores::http`] carries out. [`lease`] and [`log`] say how the lease and the entries are kept by a server without
//! transactions; [`book`] adds the entries up.

mod api;
mod book;
mod complete;
mod csv;
mod endpoint;
mod lease;
mod locked;
mod log;
mod org;
mod probe;
mod query;
mod record;
mod script;
mod wipe;

#[cfg(test)]
mod tests;

use self::api::Api;
use self::endpoint::{Endpoint, OPTIONS};
use self::lease::{Attempt, Over};
use self::locked::Held;
use self::script::Ways;
use super::{
    Atomicity, Card, Holder, Kind, Ledger, Owner, Preview, Probe, Settings, Step, Store, StoredScript, Taken, http,
};
use crate::config::Secret;
use crate::domain::{Failure, Version};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "influxdb",
        aliases: &["influx"],
        title: "InfluxDB",
        extensions: &["influxql", "http", "flux"],
        client: None,
        atomic: Atomicity::None,
        journals: true,
        dialect: None,
        variables: &["INFLUXDB_URL", "INFLUX_URL", "INFLUX_HOST"],
        ambient: &[],
        default_url: None,
        schemes: &["influxdb", "influxdbs", "http", "https"],
        default_port: Some(8086),
        options: OPTIONS,
        example_url: "http://app:secret@localhost:8086/telemetry",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let api = Api::new(Endpoint::resolve(settings)?)?;
    Ok(Box::new(Influx { settings: settings.clone(), api }))
}

/// A server's databases, or an organisation's buckets, seen from outside.
struct Influx {
    settings: Settings,
    api: Api,
}

fn look(api: &Api) -> Result<Ledger, Failure> {
    match log::read(api)? {
        Some(book) => Ok(Ledger { exists: true, entries: book.entries()? }),
        None => Ok(Ledger::default()),
    }
}

impl Store for Influx {
    fn address(&self) -> String {
        self.api.endpoint.to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        probe::probe(&self.api)
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        look(&self.api)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        lease::holder(&self.api)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        log::read(&self.api)?.unwrap_or_default().stored_down(version)
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        http::preview(steps, self.api.agent().base(), &Ways::new(self.api.clone()))
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        wipe::inventory(&self.api)
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.api.endpoint.environment()
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        // A newer ledger is refused before anything is written.
        if log::read(&self.api)?.is_none() {
            self.api.make_ledger()?;
        }
        match lease::take(&self.api, owner, self.settings.lease, &Over::Stale, Holder::takeover_note)? {
            Attempt::Held(holder) => Ok(Taken::Held(holder)),
            Attempt::Ours(log, took_over) => {
                let settings = self.settings.clone();
                Ok(Taken::Ours(Box::new(Held { log: *log, settings, took_over })))
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        match lease::holder(&self.api)? {
            Some(holder) if holder.token == seen.token => {}
            _ => return Ok(false),
        }
        let note =
            |holder: &Holder| format!("released by force; it was held by {} of run {}", holder.who(), holder.run);
        match lease::take(&self.api, by, self.settings.lease, &Over::Seen(seen), note)? {
            Attempt::Held(_) => Ok(false),
            Attempt::Ours(log, from) => {
                lease::release(&self.api, log.number, &log.mark)?;
                Ok(from.is_some())
            }
        }
    }
}
