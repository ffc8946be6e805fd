//! What all commands share that take steps: signals, telling, the summary, failures.

use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::End;
use super::call::Call;
use crate::domain::{Failure, Plan};
use crate::execute::{Records, Report, RunOptions};
use crate::project::{Fleet, Project};
use crate::report::{Listener, failure};
use crate::stores::{Stop, StopReason};

/// How a run is meant.
pub(super) struct Meant {
    /// How long leases are waited for.
    pub wait_lock: Duration,
    /// Empty the stores first.
    pub wipe: bool,
    /// What to say when there is nothing to do.
    pub nothing: String,
}

/// Runs what `planner` plans, tells it, and turns what went wrong into failures.
pub(super) fn carry_out(
    call: &Call,
    project: &Project,
    fleet: &mut Fleet,
    planner: &dyn Fn(&Records) -> Result<Plan, Failure>,
    meant: &Meant,
) -> Result<End, Failure> {
    let options = RunOptions { wipe: meant.wipe, ..project.run_options(meant.wait_lock) };
    stop_on_signals(&options.stop)?;
    let listener = Listener::new(&call.screen, &options.run, &project.catalogs);
    let report = project.run(fleet, planner, &options, &|event| listener.hear(event))?;
    listener.done(&report, &meant.nothing);
    listener.skipped(&fleet.skipped);
    end(call, project, fleet, &report)
}

/// SIGINT, SIGTERM and SIGHUP ask the run to stop.
pub(super) fn stop_on_signals(stop: &Stop) -> Result<(), Failure> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(signal, stop.flag(), StopReason::Interrupted as usize)
            .map_err(|e| Failure::failed(format!("signals cannot be listened to: {e}")))?;
    }
    Ok(())
}

fn end(call: &Call, project: &Project, fleet: &Fleet, report: &Report) -> Result<End, Failure> {
    let mut failures = Vec::new();
    for (step, failed) in &report.failures {
        if let Some(opened) = fleet.stores.get(&step.store) {
            failures.push(failure::of_step(step, failed, opened.card(), report, &project.config.root));
        }
    }
    if let Some(stopped) = &report.stopped
        && failures.is_empty()
    {
        failures.push(failure::of_stop(stopped, report));
    }
    let Some(last) = failures.pop() else { return Ok(End::Done) };
    for other in &failures {
        call.screen.failure_before_the_last(other);
    }
    Err(last)
}
