//! `status`.

use std::collections::BTreeMap;

use super::End;
use super::call::Call;
use crate::cli::StatusArgs;
use crate::domain::{Failure, fold};
use crate::execute::Records;
use crate::project::{Fleet, Project};
use crate::report::status::{self, StoreStatus};

/// Shows where every migration stands. A store that cannot be looked into keeps no other from being shown.
pub(super) fn status(call: &Call, args: &StatusArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let (records, mut broken) = look_at_all(&mut fleet);
    let stores = statuses(project, &fleet, &records, &broken);
    let screen = &call.screen;
    let text = || status::text(&stores, args.all, screen.local_times, screen.paint);
    let skipped = &fleet.skipped;
    screen.answer(text, || status::value(&stores, skipped));
    if !screen.is_json() {
        call.say_skipped(&fleet);
    }
    match broken.pop_first() {
        None => Ok(End::Done),
        Some((_, failure)) if screen.is_json() => Ok(End::With(failure.kind)),
        Some((_, failure)) => {
            for other in broken.values() {
                screen.failure_before_the_last(other);
            }
            Err(failure)
        }
    }
}

/// Records of the stores that can be looked into, and why the others cannot.
fn look_at_all(fleet: &mut Fleet) -> (Records, BTreeMap<String, Failure>) {
    let chosen = fleet.chosen.clone();
    let mut records = Records::new();
    let mut broken = BTreeMap::new();
    for (name, looked) in fleet.each(|_, opened| opened.store.look()) {
        match looked {
            Ok(ledger) => {
                records.insert(name, fold(&ledger.entries));
            }
            Err(failure) if chosen.contains(&name) => {
                broken.insert(name, failure);
            }
            Err(_) => {}
        }
    }
    (records, broken)
}

fn statuses<'a>(
    project: &'a Project,
    fleet: &'a Fleet,
    records: &'a Records,
    broken: &BTreeMap<String, Failure>,
) -> Vec<StoreStatus<'a>> {
    let environment = project.config.environment.as_deref();
    let mut stores = Vec::new();
    let states = project.states(&fleet.chosen, records);
    for (name, opened) in fleet.stores.iter().filter(|(name, _)| fleet.chosen.contains(*name)) {
        let state = states.iter().find(|s| s.name() == name);
        let rungs = match (state, broken.get(name)) {
            (Some(state), _) => Ok(state.rungs(environment)),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => continue,
        };
        stores.push(StoreStatus { store: name, kind: opened.card().name, address: opened.store.address(), rungs });
    }
    stores
}
