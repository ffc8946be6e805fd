//! `seed`.

use std::time::Duration;

use super::End;
use super::call::Call;
use super::run::stop_on_signals;
use crate::cli::SeedArgs;
use crate::discover::{self, SeedScript};
use crate::domain::finding::any_error;
use crate::domain::{Failure, Finding};
use crate::execute;
use crate::project::{Fleet, Project};
use crate::report::{Listener, failure};

/// Runs the seed scripts of the chosen stores.
pub(super) fn seed(call: &Call, args: &SeedArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    run_seeds(call, project, &mut fleet, args.lease.wait_lock)
}

/// The same for `fresh --seed`.
pub(super) fn run_seeds(call: &Call, project: &Project, fleet: &mut Fleet, wait: Duration) -> Result<End, Failure> {
    let options = project.run_options(wait);
    stop_on_signals(&options.stop)?;
    let listener = Listener::of_seeds(&call.screen, &options.run, &project.catalogs);
    let seeds = scripts(project, fleet, &listener)?;
    let report = execute::seed::run(&mut fleet.stores, &seeds, &options, &|event| listener.hear(event))?;
    let folder = project.config.shown(&project.config.seeds);
    listener.done(&report, &format!("no seed scripts in {folder}/"));
    listener.skipped(&fleet.skipped);
    let root = &project.config.root;
    match (report.failures.first(), &report.stopped) {
        (Some((step, failed)), _) => Err(failure::of_seed(step, failed, &report, root)),
        (None, Some(stopped)) => Err(failure::of_stop(stopped, &report)),
        (None, None) => Ok(End::Done),
    }
}

/// The scripts of all chosen stores; files that cannot be run refuse all of them.
fn scripts(project: &Project, fleet: &Fleet, listener: &Listener<'_>) -> Result<Vec<SeedScript>, Failure> {
    let (mut seeds, mut findings): (Vec<SeedScript>, Vec<Finding>) = (Vec::new(), Vec::new());
    for store in project.config.stores.values().filter(|s| fleet.chosen.contains(&s.name)) {
        let (found, wrong) = discover::seeds(&project.config, store);
        seeds.extend(found);
        findings.extend(wrong);
    }
    let said = |f: &Finding| format!("{} {}", f.location(), f.message);
    if any_error(&findings) {
        let details = findings.iter().map(said);
        let hints = findings.iter().filter_map(|f| f.hint.clone());
        let failure = Failure::findings("nothing was run: there are errors in the seed scripts").details(details);
        return Err(hints.fold(failure, Failure::hint));
    }
    for finding in &findings {
        listener.warning(&said(finding));
    }
    Ok(seeds)
}
