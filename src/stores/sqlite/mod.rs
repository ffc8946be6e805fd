//! SQLite: built in, the library is the client. Script and ledger entry are one transaction; what cannot be one is
//! run statement by statement with a journal.

mod busy;
mod connect;
mod errors;
mod gate;
mod job;
mod lease;
mod ledger;
mod locked;
mod parts;
mod preview;
mod probe;
mod script;
mod steps;
mod url;
mod watch;
mod wipe;

#[cfg(test)]
mod tests;

use std::time::Duration;

use connect::Target;
use ledger::Trouble;
use locked::SqliteLocked;
use url::Location;

use super::{Atomicity, Card, Holder, Kind, Ledger, Owner, Preview, Probe, Settings, Step, Store, StoredScript, Taken};
use crate::config::Secret;
use crate::domain::directive::duration;
use crate::domain::sql::Dialect;
use crate::domain::{Failure, Version};

/// SQLite.
pub static KIND: Kind = Kind {
    card: Card {
        name: "sqlite",
        aliases: &["sqlite3"],
        title: "SQLite",
        extensions: &["sql"],
        client: None,
        atomic: Atomicity::Atomic,
        journals: true,
        dialect: Some(Dialect::Sqlite),
        variables: &["SQLITE_URL"],
        ambient: &[],
        default_url: Some("sqlite:stepladder.db"),
        schemes: &["sqlite", "sqlite3"],
        default_port: None,
        options: &[
            ("foreign_keys", "whether foreign keys are enforced while scripts run (false, as in SQLite itself)"),
            ("busy_timeout", "how long locks of other programs are waited for (5s)"),
            ("journal_mode", "the journal mode to switch the database to: delete, truncate, persist or wal"),
        ],
        example_url: "sqlite:app.db",
        not_promised: &[],
    },
    open,
};

/// How long locks of other programs are waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let target = target(settings)?;
    Ok(Box::new(Sqlite { target, lease: settings.lease }))
}

fn target(settings: &Settings) -> Result<Target, Failure> {
    let wrong = |key: &str, value: &str, expected: &str| {
        Failure::usage(format!("`{key} = {value}` in the section of {} is not {expected}", settings.name))
    };
    let option = |key: &str| settings.options.get(key).map(|v| v.trim());
    let foreign_keys = match option("foreign_keys") {
        None | Some("false" | "off" | "no" | "0") => false,
        Some("true" | "on" | "yes" | "1") => true,
        Some(other) => return Err(wrong("foreign_keys", other, "true or false")),
    };
    let busy_timeout = match option("busy_timeout") {
        None => BUSY_TIMEOUT,
        Some(text) => duration(text).ok_or_else(|| wrong("busy_timeout", text, "a time such as 500ms or 30s"))?,
    };
    let journal_mode = option("journal_mode").map(str::to_ascii_lowercase);
    match journal_mode.as_deref() {
        None | Some("delete" | "truncate" | "persist" | "wal") => {}
        Some(mode @ ("memory" | "off")) => {
            return Err(wrong("journal_mode", mode, "safe: a crash in the middle would damage the database"));
        }
        Some(other) => return Err(wrong("journal_mode", other, "one of delete, truncate, persist, wal")),
    }
    let location = Location::parse(settings.url.reveal(), &settings.root)?;
    Ok(Target { location, foreign_keys, busy_timeout, journal_mode })
}

/// A database file.
struct Sqlite {
    target: Target,
    lease: Duration,
}

impl Sqlite {
    /// Looks into the file; `default` where there is none.
    fn looking<T: Default>(
        &self,
        look: impl FnOnce(&rusqlite::Connection) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        let Some(connection) = self.target.look()? else { return Ok(T::default()) };
        look(&connection).map_err(|trouble| match trouble {
            Trouble::Sqlite(e) => errors::failure(&self.target.location, &e),
            Trouble::Ledger(failure) => failure,
        })
    }
}

impl Store for Sqlite {
    fn address(&self) -> String {
        self.target.location.shown.clone()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        let version = format!("SQLite {} (built in)", rusqlite::version());
        let warnings = probe::warnings(&self.target);
        let Some(connection) = self.target.look()? else {
            self.target.check_folder()?;
            let shown = &self.target.location.shown;
            return Ok(Probe { server: format!("{version}, {shown} is not there yet: `up` makes it"), warnings });
        };
        let known = probe::read(&connection).map_err(|e| errors::failure(&self.target.location, &e))?;
        Ok(Probe { server: format!("{version}, {known}"), warnings })
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.looking(ledger::read)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        self.looking(|connection| Ok(lease::read(connection)?))
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.looking(|connection| ledger::stored_down(connection, version))
    }

    fn preview(&self, steps: &[Step], run: &str) -> Result<Preview, Failure> {
        preview::preview(&self.target, self.lease, steps, run).map_err(|e| errors::failure(&self.target.location, &e))
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        self.looking(wipe::inventory)
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        let path = self.target.location.path.to_string_lossy();
        vec![
            ("SQLITE_DATABASE".to_owned(), Secret::open(path)),
            ("STEPLADDER_URL".to_owned(), Secret::open(self.target.location.url())),
        ]
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        self.target.check_folder()?;
        let session = self.target.work(true)?;
        let took_over = match lease::take(&session, &self.target, owner, self.lease)? {
            lease::Attempt::Ours(took_over) => took_over,
            lease::Attempt::Held(holder) => return Ok(Taken::Held(holder)),
        };
        let mut locked = SqliteLocked {
            target: self.target.clone(),
            owner: owner.clone(),
            lease: self.lease,
            renewed: std::time::Instant::now(),
            took_over,
            session: Some(session),
        };
        match locked.switch_journal_mode() {
            Ok(()) => Ok(Taken::Ours(Box::new(locked))),
            Err(failure) => {
                let _ = super::Locked::release(Box::new(locked));
                Err(failure)
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        if !self.target.is_there()? {
            return Ok(false);
        }
        let session = self.target.work(false)?;
        lease::unlock(&session, &self.target, seen, by)
    }
}
