//! Settling a migration by a person's word: what `repair --mark` and `--accept-checksum` write.

use std::time::Duration;

use super::call::Call;
use super::run::stop_on_signals;
use crate::cli::Mark;
use crate::domain::{Checksum, Direction, EntryEvent, Failure, Rung, Standing, StoreState, Version, fold};
use crate::execute::{self, read_down};
use crate::process::identity;
use crate::project::{Fleet, Project};
use crate::report::Listener;
use crate::report::failure::by_hand;
use crate::stores::{Locked, NewEntry};

/// How a migration is to be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It is as a person says.
    Mark(Mark),
    /// The file as it is now is what was applied.
    AcceptChecksum,
}

/// Writes the entry under the lease, when the migration still stands as it needs to; answers its label.
pub(super) fn settle(
    call: &Call,
    project: &Project,
    fleet: &mut Fleet,
    (store, version): (&str, Version),
    word: Word,
    wait: Duration,
) -> Result<String, Failure> {
    let options = project.run_options(wait);
    stop_on_signals(&options.stop)?;
    let listener = Listener::new(&call.screen, &options.run, &project.catalogs);
    let owner = identity::owner(&options.run);
    execute::under_lease(&mut fleet.stores, store, &owner, &options, &|e| listener.hear(e), |locked| {
        under_lease(locked, project, store, version, word)
    })
}

fn under_lease(
    locked: &mut dyn Locked,
    project: &Project,
    store: &str,
    version: Version,
    word: Word,
) -> Result<String, Failure> {
    let records = fold(&locked.look()?.entries);
    let state = StoreState { catalog: &project.catalogs[store], records: &records, chosen: true };
    let rungs = state.rungs(None);
    let rung = rungs.iter().find(|r| r.version == version).ok_or_else(|| unknown(store, version))?;
    allowed(store, rung, word)?;
    let record = rung.record;
    let direction = match word {
        Word::Mark(Mark::Reverted) => Direction::Down,
        Word::Mark(Mark::Applied) | Word::AcceptChecksum => Direction::Up,
    };
    let recorded = record.map(|r| r.half().map_or(&r.checksum, |h| &h.checksum));
    let of_file = rung.migration.map(|m| &m.up.checksum).filter(|_| direction == Direction::Up);
    let checksum = of_file.or(recorded).cloned().unwrap_or_else(|| Checksum::recorded(""));
    let down = match (direction, rung.migration.and_then(|m| m.down.as_ref())) {
        (Direction::Up, Some(down)) => Some(read_down(down, &project.config.root)?),
        (Direction::Up, None) => locked.stored_down(version)?,
        (Direction::Down, _) => None,
    };
    let note = match word {
        Word::Mark(Mark::Applied) => "marked as applied",
        Word::Mark(Mark::Reverted) => "marked as reverted",
        Word::AcceptChecksum => "checksum accepted",
    };
    let entry = NewEntry::about(version, rung.label, EntryEvent::Settled, direction);
    locked.record(&NewEntry { checksum, down, note: Some(note.to_owned()), ..entry })?;
    Ok(rung.label.to_owned())
}

/// There is no such migration.
pub(super) fn unknown(store: &str, version: Version) -> Failure {
    Failure::usage(format!("there is no version {version} in {store}")).hint("`stepladder status` lists the versions")
}

/// A word settles only what needs it: a slip must not rewrite what stands well.
fn allowed(store: &str, rung: &Rung<'_>, word: Word) -> Result<(), Failure> {
    let name = format!("{store}/{}", rung.label);
    let short = format!("{store}/{}", rung.version);
    match (word, rung.standing) {
        (Word::Mark(_), Standing::HalfApplied)
        | (Word::Mark(Mark::Reverted), Standing::Changed | Standing::Missing)
        | (Word::AcceptChecksum, Standing::Changed) => Ok(()),
        (Word::AcceptChecksum, Standing::HalfApplied) => {
            let failure = Failure::usage(format!("{name} is half-applied: a checksum does not settle that"));
            Err(by_hand(&short).into_iter().fold(failure, Failure::hint))
        }
        (Word::Mark(Mark::Applied), Standing::Pending) => {
            Err(Failure::usage(format!("{name} is pending, so there is nothing to settle"))
                .hint(format!("it is in the store already? `stepladder baseline {} -s {store}`", rung.version)))
        }
        (Word::Mark(Mark::Applied), Standing::Changed) => {
            Err(Failure::usage(format!("{name} is applied, and its file has changed"))
                .hint(format!("take the file as it is now: `stepladder repair {short} --accept-checksum`")))
        }
        (_, Standing::Missing) => Err(Failure::usage(format!("{name} is applied, and its file is gone"))
            .hint("bring the file back as it was")
            .hint(format!("undid it by hand? `stepladder repair {short} --mark reverted`"))),
        (_, standing) => Err(Failure::usage(format!("{name} is {} and needs no repair", standing.word()))
            .hint("`stepladder repair` lists what does")),
    }
}
