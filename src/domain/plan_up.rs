//! What `up` has to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Migration;
use super::failure::{Failure, FailureKind};
use super::file_name::Direction;
use super::finding::{Finding, Severity, any_error};
use super::plan::{Plan, PlannedStep, Source, StoreState, count, list, order};
use super::standing::{Rung, Standing};
use super::version::Version;

/// What is asked of `up`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpRequest {
    /// Nothing above this version.
    pub to: Option<Version>,
    /// At most so many steps.
    pub steps: Option<usize>,
    /// Apply pending migrations below the highest applied one too.
    pub out_of_order: bool,
    /// The environment that `only-env` is about.
    pub environment: Option<String>,
}

/// Plans the pending migrations of the chosen stores.
///
/// # Errors
/// Broken files, changed, missing, late or unmet migrations ([`FailureKind::Findings`]), half-applied ones
/// ([`FailureKind::HalfApplied`]), an unknown `to` ([`FailureKind::Usage`]).
pub fn plan_up(states: &[StoreState<'_>], request: &UpRequest) -> Result<Plan, Failure> {
    refuse_unsettled(states, request.environment.as_deref())?;
    let mut wanted: Vec<&Migration> = Vec::new();
    let mut late: Vec<(&str, Version, Vec<&str>)> = Vec::new();
    check_target(states, request.to)?;
    for state in states.iter().filter(|s| s.chosen) {
        let rungs = state.rungs(request.environment.as_deref());
        let highest = rungs.iter().filter(|r| r.is_applied()).map(|r| r.version).next_back();
        let pending: Vec<&Rung<'_>> =
            rungs.iter().filter(|r| r.is_pending() && request.to.is_none_or(|to| r.version <= to)).collect();
        if let Some(highest) = highest.filter(|_| !request.out_of_order) {
            let below: Vec<&str> = pending.iter().filter(|r| r.version < highest).map(|r| r.label).collect();
            if !below.is_empty() {
                late.push((state.name(), highest, below));
            }
        }
        wanted.extend(pending.iter().filter_map(|r| r.migration));
    }
    if !late.is_empty() {
        return Err(refuse_late(&late));
    }
    let needs = needs_of(&wanted, states, request.environment.as_deref())?;
    let mut ordered = order(&needs).map_err(|cycle| refuse_cycle(&cycle, &wanted))?;
    ordered.truncate(request.steps.unwrap_or(usize::MAX));
    Ok(Plan { steps: steps_in_order(&ordered, &needs, &wanted) })
}

/// An up step of a migration as its files are now.
pub fn up_step(migration: &Migration) -> PlannedStep {
    PlannedStep {
        store: migration.store.clone(),
        version: migration.version,
        label: migration.label.clone(),
        direction: Direction::Up,
        source: Source::File(Arc::clone(&migration.up)),
        down: migration.down.clone(),
        timeout: migration.up.directives.timeout,
        needs: Vec::new(),
        resume_from: None,
        checksum: migration.up.checksum.clone(),
        notes: Vec::new(),
    }
}

fn steps_in_order(ordered: &[usize], needs: &[Vec<usize>], wanted: &[&Migration]) -> Vec<PlannedStep> {
    let place: BTreeMap<usize, usize> = ordered.iter().enumerate().map(|(at, &node)| (node, at)).collect();
    let step = |&node: &usize| PlannedStep {
        needs: needs[node].iter().filter_map(|n| place.get(n)).copied().collect(),
        ..up_step(wanted[node])
    };
    ordered.iter().map(step).collect()
}

/// Everything that keeps a run from starting: broken files, halves, changes.
pub(super) fn refuse_unsettled(states: &[StoreState<'_>], environment: Option<&str>) -> Result<(), Failure> {
    let chosen = || states.iter().filter(|s| s.chosen);
    let broken: Vec<&Finding> = chosen()
        .filter(|s| any_error(&s.catalog.findings))
        .flat_map(|s| s.catalog.findings.iter().filter(|f| f.severity == Severity::Error))
        .collect();
    if !broken.is_empty() {
        return Err(refuse_broken(&broken));
    }
    refuse_halves(states)?;
    let mut details = Vec::new();
    for state in chosen() {
        for rung in state.rungs(environment) {
            let said = match rung.standing {
                Standing::Changed => "has changed since it was applied",
                Standing::Missing => "is applied, and its up file is gone",
                _ => continue,
            };
            details.push(format!("{}/{} {said}", state.name(), rung.label));
        }
    }
    if details.is_empty() {
        return Ok(());
    }
    let message = format!("{} not what was applied", are(details.len()));
    Err(Failure::findings(message)
        .details(first_of(details))
        .hint("bring the file back as it was; `stepladder status` shows all")
        .hint("a change that needs no new run? `stepladder repair STORE/VERSION --accept-checksum`"))
}

fn are(n: usize) -> String {
    format!("{} {}", count(n, "applied migration"), if n == 1 { "is" } else { "are" })
}

fn refuse_broken(broken: &[&Finding]) -> Failure {
    let details = broken.iter().map(|f| format!("{}   {}", f.location(), f.message)).collect();
    let message = format!("nothing was run: {} in the files", count(broken.len(), "error"));
    let mut failure = Failure::findings(message).details(first_of(details));
    for hint in broken.iter().filter_map(|f| f.hint.as_ref()) {
        if failure.hints.len() < 3 && !failure.hints.contains(hint) {
            failure.hints.push(hint.clone());
        }
    }
    failure.hint("`stepladder validate` shows everything that is wrong")
}

/// As many as a person reads. A set that was copied into its own folder has thousands.
fn first_of(mut details: Vec<String>) -> Vec<String> {
    const READ: usize = 20;
    if details.len() > READ + 1 {
        let more = details.len() - READ;
        details.truncate(READ);
        details.push(format!("and {more} more"));
    }
    details
}

/// Refuses when a chosen store has a half-applied migration, naming each with what is known and the ways out.
pub fn refuse_halves(states: &[StoreState<'_>]) -> Result<(), Failure> {
    let mut details = Vec::new();
    let mut first = None;
    for state in states.iter().filter(|s| s.chosen) {
        for record in state.records.values() {
            let Some(half) = record.half() else { continue };
            first.get_or_insert_with(|| (format!("{}/{}", state.name(), record.version), half.done.is_some()));
            details.push(format!("{}/{}   {}", state.name(), record.label, half_sentence(half)));
        }
    }
    let Some((first, is_counted)) = first else { return Ok(()) };
    let message = format!("{} half-applied and must be settled first", {
        let n = details.len();
        format!("{} {}", count(n, "migration"), if n == 1 { "is" } else { "are" })
    });
    let mut failure = Failure::new(FailureKind::HalfApplied, message)
        .details(details)
        .hint(format!("`stepladder repair {first}` shows what is known"));
    if is_counted {
        failure = failure.hint(format!("go on where it stopped: `stepladder repair {first} --resume`"));
    }
    Err(failure
        .hint(format!("finished it by hand? `stepladder repair {first} --mark applied`"))
        .hint(format!("undid it by hand? `stepladder repair {first} --mark reverted`")))
}

/// `3 of 7 parts of its up script are done`.
pub fn half_sentence(half: &super::ledger::Half) -> String {
    let script = format!("its {} script", half.direction);
    match (half.done, half.total) {
        (Some(done), Some(total)) => format!("{done} of {} of {script} done", count(total as usize, "part")),
        _ => format!("{script} was begun and its end is not known"),
    }
}

fn refuse_late(late: &[(&str, Version, Vec<&str>)]) -> Failure {
    let sentence = |(store, highest, below): &(&str, Version, Vec<&str>)| {
        format!(
            "{store} has {} below the highest applied one ({highest}): {}",
            count(below.len(), "migration"),
            list(below)
        )
    };
    let mut sentences = late.iter().map(sentence);
    let first = sentences.next().unwrap_or_default();
    Failure::findings(first)
        .details(sentences)
        .hint("they came in from another branch? `stepladder up --out-of-order` applies them now")
}

fn check_target(states: &[StoreState<'_>], to: Option<Version>) -> Result<(), Failure> {
    let Some(to) = to else { return Ok(()) };
    let chosen: Vec<&StoreState<'_>> = states.iter().filter(|s| s.chosen).collect();
    let known = |s: &&StoreState<'_>| s.catalog.migrations.contains_key(&to) || s.records.contains_key(&to);
    if chosen.iter().any(known) {
        return Ok(());
    }
    let names: Vec<&str> = chosen.iter().map(|s| s.name()).collect();
    Err(Failure::usage(format!("there is no version {to} in {}", list(&names)))
        .hint("`stepladder status` lists the versions"))
}

/// For each wanted migration the indices of the wanted ones that must come first.
fn needs_of(
    wanted: &[&Migration],
    states: &[StoreState<'_>],
    environment: Option<&str>,
) -> Result<Vec<Vec<usize>>, Failure> {
    let index: BTreeMap<(&str, Version), usize> =
        wanted.iter().enumerate().map(|(i, m)| ((m.store.as_str(), m.version), i)).collect();
    let mut needs = vec![Vec::new(); wanted.len()];
    let mut unmet = Vec::new();
    for (i, migration) in wanted.iter().enumerate() {
        if i > 0 && wanted[i - 1].store == migration.store {
            needs[i].push(i - 1);
        }
        for required in &migration.up.directives.requires {
            if let Some(&before) = index.get(&(required.store.as_str(), required.version)) {
                needs[i].push(before);
            } else if let Err(why) = met(required, states, environment) {
                unmet.push(format!("{} needs {}/{}: {why}", migration.full_name(), required.store, required.version));
            }
        }
    }
    if unmet.is_empty() {
        return Ok(needs);
    }
    Err(Failure::findings(format!("{} on what is not applied", depend(unmet.len())))
        .details(unmet)
        .hint("apply what is needed first, or leave `-s` out so that all stores go up together"))
}

fn depend(n: usize) -> String {
    format!("{} {}", count(n, "migration"), if n == 1 { "depends" } else { "depend" })
}

fn met(
    required: &super::directive::Requirement,
    states: &[StoreState<'_>],
    environment: Option<&str>,
) -> Result<(), &'static str> {
    let state = states.iter().find(|s| s.name() == required.store).ok_or("there is no such store")?;
    let rungs = state.rungs(environment);
    let rung = rungs.iter().find(|r| r.version == required.version).ok_or("there is no such migration")?;
    match rung.standing {
        Standing::Applied | Standing::Changed | Standing::Missing => Ok(()),
        Standing::HalfApplied => Err("it is half-applied"),
        Standing::Pending if rung.elsewhere => Err("it is not for this environment"),
        Standing::Pending => Err("it is pending and not part of this run"),
    }
}

fn refuse_cycle(cycle: &[usize], wanted: &[&Migration]) -> Failure {
    let mut names: Vec<String> = cycle.iter().map(|&i| wanted[i].full_name()).collect();
    names.extend(names.first().cloned());
    Failure::findings("the `requires` directives form a circle, so no order is possible")
        .detail(names.join(" needs "))
        .hint("take one of the `requires` out")
}

/// The findings about `requires` over all stores, for `validate`: what does not exist, and circles.
pub fn requirement_findings(states: &[StoreState<'_>]) -> Vec<Finding> {
    let migrations: Vec<&Migration> = states.iter().flat_map(|s| s.catalog.migrations.values()).collect();
    if migrations.iter().all(|migration| migration.up.directives.requires.is_empty()) {
        return Vec::new();
    }
    let index: BTreeMap<(&str, Version), usize> =
        migrations.iter().enumerate().map(|(i, m)| ((m.store.as_str(), m.version), i)).collect();
    let mut findings = Vec::new();
    let mut needs = vec![Vec::new(); migrations.len()];
    for (i, migration) in migrations.iter().enumerate() {
        if i > 0 && migrations[i - 1].store == migration.store {
            needs[i].push(i - 1);
        }
        for required in &migration.up.directives.requires {
            match index.get(&(required.store.as_str(), required.version)) {
                Some(&before) => needs[i].push(before),
                None => {
                    let message = format!("requires {}/{}, which does not exist", required.store, required.version);
                    let finding = Finding::error("unknown-requirement", &migration.up.path, message);
                    findings.push(finding.at(required.line).of(&migration.store));
                }
            }
        }
    }
    if let Err(cycle) = order(&needs) {
        let failure = refuse_cycle(&cycle, &migrations);
        let path = &migrations[cycle[0]].up.path;
        let message = format!("{}: {}", failure.message, failure.details.join(", "));
        findings.push(Finding::error("requirement-cycle", path, message).of(&migrations[cycle[0]].store));
    }
    findings
}
