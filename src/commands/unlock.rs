//! `unlock`.

use serde_json::json;

use super::End;
use super::call::Call;
use super::lock::holder_words;
use crate::cli::UnlockArgs;
use crate::domain::{Failure, FailureKind};
use crate::process::identity;
use crate::project::Opened;
use crate::report::listener;
use crate::stores::{Holder, Owner};

/// What became of the lease of a store.
enum Became {
    Free,
    Released(Holder),
    Alive(Holder),
    Changed,
}

/// Releases leases whose holders are gone; with `--force` those of holders at work too.
pub(super) fn unlock(call: &Call, args: &UnlockArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let here = identity::owner(&identity::run_id());
    let mut outcomes = Vec::new();
    for name in fleet.chosen.clone() {
        if let Some(opened) = fleet.stores.get_mut(&name) {
            outcomes.push((name, release(opened, &here, args.force)?));
        }
    }
    let text = || outcomes.iter().map(|(store, became)| line(store, became)).collect::<Vec<_>>().join("\n");
    let json = || {
        let value = |(store, became): &(String, Became)| {
            let (word, holder) = match became {
                Became::Free => ("free", None),
                Became::Released(holder) => ("released", Some(holder)),
                Became::Alive(holder) => ("held", Some(holder)),
                Became::Changed => ("changed", None),
            };
            json!({ "store": store, "outcome": word, "holder": holder })
        };
        let stores: Vec<_> = outcomes.iter().map(value).collect();
        json!({ "stores": stores, "skipped": listener::skipped_value(&fleet.skipped) })
    };
    let alive = outcomes.iter().find_map(|(store, became)| match became {
        Became::Alive(holder) => Some(refuse(store, holder, &here)),
        _ => None,
    });
    match alive {
        None => {
            call.screen.answer(text, json);
            Ok(End::Done)
        }
        Some(failure) => {
            call.screen.data(&text());
            Err(failure)
        }
    }
}

fn release(opened: &mut Opened, here: &Owner, force: bool) -> Result<Became, Failure> {
    let Some(holder) = opened.store.holder()? else { return Ok(Became::Free) };
    if !holder.is_stale(here) && !force {
        return Ok(Became::Alive(holder));
    }
    Ok(if opened.store.unlock(&holder, here)? { Became::Released(holder) } else { Became::Changed })
}

fn line(store: &str, became: &Became) -> String {
    match became {
        Became::Free => format!("{store}   free, nothing to release"),
        Became::Released(holder) => format!("{store}   released the lease of {}", holder.who()),
        Became::Alive(_) => format!("{store}   still held"),
        Became::Changed => format!("{store}   the lease changed hands meanwhile, nothing was released"),
    }
}

fn refuse(store: &str, holder: &Holder, here: &Owner) -> Failure {
    let (words, _) = holder_words(Some(holder), here);
    Failure::new(FailureKind::Leased, format!("the lease of {store} is alive and was not released"))
        .detail(words)
        .hint("it is renewed while its run works, and expires by itself when that run is gone")
        .hint(format!("sure that it is gone? `stepladder unlock -s {store} --force`"))
}
