//! Runs steps: script and entry in one transaction where that is possible, in parts otherwise.

use rusqlite::{Connection, ffi, named_params};

use super::connect::Session;
use super::errors;
use super::gate::{Gate, Guard};
use super::lease;
use super::ledger::{FINISH, Line};
use super::locked::{SqliteLocked, lease_lost};
use super::script::{Cursor, Rejected, Said, Script};
use super::watch::{Cut, Watch};
use crate::domain::{Direction, EntryEvent, Failure, FailureKind};
use crate::stores::{Context, Kept, NewEntry, Outcome, Step, StepEvent, StepFailure, StopReason};

/// Runs consecutive steps and stops at the first failure.
pub(super) fn run(locked: &mut SqliteLocked, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
    let watch = Watch::start(context.stop.clone());
    for step in steps {
        if context.stop.asked().is_some() {
            return Ok(Outcome::Stopped);
        }
        (context.event)(step.index, StepEvent::Started);
        let duration_ms = match step.mode.is_atomic() {
            true => atomic(locked, step, context, &watch)?,
            false => super::parts::run(locked, step, context, &watch)?,
        };
        (context.event)(step.index, StepEvent::Done { duration_ms });
    }
    Ok(Outcome::AllDone)
}

/// Runs a seed script: one transaction where it can be one, and no entry.
pub(super) fn seed(locked: &mut SqliteLocked, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    let watch = Watch::start(context.stop.clone());
    if !step.mode.is_atomic() {
        return super::parts::seed(locked, step, context, &watch);
    }
    let job = Job { step, context, watch: &watch };
    let (token, lease) = (locked.owner.token.clone(), locked.lease);
    in_transaction(locked, &job, |connection| match lease::renew(connection, &token, lease)? {
        true => Ok(None),
        false => Err(Ended::LeaseLost),
    })
    .map(|_| ())
}

fn atomic(locked: &mut SqliteLocked, step: &Step, context: &Context<'_>, watch: &Watch) -> Result<i64, StepFailure> {
    let job = Job { step, context, watch };
    let owner = locked.owner.clone();
    let entry = entry(step, EntryEvent::Begun);
    let seq = in_transaction(locked, &job, |connection| {
        let seq = Line { owner: &owner, entry: &entry }.append(connection)?;
        Ok(Some(seq.ok_or(Ended::LeaseLost)?))
    })?;
    // Success is positive: the entry is read back, in a transaction of its own.
    let session = locked.session().map_err(|f| job.lost(f))?;
    let read = "select duration_ms from main.stepladder_ledger where seq = ?1 and event = 'done'";
    let duration = session.connection.prepare_cached(read).and_then(|mut s| s.query_row([seq], |row| row.get(0)));
    duration.map_err(|e| job.lost(errors::failure(&locked.target.location, &e)))
}

/// Begins a transaction with `begin` (which gives the place of the step's entry, if it has one), runs the script in
/// it, finishes the entry and commits.
fn in_transaction(
    locked: &mut SqliteLocked,
    job: &Job<'_>,
    begin: impl FnOnce(&Connection) -> Result<Option<i64>, Ended>,
) -> Result<Option<i64>, StepFailure> {
    job.refuse_shell_language()?;
    let script = Script::new(&job.step.text).map_err(|r| job.rejected(r, Kept::Nothing))?;
    let from = job.resume_at(&script);
    let session = locked.take_session().map_err(|f| job.before(f))?;
    let outcome = transaction(&session, job, &script, from, begin)
        .and_then(|seq| finish(&session, seq, &locked.owner.token, locked.lease).map(|()| seq));
    let ended = match outcome {
        Ok(seq) => {
            locked.session = Some(session).filter(|s| !s.gate.is_dirty());
            return Ok(seq);
        }
        Err(ended) => ended,
    };
    // The connection of a failed step is not used again: whatever state it is in, ends with it.
    let _ = session.connection.execute_batch("rollback");
    drop(session);
    Err(match ended {
        Ended::Rejected(failure) => *failure,
        Ended::Sqlite(e) => job.sqlite(locked, &e),
        Ended::LeaseLost => job.before(lease_lost()),
        Ended::Commit(e, seq) => commit_failed(locked, job, &e, seq),
    })
}

/// Why a transaction did not come to its end.
enum Ended {
    Rejected(Box<StepFailure>),
    Sqlite(rusqlite::Error),
    LeaseLost,
    Commit(rusqlite::Error, Option<i64>),
}

impl From<rusqlite::Error> for Ended {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn transaction(
    session: &Session,
    job: &Job<'_>,
    script: &Script,
    from: usize,
    begin: impl FnOnce(&Connection) -> Result<Option<i64>, Ended>,
) -> Result<Option<i64>, Ended> {
    let Session { connection, gate } = session;
    connection.prepare_cached("begin immediate")?.execute([])?;
    let seq = begin(connection)?;
    let commits = gate.commits();
    gate.guard(Guard::Atomic);
    job.watch.arm(connection, job.step.timeout);
    let ran = all_statements(connection, script, from, job);
    let cut = job.watch.disarm();
    gate.guard(Guard::Off);
    ran.map_err(|rejected| Ended::Rejected(Box::new(job.cut_or_rejected(cut, rejected, gate, Kept::Nothing))))?;
    // The gate lets no COMMIT through; should SQLite ever learn another way to end a transaction, it is seen here.
    if connection.is_autocommit() || gate.commits() != commits {
        let failure = Failure::failed("the script ended the transaction that it shared with its entry");
        return Err(Ended::Rejected(Box::new(StepFailure { kept: Kept::Unknown, ..job.before(failure) })));
    }
    Ok(seq)
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

/// Makes the `begun` entry of this transaction a `done` one, renews the lease and commits.
fn finish(session: &Session, seq: Option<i64>, token: &str, lease: std::time::Duration) -> Result<(), Ended> {
    let connection = &session.connection;
    if let Some(seq) = seq {
        let finished = connection.prepare_cached(FINISH)?.execute(named_params! {":seq": seq, ":token": token})?;
        if finished != 1 || !lease::renew(connection, token, lease)? {
            return Err(Ended::LeaseLost);
        }
    }
    let commit = || connection.prepare_cached("commit")?.execute([]);
    commit().map(|_| ()).map_err(|e| Ended::Commit(e, seq))
}

/// After a commit that failed the ledger knows best.
fn commit_failed(locked: &mut SqliteLocked, job: &Job<'_>, error: &rusqlite::Error, seq: Option<i64>) -> StepFailure {
    let there = locked.session().ok().and_then(|session| {
        let read = "select count(*) from main.stepladder_ledger where seq = ?1 and run = ?2 and event = 'done'";
        session.connection.query_row(read, (seq, job.context.run), |row| row.get::<_, i64>(0)).ok()
    });
    let kept = match there {
        Some(1) => Kept::All,
        Some(_) => Kept::Nothing,
        None => Kept::Unknown,
    };
    StepFailure { what: "could not be committed".to_owned(), kept, ..job.sqlite(locked, error) }
}

/// An entry about a step.
pub(super) fn entry(step: &Step, event: EntryEvent) -> NewEntry {
    NewEntry {
        event,
        direction: step.direction,
        version: Some(step.version),
        label: step.label.clone(),
        checksum: step.checksum.clone(),
        down: step.down.clone().filter(|_| step.direction == Direction::Up),
        ordinal: i64::try_from(step.index).unwrap_or(i64::MAX),
        duration_ms: None,
        parts_done: None,
        parts_total: None,
        note: None,
    }
}

/// A step at work.
pub(super) struct Job<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its run.
    pub context: &'a Context<'a>,
    /// Interrupts it.
    pub watch: &'a Watch,
}

impl Job<'_> {
    /// Where the script begins, or goes on after the parts that an earlier try has done.
    pub fn resume_at(&self, script: &Script) -> usize {
        match self.step.resume_from as usize {
            0 => 0,
            done => script.statements().get(done - 1).map_or(self.step.text.len(), |last| last.end),
        }
    }

    /// `.read`, `.quit` and the like are for the shell; SQLite would stop there, with what stands before them done.
    pub fn refuse_shell_language(&self) -> Result<(), StepFailure> {
        let Some(mark) = &self.step.shape.client_language else { return Ok(()) };
        let failure = Failure::failed(format!("`{}` is a command of the sqlite3 shell, not SQL", mark.what))
            .hint("write it as SQL, or make the script a `.sh` that calls sqlite3 itself");
        Err(StepFailure { line: Some(mark.line), ..self.before(failure) })
    }

    /// Tells the rows that the script's queries gave.
    pub fn say(&self, said: Said) {
        if let Some(text) = said.text() {
            (self.context.event)(self.step.index, StepEvent::Said(text));
        }
    }

    fn failure(&self, what: &str, message: String, kept: Kept) -> StepFailure {
        StepFailure {
            index: self.step.index,
            what: what.to_owned(),
            line: None,
            message,
            kept,
            hints: Vec::new(),
            kind: FailureKind::Failed,
        }
    }

    /// Something that had to be there before the script could start.
    pub fn before(&self, failure: Failure) -> StepFailure {
        let message = std::iter::once(failure.message).chain(failure.details).collect::<Vec<_>>().join("\n");
        StepFailure {
            hints: failure.hints,
            kind: failure.kind,
            ..self.failure("could not be run", message, Kept::Nothing)
        }
    }

    /// Something after the script, of which it is not known what it means for the step.
    pub fn lost(&self, failure: Failure) -> StepFailure {
        StepFailure { what: "could not be confirmed".to_owned(), kept: Kept::Unknown, ..self.before(failure) }
    }

    /// SQLite's error about one of our own statements.
    pub fn sqlite(&self, locked: &SqliteLocked, error: &rusqlite::Error) -> StepFailure {
        if errors::is_busy(error) {
            return self.before(errors::locked(&locked.target.location, FailureKind::Failed, error));
        }
        let words = errors::words(error);
        StepFailure {
            hints: errors::hints(errors::code(error), &words),
            ..self.failure("could not be run", words, Kept::Nothing)
        }
    }

    /// A statement of the script's that failed.
    pub fn rejected(&self, rejected: Rejected, kept: Kept) -> StepFailure {
        let what = match rejected.code & 0xff {
            ffi::SQLITE_FULL => "stopped because the disk is full",
            ffi::SQLITE_IOERR => "stopped because the disk failed",
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => "stopped because the database is damaged",
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => "stopped because the database is locked",
            _ => "was rejected",
        };
        let message = errors::with_name(&rejected.message, rejected.code);
        StepFailure {
            line: Some(rejected.line),
            hints: errors::hints(rejected.code, &message),
            ..self.failure(what, message, kept)
        }
    }

    /// The same, told as what it is when it was interrupted by us or refused by the gate.
    pub fn cut_or_rejected(&self, cut: Option<Cut>, rejected: Rejected, gate: &Gate, kept: Kept) -> StepFailure {
        let interrupted = rejected.code & 0xff == ffi::SQLITE_INTERRUPT;
        let refused = gate.take_refused().filter(|_| rejected.code & 0xff == ffi::SQLITE_AUTH);
        let mut failure = self.rejected(rejected, kept);
        if let Some(refused) = refused {
            failure.message = refused.message;
            failure.hints = vec![refused.hint];
        }
        let Some(cut) = cut.filter(|_| interrupted) else { return failure };
        failure.what = match cut {
            Cut::Deadline(limit) => format!("ran out of time after {} s", limit.as_secs_f64()),
            Cut::Stopped(StopReason::Interrupted) => "was interrupted".to_owned(),
            Cut::Stopped(_) => "was ended: the lease was lost".to_owned(),
        };
        if cut == Cut::Stopped(StopReason::Interrupted) {
            failure.kind = FailureKind::Interrupted;
        }
        failure
    }
}
