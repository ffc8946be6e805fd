//! From a planned step to one that can be run: its text, read and checked against what was planned.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::discover;
use crate::domain::mode::mode_of;
use crate::domain::{Checksum, Direction, Failure, PlannedStep, Script, Source, Version};
use crate::files::{is_unchanged, without_mark};
use crate::stores::{Card, Step, StoredScript};

/// Gives a planned step its text. `timeout` is the store's, for scripts that say nothing; `stored` fetches a down
/// script from the ledger.
///
/// # Errors
/// A file that has changed or gone since it was planned; a ledger that has no such script.
pub fn materialise(
    planned: &PlannedStep,
    index: usize,
    card: &Card,
    timeout: Option<Duration>,
    root: &Path,
    stored: &mut dyn FnMut(Version) -> Result<Option<StoredScript>, Failure>,
) -> Result<Step, Failure> {
    let mut step = match &planned.source {
        Source::File(script) => from_file(planned, script, card, root)?,
        Source::Ledger => from_ledger(planned, card, stored)?,
    };
    step.index = index;
    step.timeout = planned.timeout.or(timeout);
    step.resume_from = planned.resume_from.unwrap_or(0);
    if let Some(down) = &planned.down {
        step.down = Some(read_down(down, root)?);
    }
    Ok(step)
}

/// The same of steps that a store gets together, as far as their texts are files. Reading is mostly waiting for the system, so two
/// threads take half the time for many; none where the ledger has the text.
pub fn from_files(
    plan: &[PlannedStep],
    indices: &[usize],
    card: &Card,
    timeout: Option<Duration>,
    root: &Path,
) -> Vec<Option<Result<Step, Failure>>> {
    const MANY: usize = 100;
    let read = |indices: &[usize]| -> Vec<_> {
        let one = |&index: &usize| match plan[index].source {
            Source::File(_) => Some(materialise(&plan[index], index, card, timeout, root, &mut |_| Ok(None))),
            Source::Ledger => None,
        };
        indices.iter().map(one).collect()
    };
    if indices.len() < MANY {
        return read(indices);
    }
    let (first, second) = indices.split_at(indices.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| read(second));
        let mut all = read(first);
        all.extend(other.join().unwrap_or_default());
        all
    })
}

fn from_file(planned: &PlannedStep, script: &Script, card: &Card, root: &Path) -> Result<Step, Failure> {
    let text = read(script, root, "run")?;
    let path = root.join(&script.path);
    Ok(Step { file: (!has_old_lines(&text)).then_some(path), ..step(planned, script, text, card) })
}

fn from_ledger(
    planned: &PlannedStep,
    card: &Card,
    stored: &mut dyn FnMut(Version) -> Result<Option<StoredScript>, Failure>,
) -> Result<Step, Failure> {
    let kept = stored(planned.version)?
        .ok_or_else(|| Failure::failed(format!("the ledger has no down script of {}", planned.full_name())))?;
    let path = format!("ledger:{}.down.{}", planned.label, kept.extension);
    let mut findings = Vec::new();
    let script = discover::script(&path, &kept.extension, Direction::Down, kept.text.as_bytes(), card, &mut findings);
    Ok(step(planned, &script, kept.text, card))
}

/// Whether lines end as they did on the first Macintoshes. psql and others end a comment at LF only: with CR alone the whole script
/// would be one comment.
fn has_old_lines(text: &str) -> bool {
    text.contains('\r') && !text.contains('\n')
}

fn step(planned: &PlannedStep, script: &Script, text: Arc<str>, card: &Card) -> Step {
    let text = if has_old_lines(&text) { Arc::from(text.replace('\r', "\n")) } else { text };
    Step {
        index: 0,
        store: planned.store.clone(),
        version: planned.version,
        label: planned.label.clone(),
        direction: planned.direction,
        file: None,
        text,
        mode: mode_of(script, card.has_transactions(), card.extensions),
        extension: script.extension.clone(),
        path: script.path.clone(),
        shape: script.shape.clone(),
        checksum: planned.checksum.clone(),
        down: None,
        timeout: script.directives.timeout,
        resume_from: 0,
    }
}

/// A seed script as a step that has no entry in the ledger.
///
/// # Errors
/// A file that cannot be read.
pub fn seed_step(store: &str, label: &str, script: &Arc<Script>, card: &Card, root: &Path) -> Result<Step, Failure> {
    let planned = PlannedStep {
        store: store.to_owned(),
        version: Version::new(0),
        label: label.to_owned(),
        direction: Direction::Up,
        source: Source::File(Arc::clone(script)),
        down: None,
        timeout: script.directives.timeout,
        needs: Vec::new(),
        resume_from: None,
        checksum: script.checksum.clone(),
        notes: Vec::new(),
    };
    from_file(&planned, script, card, root)
}

/// The down script that an up step records: what was planned with, even if its file has been changed since, as `status` will say.
pub(crate) fn read_down(script: &Script, root: &Path) -> Result<StoredScript, Failure> {
    let text = match &script.kept {
        Some(kept) => Arc::clone(&kept.text),
        None => read(script, root, "recorded")?,
    };
    Ok(StoredScript { extension: script.extension.clone(), checksum: script.checksum.clone(), text })
}

/// The text that was planned with. A file that was changed meanwhile is not what anybody has seen in a plan; `done` says what was
/// not done with it.
fn read(script: &Script, root: &Path, done: &str) -> Result<Arc<str>, Failure> {
    let path = root.join(&script.path);
    if let Some(kept) = script.kept.as_ref().filter(|kept| is_unchanged(&path, &kept.stamp)) {
        return Ok(Arc::clone(&kept.text));
    }
    let bytes = std::fs::read(&path).map_err(|e| Failure::failed(format!("{} cannot be read: {e}", script.path)))?;
    if Checksum::of(&bytes) != script.checksum {
        return Err(Failure::failed(format!("{} has changed since the run began; it was not {done}", script.path))
            .hint("run the command again, and it is planned with the file as it is now"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Arc::from(without_mark(text))),
        Err(_) => Err(Failure::findings(format!("{} is not UTF-8", script.path))),
    }
}
