//! MySQL and MariaDB: scripts through one `mysql` or `mariadb` client a run, ledger and lease over a protocol client of our own.
//!
//! The servers commit around every statement that is not data. [`script`] says what the client is fed: data alone as one
//! transaction with its entry, everything else with a journal behind each statement. [`talk`] feeds it and hears it,
//! [`verdict`] says what came of a script that did not get to its end.

mod afterwards;
mod client;
mod endpoint;
mod lease;
mod ledger;
mod locked;
mod probe;
mod script;
mod session;
mod talk;
mod verdict;
mod wipe;
mod wire;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use self::client::Family;
use self::endpoint::{Endpoint, SCHEMES};
use self::ledger::Home;
use self::locked::Held;
use self::script::{Chain, Frame};
use self::session::Session;
use self::talk::Talk;
use self::wire::Trouble;
use super::{
    Atomicity, Card, Client, Holder, Kind, Ledger, Needed, Owner, Preview, Probe, Settings, Step, Store, StoredScript,
    Taken,
};
use crate::config::{Secret, scrub};
use crate::domain::sql::Dialect;
use crate::domain::{Failure, Version};

const CLIENT: Client = Client {
    programs: &["mysql", "mariadb"],
    install: "Debian, Ubuntu: apt-get install default-mysql-client · macOS: brew install mysql-client",
};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "mysql",
        aliases: &["mariadb"],
        title: "MySQL",
        extensions: &["sql"],
        client: Some(CLIENT),
        atomic: Atomicity::Data,
        journals: true,
        dialect: Some(Dialect::Mysql),
        variables: &["MYSQL_URL", "MARIADB_URL"],
        ambient: &["MYSQL_HOST", "MYSQL_DATABASE"],
        default_url: None,
        schemes: SCHEMES,
        default_port: Some(3306),
        options: &[
            ("ca", "file of the certificates to trust, unless the URL names one as ssl-ca"),
            ("local_infile", "true lets the client send files of this machine: LOAD DATA LOCAL"),
        ],
        example_url: "mysql://app:secret@localhost:3306/app",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Arc::new(Endpoint::resolve(settings)?);
    let Some(database) = &endpoint.database else {
        return Err(Failure::usage("the connection names no database")
            .hint("for example mysql://app:secret@localhost:3306/app, or set MYSQL_DATABASE"));
    };
    let place = Place { home: Home::new(database), endpoint: Arc::clone(&endpoint), settings: settings.clone() };
    Ok(Box::new(Mysql { place, session: Session::new(endpoint) }))
}

/// Where a store is and how it is configured.
#[derive(Clone)]
struct Place {
    endpoint: Arc<Endpoint>,
    settings: Settings,
    home: Home,
}

impl Place {
    fn program(&self, needed_by: Option<&str>) -> Result<PathBuf, Failure> {
        crate::process::find::client(&CLIENT, self.settings.client.as_deref(), &self.settings.name, needed_by)
    }

    fn without_secrets(&self, text: &str) -> String {
        scrub(text, &self.endpoint.secrets())
    }
}

/// A database, seen from outside.
struct Mysql {
    place: Place,
    session: Session,
}

impl Mysql {
    /// Creates what the ledger needs, and starts a client meanwhile. Another process may be doing the same at this moment.
    fn create_ledger(&mut self) -> Result<Option<Talk>, Failure> {
        if ledger::format(&mut self.session, &self.place.home)?.is_some() {
            return Ok(None);
        }
        let ahead = locked::start_ahead(&self.place);
        for sql in ledger::create(&self.place.home) {
            let mut tries = 0;
            while let Err(trouble) = self.session.run(&sql) {
                tries += 1;
                let race = matches!(trouble, Trouble::Refused(number, _) if lease::BUSY.contains(&number));
                if !race || tries > 20 {
                    let mut failure = self.session.failure(trouble);
                    failure.message = format!("the ledger cannot be created: {}", failure.message);
                    return Err(failure);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(ahead)
    }
}

impl Store for Mysql {
    fn address(&self) -> String {
        self.place.endpoint.to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        probe::probe(&mut self.session, &self.place.home)
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&mut self.session, &self.place.home)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        lease::holder(&mut self.session, &self.place.home)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&mut self.session, &self.place.home, version)
    }

    fn preview(&self, steps: &[Step], run: &str) -> Result<Preview, Failure> {
        let needed_by = steps.first().map(Step::full_name);
        let (program, family) = locked::program(&self.place, needed_by.as_deref())?;
        let (options, root) = (Path::new("OPTIONS"), &self.place.settings.root);
        let line = client::command(program, family, &self.place.endpoint, options, root);
        let mut owner = crate::process::identity::owner(run);
        "***".clone_into(&mut owner.token);
        let frame = Frame { home: &self.place.home, owner: &owner, mark: script::SHOWN };
        let lines = |step: &Step| match script::parts(&step.text) {
            Ok(parts) => {
                locked::made(frame, step, &parts, false, &Chain::default()).text.lines().map(str::to_owned).collect()
            }
            Err(unfit) => vec![format!("cannot be run: line {}: {}", unfit.line, unfit.message)],
        };
        Ok(Preview { client: line.to_string(), steps: steps.iter().map(lines).collect() })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let things = wipe::things(&mut self.session, &self.place.home)?;
        Ok(things.into_iter().map(|thing| thing.shown).collect())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.place.endpoint.environment()
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        let program = self.place.program(None)?;
        let (_, said) = Family::ask(&program)?;
        // MariaDB's begins with its own path.
        let said = said.strip_prefix(&*program.to_string_lossy()).unwrap_or(&said).trim();
        Ok(Some(format!("{} ({said})", program.display())))
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        Needed::first(needed, |by| self.place.program(Some(by)))
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        let talk = self.create_ledger()?;
        match lease::take(&mut self.session, &self.place.home, owner, self.place.settings.lease)? {
            lease::Attempt::Held(holder) => Ok(Taken::Held(holder)),
            lease::Attempt::Ours(took_over) => {
                let another = self.session.another();
                let session = std::mem::replace(&mut self.session, another);
                let (place, owner) = (self.place.clone(), owner.clone());
                Ok(Taken::Ours(Box::new(Held {
                    place,
                    session,
                    owner,
                    took_over,
                    program: None,
                    talk,
                    since: std::time::Instant::now(),
                })))
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        lease::unlock(&mut self.session, &self.place.home, seen, by)
    }
}
