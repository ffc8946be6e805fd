//! `ledger = "main"`: which store may keep the ledger of another one.

use super::{Config, FILE_NAME, StoreConfig};
use crate::domain::Failure;
use crate::domain::plan::list;

/// Every store that is to keep another one's ledger is there and can.
///
/// # Errors
/// The first one that is not or cannot.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    for guest in config.stores.values() {
        let Some(name) = &guest.keeper else { continue };
        let host = config.stores.get(name).ok_or_else(|| missing(config, guest, name))?;
        let cannot = |why: String| Err(Failure::usage(format!("{} in {FILE_NAME} {why}", key(guest))));
        if host.name == guest.name {
            return cannot("names the store itself".to_owned())
                .map_err(|f| f.hint("leave it out: a file keeps the ledger then; or name another store"));
        }
        if let Some(next) = &host.keeper {
            return cannot(format!("names {name}, whose own ledger is in {next}")).map_err(|f| {
                match *next == guest.name {
                    true => f.hint("one of the two has to keep its ledger itself"),
                    false => f.hint(format!("name {next} itself")),
                }
            });
        }
        if host.kind.card.name == guest.kind.card.name {
            return cannot(format!("names {name}, whose ledger is a file of this machine"))
                .map_err(|f| f.hint("name a store with a server, or a file with `url = \"shell:path\"`"));
        }
        if host.optional {
            return cannot(format!("names {name}, which is optional: without it {} had no ledger", guest.name))
                .map_err(|f| f.hint(format!("take `optional` from [stores.{name}], or name another store")));
        }
    }
    Ok(())
}

fn key(guest: &StoreConfig) -> String {
    format!("stores.{}.ledger", guest.name)
}

fn missing(config: &Config, guest: &StoreConfig, name: &str) -> Failure {
    let others: Vec<String> =
        config.stores.keys().filter(|other| **other != guest.name).map(|other| format!("`{other}`")).collect();
    let failure = Failure::usage(format!("{} in {FILE_NAME} names `{name}`, and there is no such store", key(guest)));
    match others.is_empty() {
        true => failure.hint("it is the only store: leave the key out, and a file keeps the ledger"),
        false => failure.hint(format!("the other stores are {}", list(&others))),
    }
}

/// The lease is the host's.
pub(super) fn no_lease(guest: &str) -> Failure {
    Failure::usage(format!("stores.{guest}.lease in {FILE_NAME} has no meaning beside `ledger`"))
        .hint("the lease is that of the store that keeps the ledger: say it there")
}
