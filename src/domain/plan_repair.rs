//! What `repair --resume` has to do.

use std::sync::Arc;

use super::failure::{Failure, FailureKind};
use super::file_name::Direction;
use super::ledger::Half;
use super::plan::{Plan, PlannedStep, Source, StoreState};
use super::plan_up::up_step;
use super::standing::Rung;
use super::version::Version;

/// The rest of a half-applied script, from its first part that is not known to be done.
///
/// # Errors
/// A migration that is not half-applied, whose parts are not known, or whose script is gone.
pub fn plan_resume(state: &StoreState<'_>, version: Version) -> Result<Plan, Failure> {
    let name = format!("{}/{version}", state.name());
    let rungs = state.rungs(None);
    let rung = rungs.iter().find(|r| r.version == version);
    let half = rung.and_then(|r| r.record).and_then(|r| r.half());
    let (Some(rung), Some(half)) = (rung, half) else {
        return Err(Failure::usage(format!("{name} is not half-applied, so there is nothing to resume"))
            .hint("`stepladder repair` lists what needs repair"));
    };
    let Some(done) = half.done else {
        return Err(Failure::new(
            FailureKind::HalfApplied,
            format!("{}/{} cannot be resumed: how much of it is done is not known", state.name(), rung.label),
        ));
    };
    let mut step = match half.direction {
        Direction::Up => up_rest(state, rung, half)?,
        Direction::Down => down_rest(state, rung, half)?,
    };
    step.resume_from = Some(done);
    Ok(Plan { steps: vec![step] })
}

fn up_rest(state: &StoreState<'_>, rung: &Rung<'_>, half: &Half) -> Result<PlannedStep, Failure> {
    let migration = rung.migration.ok_or_else(|| {
        Failure::findings(format!("{}/{} cannot be resumed: its up file is gone", state.name(), rung.label))
            .hint("bring the file back as it was")
    })?;
    let mut step = up_step(migration);
    if migration.up.checksum != half.checksum {
        step.notes.push("the script has changed since it was begun; its rest is run as it is now".to_owned());
    }
    Ok(step)
}

fn down_rest(state: &StoreState<'_>, rung: &Rung<'_>, half: &Half) -> Result<PlannedStep, Failure> {
    let file = rung.migration.and_then(|m| m.down.as_ref());
    let recorded = rung.record.and_then(|r| r.down_checksum.as_ref());
    let mut notes = Vec::new();
    let source = match (file, recorded) {
        (Some(file), recorded) => {
            if recorded.is_some_and(|r| *r != file.checksum) {
                notes.push(format!("{} is not the down script that was recorded when it was applied", file.path));
            }
            Source::File(Arc::clone(file))
        }
        (None, Some(_)) => Source::Ledger,
        (None, None) => {
            return Err(Failure::findings(format!(
                "{}/{} cannot be resumed: it has no down script, neither as a file nor in the ledger",
                state.name(),
                rung.label
            )));
        }
    };
    Ok(PlannedStep {
        store: state.name().to_owned(),
        version: rung.version,
        label: rung.label.to_owned(),
        direction: Direction::Down,
        source,
        down: None,
        timeout: file.and_then(|f| f.directives.timeout),
        needs: Vec::new(),
        resume_from: None,
        checksum: rung.record.map_or_else(|| half.checksum.clone(), |r| r.checksum.clone()),
        notes,
    })
}
