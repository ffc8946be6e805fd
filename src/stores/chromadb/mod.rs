//! ChromaDB: scripts through one Python, the ledger and the lease over the server's own HTTP API.
//!
//! [`driver.py`](python::DRIVER) runs the scripts one after the other in a scope of their own; [`python`] feeds it and
//! hears it. [`ledger`] and [`lease`] say how entries and the lease are kept by a server without transactions.

mod api;
mod endpoint;
mod lease;
mod ledger;
mod locked;
mod python;
mod requests;
mod verdict;

use std::path::PathBuf;

use self::api::Api;
use self::endpoint::Endpoint;
use self::locked::Held;
use self::requests::{EXTENSION, Ways};
use super::{
    Atomicity, Card, Client, Holder, Kind, Ledger, Needed, Owner, Preview, Probe, Settings, Step, Store, StoredScript,
    Taken, http,
};
use crate::config::{Secret, scrub};
use crate::domain::plan::count;
use crate::domain::{Failure, Version};

const CLIENT: Client = Client {
    programs: &["python3", "python"],
    install: "Debian, Ubuntu: apt-get install python3-venv · macOS: brew install python",
};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "chromadb",
        aliases: &["chroma"],
        title: "ChromaDB",
        extensions: &["py", "http"],
        client: Some(CLIENT),
        atomic: Atomicity::None,
        journals: true,
        dialect: None,
        variables: &["CHROMA_URL"],
        ambient: &["CHROMA_HOST"],
        default_url: None,
        schemes: &["chroma", "chromas", "chromadb", "http", "https"],
        default_port: Some(8000),
        options: &[
            ("tenant", "the tenant (default_tenant), unless the URL names one"),
            ("database", "the database (default_database), unless the URL names one"),
            ("token", "the token, unless the URL holds one; write ${CHROMA_TOKEN}, not the token itself"),
        ],
        example_url: "chroma://localhost:8000/default_database",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Endpoint::resolve(settings)?;
    let api = Api::new(&endpoint);
    Ok(Box::new(Chroma { place: Place { endpoint, settings: settings.clone() }, api }))
}

/// Where a store is and how it is configured.
#[derive(Clone)]
struct Place {
    endpoint: Endpoint,
    settings: Settings,
}

impl Place {
    fn interpreter(&self, needed_by: Option<&str>) -> Result<PathBuf, Failure> {
        python::find(&CLIENT, &self.settings, needed_by)
    }

    fn without_secrets(&self, text: &str) -> String {
        let secrets = self.endpoint.secrets();
        scrub(text, &secrets.iter().collect::<Vec<_>>())
    }
}

/// A database, seen from outside.
struct Chroma {
    place: Place,
    api: Api,
}

impl Store for Chroma {
    fn address(&self) -> String {
        self.place.endpoint.to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        let version = self.api.version()?;
        // The version is told to everybody; this one asks whether we are let in.
        self.api.check_database()?;
        Ok(Probe { server: format!("Chroma, API {version}"), warnings: Vec::new() })
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        ledger::look(&self.api)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        lease::holder(&self.api)
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        ledger::stored_down(&self.api, version)
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        let requests = |step: &Step| {
            let endpoint = &self.place.endpoint;
            Ok(http::preview(std::slice::from_ref(step), &endpoint.base(), &Ways::of(endpoint))?.steps.concat())
        };
        let shown = steps.iter().map(|s| if s.extension == EXTENSION { requests(s) } else { Ok(preview(s)) });
        let shown = shown.collect::<Result<Vec<_>, Failure>>()?;
        let client = match steps.iter().find(|step| step.extension != EXTENSION) {
            Some(step) => {
                let program = self.place.interpreter(Some(&step.full_name()))?;
                python::command(program, &self.place.settings, &self.place.endpoint).to_string()
            }
            None => "built in".to_owned(),
        };
        Ok(Preview { client, steps: shown })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let mut things = Vec::new();
        for collection in self.api.collections()? {
            if !lease::is_ours(&collection.name) {
                let records = usize::try_from(self.api.count(&collection.id)?).unwrap_or(usize::MAX);
                things.push(format!("collection {} ({})", collection.name, count(records, "record")));
            }
        }
        Ok(things)
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.place.endpoint.environment()
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        let program = self.place.interpreter(None)?;
        let output = std::process::Command::new(&program).args(["-c", VERSIONS]).output();
        let shown = program.display();
        let output = output.map_err(|e| Failure::unreachable(format!("`{shown}` cannot be started: {e}")))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match said.split_once(' ') {
            Some((python, chromadb)) => Ok(Some(format!("{shown} {python}, chromadb {chromadb}"))),
            None if said.is_empty() => {
                let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(Failure::unreachable(format!("`{shown}` is no Python that works: {words}")))
            }
            None => Err(Failure::unreachable(format!("{shown} {said} has no package chromadb"))
                .hint(verdict::install(&shown.to_string()))),
        }
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        Needed::first(needed.iter().filter(|n| n.script.extension == "py"), |by| self.place.interpreter(Some(by)))
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        self.api.check_database()?;
        // A newer ledger is refused before anything is written.
        ledger::find(&self.api)?;
        match lease::take(&self.api, owner, self.place.settings.lease)? {
            lease::Attempt::Held(holder) => Ok(Taken::Held(holder)),
            lease::Attempt::Ours(id, took_over) => {
                let held = Held::new(self.place.clone(), self.api.clone(), owner, id.clone(), took_over);
                match held {
                    Ok(held) => Ok(Taken::Ours(Box::new(held))),
                    Err(failure) => {
                        // The first failure is what matters; a lease that is not given back expires.
                        let _ = lease::release(&self.api, &id, &owner.token);
                        Err(failure)
                    }
                }
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        let found = ledger::find(&self.api)?;
        if !lease::unlock(&self.api, seen)? {
            return Ok(false);
        }
        let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
        if let Some(found) = found {
            let entry = ledger::unlocked(by, self.api.now_ms()?, note);
            ledger::Place::last(&self.api, &found.id)?.write_behind(&self.api, &entry)?;
        }
        Ok(true)
    }
}

/// Importing the package itself would take most of a second.
const VERSIONS: &str = "
import sys
from importlib.metadata import version
found = ''
for name in ('chromadb', 'chromadb-client'):
    try: found = found or version(name)
    except Exception: pass
print('.'.join(map(str, sys.version_info[:3])), found)";

fn preview(step: &Step) -> Vec<String> {
    let around = |what: &str| format!("# ledger: {} {} {what}", step.direction.word(), step.label);
    let lines = step.text.lines().map(str::to_owned);
    std::iter::once(around("begun")).chain(lines).chain([around("done")]).collect()
}
