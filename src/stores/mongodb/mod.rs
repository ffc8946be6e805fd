//! MongoDB: scripts through one mongosh, or as command documents; the ledger and the lease over the wire protocol.
//!
//! [`driver.js`](mongosh) runs the `.js` scripts one after the other in a scope of their own; [`mongosh`] feeds it and
//! hears it, [`script`] marks the lines by which errors are found again. `.json` scripts ([`json`]) are run in process,
//! a command at a time. [`ledger`] and [`lease`] say how both are kept by one document that changes as a whole.

mod dns;
mod endpoint;
mod json;
mod lease;
mod ledger;
mod locked;
mod mongosh;
mod probe;
mod script;
mod session;
mod srv;
mod verdict;
mod wipe;
mod wire;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::endpoint::Endpoint;
use self::locked::Held;
use self::session::Session;
use super::{
    Atomicity, Card, Client, Holder, Kind, Ledger, Needed, Owner, Preview, Probe, Settings, Step, Store, StoredScript,
    Taken,
};
use crate::config::{Secret, scrub};
use crate::domain::{Failure, Version};

const CLIENT: Client = Client {
    programs: &["mongosh"],
    install: "npm install -g mongosh · macOS: brew install mongosh · packages: mongodb.com/try/download/shell",
};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "mongodb",
        aliases: &["mongo"],
        title: "MongoDB",
        extensions: &["js", "json"],
        client: Some(CLIENT),
        atomic: Atomicity::None,
        journals: true,
        dialect: None,
        variables: &["MONGODB_URL", "MONGODB_URI", "MONGO_URL", "MONGO_URI"],
        ambient: &[],
        default_url: None,
        schemes: &["mongodb", "mongodb+srv"],
        default_port: Some(27017),
        options: &[
            ("database", "the database, where the URL names none"),
            ("ledger", "what the names of the ledger's collections begin with (stepladder)"),
            ("dns", "the name server that is asked for mongodb+srv, instead of the system's"),
        ],
        example_url: "mongodb://user:secret@localhost:27017/shop?authSource=admin",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Arc::new(Endpoint::resolve(settings)?);
    Ok(Box::new(Mongo {
        place: Place { endpoint: Arc::clone(&endpoint), settings: settings.clone() },
        session: Session::new(endpoint),
    }))
}

/// Where a store is and how it is configured.
#[derive(Clone)]
struct Place {
    endpoint: Arc<Endpoint>,
    settings: Settings,
}

impl Place {
    fn program(&self, needed_by: Option<&str>) -> Result<PathBuf, Failure> {
        mongosh::find(&CLIENT, &self.settings, needed_by)
    }

    fn without_secrets(&self, text: &str) -> String {
        let secrets = self.endpoint.secrets();
        scrub(text, &secrets.iter().collect::<Vec<_>>())
    }
}

/// A database, seen from outside.
struct Mongo {
    place: Place,
    session: Session,
}

impl Store for Mongo {
    fn address(&self) -> String {
        self.place.endpoint.to_string()
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
        let client = match steps.iter().find(|step| step.extension != "json") {
            Some(step) => {
                let program = self.place.program(Some(&step.full_name()))?;
                mongosh::command(program, Path::new("boot.js"), &self.place.settings).to_string()
            }
            None => "built in: `.json` commands over the wire protocol".to_owned(),
        };
        Ok(Preview { client, steps: steps.iter().map(preview).collect() })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        wipe::inventory(&mut self.session)
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.place.endpoint.known().environment()
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        probe::client(&self.place.program(None)?).map(Some)
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        Needed::first(needed.iter().filter(|n| n.script.extension != "json"), |by| self.place.program(Some(by)))
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        match lease::take(&mut self.session, owner, self.place.settings.lease)? {
            lease::Attempt::Held(holder) => Ok(Taken::Held(holder)),
            lease::Attempt::Ours(took_over) => {
                let another = self.session.another();
                let session = std::mem::replace(&mut self.session, another);
                Held::new(self.place.clone(), session, owner, took_over).map(|held| Taken::Ours(Box::new(held)))
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        lease::unlock(&mut self.session, seen, by)
    }
}

fn preview(step: &Step) -> Vec<String> {
    let around = |what: &str| format!("// ledger: {} {} {what}", step.direction.word(), step.label);
    let lines = step.text.lines().map(str::to_owned);
    std::iter::once(around("begun")).chain(lines).chain([around("done")]).collect()
}
