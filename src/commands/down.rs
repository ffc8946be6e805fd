//! `down`, and `migrate:reset`.

use super::End;
use super::call::Call;
use super::confirm::confirm;
use super::dry_run;
use super::run::{Meant, carry_out};
use crate::cli::{DownArgs, ResetArgs};
use crate::domain::Failure;
use crate::domain::plan_down::DownTarget;

/// Rolls back.
pub(super) fn down(call: &Call, args: &DownArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet_for_down(&project)?;
    let chosen = fleet.chosen.clone();
    let target = target(args);
    if args.dry_run {
        let records = fleet.look()?.1;
        let plan = project.plan_down(&chosen, &records, &target)?;
        return dry_run::show(call, &project, &mut fleet, &plan);
    }
    if target == DownTarget::All {
        confirm_all(call, &chosen.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let nothing = "nothing to roll back".to_owned();
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: false, nothing };
    carry_out(call, &project, &mut fleet, &|records| project.plan_down(&chosen, records, &target), &meant)
}

/// Rolls back everything: `migrate:reset`.
pub(super) fn reset(call: &Call, args: &ResetArgs) -> Result<End, Failure> {
    let ResetArgs { dry_run, lease } = args.clone();
    down(call, &DownArgs { count: None, steps: None, to: None, version: None, run: None, all: true, dry_run, lease })
}

/// Asks before everything is rolled back.
pub(super) fn confirm_all(call: &Call, stores: &[&str]) -> Result<(), Failure> {
    confirm(
        call,
        &format!("Roll back everything in {}?", crate::report::words::list(stores)),
        "rolling back everything",
    )
}

fn target(args: &DownArgs) -> DownTarget {
    if args.all {
        return DownTarget::All;
    }
    if let Some(run) = &args.run {
        return DownTarget::Run(run.clone());
    }
    match (args.version, args.to) {
        (Some(version), _) => DownTarget::Only(version),
        (None, Some(to)) => DownTarget::Above(to),
        (None, None) => DownTarget::Last(args.count.or(args.steps).unwrap_or(1)),
    }
}
