//! Elasticsearch and OpenSearch: scripts are HTTP requests, ledger and lease are documents of one index.
//!
//! The requests are read by [`crate::domain::http`] and run by [`crate::stores::http`]; [`manners`] knows what the answers
//! mean. [`ledger`] and [`lease`] say how a server without transactions keeps them.

mod api;
mod endpoint;
mod entries;
mod lease;
mod ledger;
mod locked;
mod login;
mod manners;
mod place;
mod probe;
mod wipe;
mod words;

use self::api::Api;
use self::endpoint::{Endpoint, OPTIONS};
use self::locked::Held;
use self::manners::Ways;
use super::{
    Atomicity, Card, Holder, Kind, Ledger, Owner, Preview, Probe, Settings, Step, Store, StoredScript, Taken, http,
};
use crate::config::Secret;
use crate::domain::{Failure, Version};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "elasticsearch",
        aliases: &["opensearch", "elastic"],
        title: "Elasticsearch",
        extensions: &["http"],
        client: None,
        atomic: Atomicity::None,
        journals: true,
        dialect: None,
        variables: &["ELASTICSEARCH_URL", "OPENSEARCH_URL"],
        ambient: &[],
        default_url: None,
        schemes: &["elasticsearch", "elasticsearchs", "opensearch", "opensearchs", "http", "https"],
        default_port: Some(9200),
        options: OPTIONS,
        example_url: "https://deploy:secret@localhost:9200",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Endpoint::resolve(settings)?;
    let api = Api::new(&endpoint)?;
    Ok(Box::new(Cluster { place: Place { endpoint, settings: settings.clone() }, api }))
}

/// Where a store is and how it is configured.
#[derive(Clone)]
struct Place {
    endpoint: Endpoint,
    settings: Settings,
}

impl Place {
    fn ways(&self) -> Ways {
        Ways { ledger: self.endpoint.ledger.clone() }
    }
}

/// A cluster, seen from outside.
struct Cluster {
    place: Place,
    api: Api,
}

impl Store for Cluster {
    fn address(&self) -> String {
        self.place.endpoint.to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        probe::probe(&self.api)
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
        http::preview(steps, &self.place.endpoint.base(), &self.place.ways())
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let things = wipe::things(&self.api, &self.place.endpoint)?;
        Ok(things.into_iter().map(|t| format!("{} {}{}", t.sort, t.name, t.size)).collect())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        self.place.endpoint.environment()
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        ledger::ensure(&self.api)?;
        match lease::take(&self.api, owner, self.place.settings.lease)? {
            lease::Attempt::Held(holder) => Ok(Taken::Held(holder)),
            lease::Attempt::Ours(took_over, now) => {
                match Held::new(self.place.clone(), self.api.clone(), owner, took_over, now) {
                    Ok(held) => Ok(Taken::Ours(Box::new(held))),
                    Err(failure) => {
                        // The first failure is what matters; a lease that is not given back expires.
                        let _ = lease::release(&self.api, &owner.token);
                        Err(failure)
                    }
                }
            }
        }
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        if ledger::read(&self.api)?.is_none() || !lease::release(&self.api, &seen.token)? {
            return Ok(false);
        }
        place::say_released(&self.api, seen, by)?;
        Ok(true)
    }
}
