//! `down`, and `migrate:reset`.

use std::collections::BTreeSet;

use super::End;
use super::call::Call;
use super::confirm::confirm;
use super::dry_run;
use super::run::{Meant, carry_out};
use crate::cli::{DownArgs, Named, ResetArgs};
use crate::domain::plan_down::DownTarget;
use crate::domain::{Failure, Record};
use crate::execute::Records;
use crate::report::words::list;

/// Rolls back.
pub(super) fn down(call: &Call, args: &DownArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet_for_down(project)?;
    let chosen = fleet.chosen.clone();
    let target = target(args);
    let planner = |records: &Records| match &args.version {
        Some(named) => project.plan_down(&only_store(&chosen, records, named)?, records, &target),
        None => project.plan_down(&chosen, records, &target),
    };
    if args.dry_run {
        let records = fleet.look()?.1;
        let plan = planner(&records)?;
        return dry_run::show(call, project, &mut fleet, &plan);
    }
    if target == DownTarget::All {
        confirm_all(call, &chosen.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let nothing = "nothing to roll back".to_owned();
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: false, nothing };
    carry_out(call, project, &mut fleet, &planner, &meant)
}

/// The store in which exactly this version is applied: one number may stand for something else in each store.
fn only_store(chosen: &BTreeSet<String>, records: &Records, named: &Named) -> Result<BTreeSet<String>, Failure> {
    let means = |record: &Record| {
        let label = record.label.split_once('_').map(|(_, name)| name);
        record.is_applied() && named.name.as_deref().is_none_or(|name| Some(name) == label)
    };
    let stores: Vec<&String> = chosen
        .iter()
        .filter(|store| records.get(*store).and_then(|r| r.get(&named.version)).is_some_and(means))
        .collect();
    match (&stores[..], &named.name) {
        ([store], _) => Ok(std::iter::once((*store).clone()).collect()),
        ([], None) => Ok(chosen.clone()),
        ([], Some(name)) => Err(Failure::usage(format!("no applied migration is {}_{name}", named.version))
            .hint("`stepladder status` shows what is applied")),
        _ => Err(Failure::usage(format!(
            "version {} is applied in {} and stands for something else in each",
            named.version,
            list(&stores)
        ))
        .hint("name the store: `-s STORE`")),
    }
}

/// Rolls back everything: `migrate:reset`.
pub(super) fn reset(call: &Call, args: &ResetArgs) -> Result<End, Failure> {
    let ResetArgs { dry_run, lease } = args.clone();
    down(call, &DownArgs { count: None, steps: None, to: None, version: None, run: None, all: true, dry_run, lease })
}

/// Asks before everything is rolled back.
pub(super) fn confirm_all(call: &Call, stores: &[&str]) -> Result<(), Failure> {
    confirm(call, &format!("Roll back everything in {}?", list(stores)), "rolling back everything")
}

fn target(args: &DownArgs) -> DownTarget {
    if args.all {
        return DownTarget::All;
    }
    if let Some(run) = &args.run {
        return DownTarget::Run(run.clone());
    }
    match (&args.version, args.to) {
        (Some(named), _) => DownTarget::Only(named.version),
        (None, Some(to)) => DownTarget::Above(to),
        (None, None) => DownTarget::Last(args.count.or(args.steps).unwrap_or(1)),
    }
}
