//! `redo`, and `migrate:refresh`.

use super::End;
use super::call::Call;
use super::down::confirm_all;
use super::dry_run;
use super::run::{Meant, carry_out};
use crate::cli::{RedoArgs, ResetArgs};
use crate::domain::Failure;
use crate::domain::plan_down::plan_redo;

/// Down and up again with the last N.
pub(super) fn redo(call: &Call, args: &RedoArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet_for_down(project)?;
    let chosen = fleet.chosen.clone();
    if args.dry_run {
        let records = fleet.look()?.1;
        let plan = plan_redo(&project.states(&chosen, &records), args.count)?;
        return dry_run::show(call, project, &mut fleet, &plan);
    }
    if args.count == usize::MAX {
        confirm_all(call, &chosen.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: false, nothing: "nothing to redo".to_owned() };
    let planner = |records: &_| plan_redo(&project.states(&chosen, records), args.count);
    carry_out(call, project, &mut fleet, &planner, &meant)
}

/// Down with everything and up again: `migrate:refresh`.
pub(super) fn refresh(call: &Call, args: &ResetArgs) -> Result<End, Failure> {
    redo(call, &RedoArgs { count: usize::MAX, dry_run: args.dry_run, lease: args.lease.clone() })
}
