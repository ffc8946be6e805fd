//! `goto`.

use super::End;
use super::call::Call;
use super::dry_run;
use super::run::{Meant, carry_out};
use crate::cli::GotoArgs;
use crate::domain::Failure;
use crate::domain::plan_down::plan_goto;

/// Up or down to exactly one version of one store.
pub(super) fn goto(call: &Call, args: &GotoArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet_for_down(project)?;
    let chosen = fleet.chosen.clone();
    let environment = project.config.environment.as_deref();
    let planner = |records: &_| plan_goto(&project.states(&chosen, records), args.version, environment);
    if args.dry_run {
        let records = fleet.look()?.1;
        let plan = planner(&records)?;
        return dry_run::show(call, project, &mut fleet, &plan);
    }
    let nothing = format!("already at version {}", args.version);
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: false, nothing };
    carry_out(call, project, &mut fleet, &planner, &meant)
}
