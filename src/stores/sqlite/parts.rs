//! Runs a script that is no single transaction: statement by statement, with a journal of how many are done.

use rusqlite::{Connection, named_params};

use super::connect::Session;
use super::errors;
use super::gate::Guard;
use super::job::Job;
use super::lease;
use super::ledger::{JOURNAL, Line, Trouble};
use super::locked::{SqliteLocked, lease_lost};
use super::script::{Cursor, Prepared, Rejected, Said, Script};
use crate::domain::sql::{Dialect, Statement, is_session_setting};
use crate::domain::{EntryEvent, Failure};
use crate::stores::{Kept, NewEntry, Owner, StepEvent, StepFailure};

/// A script's progress.
struct Progress<'a> {
    session: &'a Session,
    owner: &'a Owner,
    job: &'a Job<'a>,
    parts: Vec<Statement<'a>>,
    /// The `begun` entry; none for a seed script.
    seq: Option<i64>,
    /// Parts done, as the ledger knows.
    done: u32,
    /// Whether a transaction of the script's has been committed.
    wrote: bool,
}

/// Runs one step in a connection of its own, so that nothing the script sets lives longer than the step.
pub(super) fn run(locked: &mut SqliteLocked, job: &Job<'_>) -> Result<i64, StepFailure> {
    let (script, session) = prepare(locked, job)?;
    let mut begun = NewEntry::of(job.step, EntryEvent::Begun);
    let parts = job.parts();
    begun.parts_done = Some(job.step.resume_from);
    begun.parts_total = Some(count(parts.len()));
    let seq = Line { owner: &locked.owner, entry: &begun }
        .append(&session.connection)
        .map_err(|e| job.sqlite(locked, &e))?
        .ok_or_else(|| job.before(lease_lost()))?;
    let mut progress = Progress::new(&session, &locked.owner, job, parts, Some(seq));
    progress.carry_out(&script)?;
    progress.end(locked, seq)
}

/// Runs a seed script in parts.
pub(super) fn seed(locked: &mut SqliteLocked, job: &Job<'_>) -> Result<(), StepFailure> {
    let (script, session) = prepare(locked, job)?;
    Progress::new(&session, &locked.owner, job, job.parts(), None).carry_out(&script)
}

fn prepare(locked: &mut SqliteLocked, job: &Job<'_>) -> Result<(Script, Session), StepFailure> {
    job.refuse_shell_language()?;
    let script = Script::new(&job.step.text).map_err(|r| job.rejected(r, Kept::Nothing))?;
    // Some of what such scripts do needs the database for itself.
    locked.session = None;
    let session = locked.target.work(false).map_err(|f| job.before(f))?;
    Ok((script, session))
}

impl<'a> Progress<'a> {
    fn new(
        session: &'a Session,
        owner: &'a Owner,
        job: &'a Job<'a>,
        parts: Vec<Statement<'a>>,
        seq: Option<i64>,
    ) -> Self {
        let done = job.step.resume_from;
        Self { session, owner, job, parts, seq, done, wrote: done > 0 }
    }

    fn connection(&self) -> &Connection {
        &self.session.connection
    }

    fn total(&self) -> u32 {
        count(self.parts.len())
    }

    fn carry_out(&mut self, script: &Script) -> Result<(), StepFailure> {
        let gate = &self.session.gate;
        self.job.watch.arm(self.connection(), self.job.step.timeout);
        gate.guard(Guard::Parts);
        let outcome = self.statements(script);
        let cut = self.job.watch.disarm();
        gate.guard(Guard::Off);
        match outcome {
            Ok(()) if self.connection().is_autocommit() => Ok(()),
            Ok(()) => {
                let failure = Failure::failed("the script ended inside its own transaction; that was rolled back")
                    .hint("add the COMMIT that is missing at its end");
                let failure = self.job.before(failure);
                Err(self.stopped(StepFailure { what: "did not commit".to_owned(), ..failure }))
            }
            Err(Stopped::Rejected(rejected)) => {
                let failure = self.job.cut_or_rejected(cut, rejected, gate, Kept::Unknown);
                Err(self.stopped(failure))
            }
            Err(Stopped::Journal(failure)) => {
                let failure = StepFailure { what: "was stopped".to_owned(), ..self.job.before(failure) };
                Err(self.stopped(failure))
            }
        }
    }

    fn statements(&mut self, script: &Script) -> Result<(), Stopped> {
        let gate = &self.session.gate;
        let mut said = Said::default();
        let from = self.replay_settings(script)?;
        let mut cursor = Cursor::new(&self.session.connection, script, from);
        loop {
            let Some(statement) = cursor.next()? else { break };
            let part = self.parts.partition_point(|p| p.end <= cursor.at);
            let plain = part.checked_sub(1).and_then(|i| self.parts.get(i)).is_some_and(|p| is_plain(p.text));
            let part = count(part);
            // A query would keep the write lock for nothing, and from the heartbeat.
            if plain && !statement.is_readonly() && self.connection().is_autocommit() {
                self.with_its_count(script, &cursor, statement, &mut said, part)?;
                continue;
            }
            if gate.take_ends_transaction() && !self.connection().is_autocommit() {
                // Within the script's own transaction, so that its parts and their count are committed together. Where
                // that does not work, it is noted afterwards.
                let _ = self.journal(part);
            }
            let commits = gate.commits();
            cursor.carry_out(statement, &mut said)?;
            self.wrote |= gate.commits() != commits;
            if self.connection().is_autocommit() {
                self.journal(part).map_err(Stopped::Journal)?;
                self.is_done(part);
            }
        }
        self.job.say(said);
        Ok(())
    }

    /// Carries out a statement that would be a transaction by itself in one with the count: whenever it ends, the count
    /// is true, and it is not committed by a run that has lost its lease.
    fn with_its_count(
        &mut self,
        script: &Script,
        cursor: &Cursor<'_>,
        statement: Prepared<'_>,
        said: &mut Said,
        part: u32,
    ) -> Result<(), Stopped> {
        let start = statement.start;
        let rejected = |e: rusqlite::Error| {
            let (code, message) = errors::parts(&e);
            Rejected { code, message, line: script.line(start) }
        };
        self.ours("begin immediate").map_err(rejected)?;
        cursor.carry_out(statement, said)?;
        self.journal(part).map_err(Stopped::Journal)?;
        self.ours("commit").map_err(rejected)?;
        self.wrote = true;
        self.is_done(part);
        Ok(())
    }

    fn is_done(&mut self, part: u32) {
        self.done = part;
        let event = StepEvent::Progress { done: part, total: self.total() };
        (self.job.context.event)(self.job.step.index, event);
    }

    /// One of our own statements among the script's.
    fn ours(&self, sql: &str) -> rusqlite::Result<usize> {
        let _quiet = self.job.watch.quiet();
        self.session.gate.guard(Guard::Off);
        let outcome = self.connection().prepare_cached(sql).and_then(|mut s| s.execute([]));
        self.session.gate.guard(Guard::Parts);
        outcome
    }

    /// What an earlier try had set in its session is set again; gives back where to go on.
    fn replay_settings(&self, script: &Script) -> Result<usize, Rejected> {
        let skipped = &self.parts[..self.parts.len().min(self.job.step.resume_from as usize)];
        for part in skipped.iter().filter(|p| is_session_setting(p, Dialect::Sqlite)) {
            let mut cursor = Cursor::new(&self.session.connection, script, part.start);
            if let Some(statement) = cursor.next()? {
                cursor.carry_out(statement, &mut Said::default())?;
            }
        }
        Ok(self.job.resume_at())
    }

    fn journal(&self, done: u32) -> Result<(), Failure> {
        let Some(seq) = self.seq else { return Ok(()) };
        let _quiet = self.job.watch.quiet();
        let gate = &self.session.gate;
        gate.guard(Guard::Off);
        let parameters =
            named_params! {":seq": seq, ":done": done, ":total": self.total(), ":token": self.owner.token.as_str()};
        let written = self.connection().prepare_cached(JOURNAL).and_then(|mut s| s.execute(parameters));
        gate.guard(Guard::Parts);
        match written {
            Ok(1) => Ok(()),
            Ok(_) => Err(lease_lost()),
            Err(e) => Err(Failure::failed(format!("the ledger could not be written: {}", errors::words(&e)))),
        }
    }

    /// Rolls back what is open, and says what is left. A script that has committed nothing has left nothing, and its
    /// `begun` entry is taken back.
    fn stopped(&self, failure: StepFailure) -> StepFailure {
        let connection = self.connection();
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("rollback");
        }
        let taken_back = || {
            let seq = self.seq?;
            let take_back = "delete from main.stepladder_ledger where seq = ?1 and event = 'begun' \
                and exists (select 1 from main.stepladder_lease where id = 1 and token = ?2)";
            connection.execute(take_back, (seq, &self.owner.token)).ok().filter(|rows| *rows == 1)
        };
        let kept = match self.wrote {
            false if self.seq.is_none() || taken_back().is_some() => Kept::Nothing,
            _ => Kept::Half(Some((self.done, self.total()))),
        };
        StepFailure { kept, ..failure }
    }

    /// Appends the `done` entry and renews the lease.
    fn end(&self, locked: &SqliteLocked, seq: i64) -> Result<i64, StepFailure> {
        let half = |failure: StepFailure| StepFailure {
            what: "ran, but could not be recorded".to_owned(),
            kept: Kept::Half(Some((self.done, self.total()))),
            ..failure
        };
        let append = |connection: &Connection| -> Result<i64, Trouble> {
            let since = "select max(0, cast(unixepoch('subsec') * 1000 as integer) - at_ms) \
                from main.stepladder_ledger where seq = ?1";
            let duration: i64 = connection.query_row(since, [seq], |row| row.get(0))?;
            let mut done = NewEntry::of(self.job.step, EntryEvent::Done);
            done.duration_ms = Some(duration);
            done.parts_done = Some(self.total());
            done.parts_total = Some(self.total());
            let renewed = lease::renew(connection, &self.owner.token, locked.lease)?;
            match (Line { owner: self.owner, entry: &done }).append(connection)? {
                Some(_) if renewed => Ok(duration),
                _ => Err(lease_lost().into()),
            }
        };
        lease::immediately(self.connection(), &locked.target, append).map_err(|f| half(self.job.before(f)))
    }
}

/// Why the statements did not come to their end.
enum Stopped {
    Rejected(Rejected),
    Journal(Failure),
}

impl From<Rejected> for Stopped {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// Whether a statement can be in a transaction, and neither begins nor ends one. What is not known is run as it is.
fn is_plain(statement: &str) -> bool {
    const PLAIN: [&str; 9] = ["insert", "update", "delete", "replace", "create", "drop", "alter", "select", "with"];
    let word: String = statement.chars().take_while(char::is_ascii_alphabetic).collect();
    PLAIN.iter().any(|plain| word.eq_ignore_ascii_case(plain))
}

fn count(parts: usize) -> u32 {
    u32::try_from(parts).unwrap_or(u32::MAX)
}
