//! Runs steps: script and entry in one transaction where that is possible, in parts otherwise.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::connect::Session;
use super::errors;
use super::gate::Guard;
use super::job::{Job, ordinal};
use super::lease;
use super::ledger::Line;
use super::locked::{SqliteLocked, lease_lost};
use super::script::{Cursor, Rejected, Said, Script};
use super::watch::Watch;
use crate::domain::{EntryEvent, Failure};
use crate::stores::{Context, Kept, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure};

/// Runs consecutive steps and stops at the first failure.
pub(super) fn run(locked: &mut SqliteLocked, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
    let watch = Watch::start(context.stop.clone());
    let mut last = None;
    for step in steps {
        if context.stop.asked().is_some() {
            break;
        }
        (context.event)(step.index, StepEvent::Started);
        let job = Job { step, context, watch: &watch };
        let duration_ms = match step.mode.is_atomic() {
            true => {
                let Written { seq, duration_ms } = atomic(locked, &job)?;
                last = Some((job, seq));
                duration_ms
            }
            false => super::parts::run(locked, &job)?,
        };
        (context.event)(step.index, StepEvent::Done { duration_ms });
    }
    if let Some((job, seq)) = last {
        confirm(locked, &job, seq)?;
    }
    Ok(if context.stop.asked().is_some() { Outcome::Stopped } else { Outcome::AllDone })
}

/// Reads back the last entry that was committed with its script. Those before it were committed before it.
fn confirm(locked: &mut SqliteLocked, job: &Job<'_>, seq: i64) -> Result<(), StepFailure> {
    let run = locked.owner.run.clone();
    let session = locked.session().map_err(|f| job.lost(f))?;
    let read = "select exists (select 1 from main.stepladder_ledger where seq = ?1 and run = ?2 and event = 'done')";
    match session.connection.query_row(read, (seq, run), |row| row.get(0)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(job.lost(Failure::failed("the entry is not in the ledger, though it was committed"))),
        Err(e) => Err(job.lost(errors::failure(&locked.target.location, &e))),
    }
}

/// Runs a seed script: one transaction where it can be one, and no entry.
pub(super) fn seed(locked: &mut SqliteLocked, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    let watch = Watch::start(context.stop.clone());
    let job = Job { step, context, watch: &watch };
    if !step.mode.is_atomic() {
        return super::parts::seed(locked, &job);
    }
    in_transaction(locked, &job, |connection, owner, lease| match lease::renew(connection, &owner.token, lease)? {
        true => Ok(()),
        false => Err(Ended::LeaseLost),
    })
}

/// An entry that was written.
struct Written {
    seq: i64,
    duration_ms: i64,
}

/// No entry needs to be there before the script: the gate lets it neither commit nor roll back.
fn atomic(locked: &mut SqliteLocked, job: &Job<'_>) -> Result<Written, StepFailure> {
    let started = Instant::now();
    in_transaction(locked, job, |connection, owner, _| {
        let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let entry = NewEntry { duration_ms: Some(duration_ms), ..NewEntry::of(job.step, EntryEvent::Done) };
        let seq = Line { owner, entry: &entry }.append(connection)?.ok_or(Ended::LeaseLost)?;
        Ok(Written { seq, duration_ms })
    })
}

/// Runs a script in a transaction that ends with `finish`, which writes only while the lease is ours.
fn in_transaction<F>(
    locked: &mut SqliteLocked,
    job: &Job<'_>,
    finish: impl FnOnce(&Connection, &Owner, Duration) -> Result<F, Ended>,
) -> Result<F, StepFailure> {
    job.refuse_shell_language()?;
    let script = Script::new(&job.step.text).map_err(|r| job.rejected(r, Kept::Nothing))?;
    let session = locked.take_session().map_err(|f| job.before(f))?;
    let Session { connection, gate } = &session;
    let mut renewed = None;
    let work = || {
        connection.prepare_cached("begin immediate")?.execute([])?;
        let commits = gate.commits();
        run_script(&session, job, &script)?;
        // The gate lets no COMMIT through; should SQLite ever learn another way to end a transaction, it is seen here.
        if connection.is_autocommit() || gate.commits() != commits {
            return Err(Ended::Elsewhere);
        }
        // Steps in close succession leave the heartbeat no moment without a write lock.
        if locked.renewed.elapsed() >= locked.lease / 3 {
            if !lease::renew(connection, &locked.owner.token, locked.lease)? {
                return Err(Ended::LeaseLost);
            }
            renewed = Some(Instant::now());
        }
        let finished = finish(connection, &locked.owner, locked.lease)?;
        let commit = || connection.prepare_cached("commit")?.execute([]);
        commit().map_err(Ended::Commit)?;
        // Success is positive: SQLite has told of exactly one commit, and is in no transaction any more.
        if !connection.is_autocommit() || gate.commits() != commits + 1 {
            return Err(Ended::Elsewhere);
        }
        Ok(finished)
    };
    let ended = match work() {
        Ok(finished) => {
            locked.renewed = renewed.unwrap_or(locked.renewed);
            locked.session = Some(session).filter(|s| !s.gate.is_dirty());
            return Ok(finished);
        }
        Err(ended) => ended,
    };
    // The connection of a failed step is not used again: whatever state it is in, ends with it.
    let _ = connection.execute_batch("rollback");
    drop(session);
    Err(match ended {
        Ended::Rejected(failure) => *failure,
        Ended::Sqlite(e) => job.sqlite(locked, &e),
        Ended::LeaseLost => job.before(lease_lost()),
        Ended::Commit(e) => {
            let kept = what_is_kept(locked, job);
            StepFailure { what: "could not be committed".to_owned(), kept, ..job.sqlite(locked, &e) }
        }
        Ended::Elsewhere => {
            let failure = Failure::failed("the transaction of script and entry did not end where it should have");
            StepFailure { kept: what_is_kept(locked, job), ..job.lost(failure) }
        }
    })
}

/// Why a transaction did not come to its end.
enum Ended {
    Rejected(Box<StepFailure>),
    Sqlite(rusqlite::Error),
    LeaseLost,
    Commit(rusqlite::Error),
    /// By somebody else than us.
    Elsewhere,
}

impl From<rusqlite::Error> for Ended {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn run_script(session: &Session, job: &Job<'_>, script: &Script) -> Result<(), Ended> {
    let Session { connection, gate } = session;
    let from = job.resume_at();
    gate.guard(Guard::Atomic);
    job.watch.arm(connection, job.step.timeout);
    let ran = all_statements(connection, script, from, job);
    let cut = job.watch.disarm();
    gate.guard(Guard::Off);
    ran.map_err(|rejected| Ended::Rejected(Box::new(job.cut_or_rejected(cut, rejected, gate, Kept::Nothing))))
}

fn all_statements(connection: &Connection, script: &Script, from: usize, job: &Job<'_>) -> Result<(), Rejected> {
    let mut cursor = Cursor::new(connection, script, from);
    let mut said = Said::default();
    while let Some(statement) = cursor.next()? {
        cursor.carry_out(statement, &mut said)?;
    }
    job.say(said);
    Ok(())
}

/// After a transaction whose end is not known, the ledger knows best.
fn what_is_kept(locked: &mut SqliteLocked, job: &Job<'_>) -> Kept {
    let run = locked.owner.run.clone();
    let read = "select event from main.stepladder_ledger where run = ?1 and ordinal = ?2 order by seq desc limit 1";
    let event = locked.session().ok().map(|session| {
        session.connection.query_row(read, (run, ordinal(job.step)), |row| row.get::<_, String>(0)).optional()
    });
    match event {
        Some(Ok(Some(event))) if event == "done" => Kept::All,
        Some(Ok(Some(event))) if event == "begun" => Kept::Half(None),
        Some(Ok(_)) => Kept::Nothing,
        _ => Kept::Unknown,
    }
}
