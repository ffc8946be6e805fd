//! What `down`, `redo` and `goto` have to do.

use std::cmp::Ordering;
use std::sync::Arc;

use super::failure::Failure;
use super::file_name::Direction;
use super::ledger::Record;
use super::plan::{Plan, PlannedStep, Source, StoreState, list};
use super::plan_up::{UpRequest, plan_up, refuse_halves, up_step};
use super::standing::Rung;
use super::version::Version;

/// Which applied migrations are to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownTarget {
    /// The last so many, over all chosen stores.
    Last(usize),
    /// Everything above this version.
    Above(Version),
    /// Exactly this version.
    Only(Version),
    /// Everything that one run applied; the id may be shortened as long as it is unique.
    Run(String),
    /// Everything.
    All,
}

/// An applied migration with its store, for putting them in order.
struct Applied<'a> {
    state: &'a StoreState<'a>,
    rung: Rung<'a>,
    record: &'a Record,
}

impl Applied<'_> {
    fn full_name(&self) -> String {
        format!("{}/{}", self.state.name(), self.rung.label)
    }
}

/// Plans rollbacks in reverse order of application.
///
/// # Errors
/// Half-applied migrations, an unknown run or version, a migration that has no way back or that something
/// applied in another store still needs.
pub fn plan_down(states: &[StoreState<'_>], target: &DownTarget) -> Result<Plan, Failure> {
    refuse_halves(states)?;
    let applied = newest_first(states);
    let chosen = choose(&applied, target)?;
    refuse_needed(states, &applied, &chosen)?;
    let mut steps = Vec::new();
    let mut blocked = Vec::new();
    for one in chosen {
        match down_step(one) {
            // Strictly one after the other, over all stores: the newest first is the promise.
            Ok(step) => steps.push(PlannedStep { needs: steps.len().checked_sub(1).into_iter().collect(), ..step }),
            Err(why) => blocked.push(format!("{} {why}", one.full_name())),
        }
    }
    if blocked.is_empty() {
        return Ok(Plan { steps });
    }
    Err(Failure::findings("nothing was rolled back: there is no way back over some of the migrations")
        .details(blocked)
        .hint("write the missing down script, or roll back less: `stepladder down N`"))
}

/// Merges the stores' orders of application, newest first. Within a store the ledger's order rules; between
/// stores the run and the step's place in it, since clocks of different stores may differ.
fn newest_first<'a>(states: &'a [StoreState<'a>]) -> Vec<Applied<'a>> {
    let mut lanes: Vec<Vec<Applied<'a>>> = Vec::new();
    for state in states.iter().filter(|s| s.chosen) {
        let mut lane: Vec<Applied<'a>> = state
            .rungs(None)
            .into_iter()
            .filter(Rung::is_applied)
            .filter_map(|rung| rung.record.map(|record| Applied { state, rung, record }))
            .collect();
        lane.sort_by_key(|a| a.record.position);
        lanes.push(lane);
    }
    let mut merged = Vec::new();
    while let Some(lane) = lanes.iter_mut().filter(|l| !l.is_empty()).max_by(|a, b| later(a, b)) {
        merged.extend(lane.pop());
    }
    merged
}

fn later(a: &[Applied<'_>], b: &[Applied<'_>]) -> Ordering {
    let key = |lane: &[Applied<'_>]| lane.last().map(|a| (a.record.run.clone(), a.record.ordinal));
    key(a).cmp(&key(b))
}

fn choose<'a, 'b>(applied: &'b [Applied<'a>], target: &DownTarget) -> Result<Vec<&'b Applied<'a>>, Failure> {
    let chosen: Vec<&Applied<'_>> = match target {
        DownTarget::Last(n) => applied.iter().take(*n).collect(),
        DownTarget::All => applied.iter().collect(),
        DownTarget::Above(version) => applied.iter().filter(|a| a.rung.version > *version).collect(),
        DownTarget::Only(version) => {
            let found: Vec<_> = applied.iter().filter(|a| a.rung.version == *version).collect();
            if found.is_empty() {
                return Err(Failure::usage(format!("version {version} is not applied"))
                    .hint("`stepladder status` shows what is"));
            }
            found
        }
        DownTarget::Run(id) => return choose_run(applied, id),
    };
    Ok(chosen)
}

/// A run's id is long and status shows its end, so any unique end or beginning names it.
fn choose_run<'a, 'b>(applied: &'b [Applied<'a>], id: &str) -> Result<Vec<&'b Applied<'a>>, Failure> {
    let named = |run: &str| !id.is_empty() && (run.ends_with(id) || run.starts_with(id));
    let mut runs: Vec<&str> = applied.iter().map(|a| a.record.run.as_str()).filter(|r| named(r)).collect();
    runs.sort_unstable();
    runs.dedup();
    match runs[..] {
        [run] => Ok(applied.iter().filter(|a| a.record.run == run).collect()),
        [] => Err(Failure::usage(format!("no applied migration belongs to a run `{id}`"))
            .hint("`stepladder history` lists the runs")),
        _ => {
            Err(Failure::usage(format!("`{id}` names {} runs: {}", runs.len(), list(&runs)))
                .hint("give more of the id"))
        }
    }
}

/// Refuses to pull the ground from under a migration that stays applied.
fn refuse_needed(states: &[StoreState<'_>], _applied: &[Applied<'_>], chosen: &[&Applied<'_>]) -> Result<(), Failure> {
    let falls =
        |store: &str, version: Version| chosen.iter().any(|c| c.state.name() == store && c.rung.version == version);
    let mut details = Vec::new();
    for state in states {
        for rung in state.rungs(None).iter().filter(|r| r.is_applied() && !falls(state.name(), r.version)) {
            let requires = rung.migration.map(|m| m.up.directives.requires.as_slice()).unwrap_or_default();
            for r in requires.iter().filter(|r| falls(&r.store, r.version)) {
                details.push(format!("{}/{} is applied and needs {}/{}", state.name(), rung.label, r.store, r.version));
            }
        }
    }
    if details.is_empty() {
        return Ok(());
    }
    Err(Failure::findings("nothing was rolled back: other migrations need what would go")
        .details(details)
        .hint("roll those back first, or leave `-s` out so that all stores go down together"))
}

fn down_step(applied: &Applied<'_>) -> Result<PlannedStep, String> {
    let rung = &applied.rung;
    let record = applied.record;
    if let Some(reason) = rung.migration.and_then(|m| m.irreversible()) {
        return Err(format!("is irreversible: {reason}"));
    }
    let file = rung.migration.and_then(|m| m.down.as_ref());
    let mut notes = Vec::new();
    let source = match (file, &record.down_checksum) {
        (Some(file), _) => {
            if rung.down_differs() {
                notes.push(format!("{} is not the down script that was recorded when it was applied", file.path));
            }
            Source::File(Arc::clone(file))
        }
        (None, Some(_)) => {
            notes.push("the down script comes from the ledger: its file is gone".to_owned());
            Source::Ledger
        }
        (None, None) => return Err("has no down script, neither as a file nor in the ledger".to_owned()),
    };
    Ok(PlannedStep {
        store: applied.state.name().to_owned(),
        version: rung.version,
        label: rung.label.to_owned(),
        direction: Direction::Down,
        timeout: file.and_then(|f| f.directives.timeout),
        source,
        down: None,
        needs: Vec::new(),
        resume_from: None,
        checksum: record.checksum.clone(),
        notes,
    })
}

/// Down and up again with the last `n`.
///
/// # Errors
/// As [`plan_down`]; a migration whose up file is gone cannot be redone.
pub fn plan_redo(states: &[StoreState<'_>], n: usize) -> Result<Plan, Failure> {
    let mut plan = plan_down(states, &DownTarget::Last(n))?;
    let mut ups = Plan::default();
    for step in plan.steps.iter().rev() {
        let migration = states
            .iter()
            .find(|s| s.name() == step.store)
            .and_then(|s| s.catalog.migrations.get(&step.version))
            .ok_or_else(|| Failure::findings(format!("{} cannot be redone: its up file is gone", step.full_name())))?;
        let before = ups.steps.len().checked_sub(1).into_iter().collect();
        ups.steps.push(PlannedStep { needs: before, ..up_step(migration) });
    }
    let last = plan.steps.len().checked_sub(1);
    plan.then(ups);
    if let Some(last) = last.filter(|l| plan.steps.len() > l + 1)
        && !plan.steps[last + 1].needs.contains(&last)
    {
        plan.steps[last + 1].needs.push(last);
    }
    Ok(plan)
}

/// Up or down to exactly a version, in one store.
///
/// # Errors
/// As [`plan_up`] and [`plan_down`]; more than one chosen store, or a version that the store does not have.
pub fn plan_goto(states: &[StoreState<'_>], to: Version, environment: Option<&str>) -> Result<Plan, Failure> {
    let chosen: Vec<&StoreState<'_>> = states.iter().filter(|s| s.chosen).collect();
    let [state] = chosen[..] else {
        return Err(Failure::usage("`goto` needs one store").hint("name it: `stepladder goto VERSION -s STORE`"));
    };
    let known = state.catalog.migrations.contains_key(&to)
        || state.records.get(&to).is_some_and(Record::is_applied)
        || to == Version::new(0);
    if !known {
        return Err(Failure::usage(format!("there is no version {to} in {}", state.name()))
            .hint("`stepladder status` lists the versions; 0 means none applied"));
    }
    let above = state.rungs(environment).iter().any(|r| r.is_applied() && r.version > to);
    let mut plan = if above { plan_down(states, &DownTarget::Above(to))? } else { Plan::default() };
    let below_pending =
        state.rungs(environment).iter().any(|r| r.is_pending() && r.version <= to) && to != Version::new(0);
    if below_pending {
        // What lies above is gone by then, so pending ones below it are not late.
        let request = UpRequest {
            to: Some(to),
            out_of_order: above,
            environment: environment.map(str::to_owned),
            ..UpRequest::default()
        };
        plan.then(plan_up(states, &request)?);
    }
    Ok(plan)
}
