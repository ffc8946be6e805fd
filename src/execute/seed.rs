//! Seed scripts: run in order under the lease, without entries in the ledger.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::{Done, Event, Report, RunOptions, seed_step, stop_failure, under_lease};
use crate::config::Secret;
use crate::discover::SeedScript;
use crate::domain::mode::is_program;
use crate::domain::{Direction, Failure, Plan, PlannedStep, Source};
use crate::process::{identity, program};
use crate::project::Opened;
use crate::stores::{Card, Context, Locked, Step, StepEvent, StepFailure};

/// The scripts as a plan, for whoever tells the run: one after the other.
pub fn plan(seeds: &[SeedScript]) -> Plan {
    let step = |(at, seed): (usize, &SeedScript)| PlannedStep {
        store: seed.store.clone(),
        version: seed.version,
        label: seed.label.clone(),
        direction: Direction::Up,
        source: Source::File(Arc::clone(&seed.script)),
        down: None,
        timeout: seed.script.directives.timeout,
        needs: at.checked_sub(1).into_iter().collect(),
        resume_from: None,
        checksum: seed.script.checksum.clone(),
        notes: Vec::new(),
    };
    Plan { steps: seeds.iter().enumerate().map(step).collect() }
}

/// Runs the scripts of all stores, one store after the other, and stops at the first failure.
///
/// # Errors
/// As [`super::run`].
pub fn run(
    stores: &mut BTreeMap<String, Opened>,
    seeds: &[SeedScript],
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
) -> Result<Report, Failure> {
    let started = Instant::now();
    let owner = identity::owner(&options.run);
    let plan = plan(seeds);
    super::clients::find(stores, &plan)?;
    listen(&Event::Planned(plan.clone()));
    let mut done = Vec::new();
    let mut failures = Vec::new();
    for name in plan.stores() {
        let Some(opened) = stores.get(name) else { continue };
        let place = Place {
            card: opened.card(),
            environment: opened.store.environment(),
            timeout: opened.timeout,
            root: &options.root,
        };
        let mine: Vec<(usize, &SeedScript)> = seeds.iter().enumerate().filter(|(_, s)| s.store == name).collect();
        let failed = under_lease(stores, name, &owner, options, listen, |locked| {
            for (index, seed) in mine {
                if options.stop.asked().is_some() {
                    break;
                }
                let mut step = seed_step(&seed.store, &seed.label, &seed.script, place.card, place.root)?;
                step.index = index;
                step.version = seed.version;
                step.timeout = step.timeout.or(place.timeout);
                match one(locked, &step, &place, options, listen) {
                    Ok(duration_ms) => done.push(Done { index, duration_ms }),
                    Err(failure) => return Ok(Some((step, failure))),
                }
            }
            Ok(None)
        })?;
        failures.extend(failed);
        if !failures.is_empty() || options.stop.asked().is_some() {
            break;
        }
    }
    let elapsed = started.elapsed();
    let run = options.run.clone();
    Ok(Report { run, plan, done, failures, stopped: stop_failure(&options.stop), elapsed })
}

/// What running a script of a store takes.
struct Place<'a> {
    card: &'static Card,
    environment: Vec<(String, Secret)>,
    timeout: Option<std::time::Duration>,
    root: &'a Path,
}

fn one(
    locked: &mut dyn Locked,
    step: &Step,
    place: &Place<'_>,
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
) -> Result<i64, StepFailure> {
    let started = Instant::now();
    listen(&Event::Step(step.index, StepEvent::Started));
    // The store tells what its script says; beginning and end are told here, for programs too.
    let event = |index: usize, event: StepEvent| {
        if !matches!(event, StepEvent::Started | StepEvent::Done { .. }) {
            listen(&Event::Step(index, event));
        }
    };
    let outcome = match is_program(&step.extension, place.card.extensions) {
        true => run_program(step, place, options).map(|said| {
            if !said.is_empty() {
                event(step.index, StepEvent::Said(said));
            }
        }),
        false => locked.seed(step, &Context { run: &options.run, stop: &options.stop, event: &event }),
    };
    match outcome {
        Ok(()) => {
            let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
            listen(&Event::Step(step.index, StepEvent::Done { duration_ms }));
            Ok(duration_ms)
        }
        Err(failure) => {
            listen(&Event::Failed(failure.clone()));
            Err(failure)
        }
    }
}

fn run_program(step: &Step, place: &Place<'_>, options: &RunOptions) -> Result<String, StepFailure> {
    let path = step.file.clone().unwrap_or_else(|| place.root.join(&step.path));
    let line = program::command(step, &path, place.root, &place.environment)
        .map_err(|f| StepFailure::before(step.index, f))?;
    program::run(step, &line, &options.stop)
}
