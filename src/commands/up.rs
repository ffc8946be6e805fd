//! `up`.

use super::End;
use super::call::Call;
use super::dry_run;
use super::run::{Meant, carry_out};
use crate::cli::UpArgs;
use crate::domain::Failure;
use crate::domain::plan_up::UpRequest;
use crate::project::{Project, empty_records};
use crate::report::words::count;

/// Applies what is pending.
pub(super) fn up(call: &Call, args: &UpArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let request = request(project, args);
    let chosen = fleet.chosen.clone();
    if args.dry_run || args.offline {
        let records = if args.offline { empty_records(&fleet) } else { fleet.look()?.1 };
        let plan = project.plan_up(&chosen, &records, &request)?;
        return dry_run::show(call, project, &mut fleet, &plan);
    }
    let nothing = format!("nothing pending in {}", count(chosen.len(), "store"));
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: false, nothing };
    carry_out(call, project, &mut fleet, &|records| project.plan_up(&chosen, records, &request), &meant)
}

fn request(project: &Project, args: &UpArgs) -> UpRequest {
    UpRequest {
        to: args.to,
        steps: args.steps,
        out_of_order: args.out_of_order,
        environment: project.config.environment.clone(),
    }
}
