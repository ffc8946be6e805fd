//! The database while this run holds its lease.

use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, named_params};

use super::connect::{Session, Target};
use super::lease::{self, SqliteHeart, immediately};
use super::ledger::{self, JOURNAL, Line, Trouble};
use super::{errors, wipe};
use crate::domain::{Failure, Version};
use crate::stores::{
    Context, Heart, Holder, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepFailure, StoredScript,
};

/// A database whose lease is ours.
pub(super) struct SqliteLocked {
    /// The database.
    pub target: Target,
    /// Us.
    pub owner: Owner,
    /// How long the lease lasts.
    pub lease: Duration,
    /// When one of our own transactions took or renewed it last.
    pub renewed: Instant,
    /// The stale lease that was taken over.
    pub took_over: Option<Holder>,
    /// The one connection; none after a step that has left something in it.
    pub session: Option<Session>,
}

impl SqliteLocked {
    /// The connection, made anew where the last step has used it up.
    pub fn session(&mut self) -> Result<&Session, Failure> {
        let session = self.take_session()?;
        Ok(self.session.insert(session))
    }

    /// The same, to be put back by whoever leaves it as it was.
    pub fn take_session(&mut self) -> Result<Session, Failure> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => self.target.work(false),
        }
    }

    /// Switches to the journal mode that the settings ask for.
    pub fn switch_journal_mode(&mut self) -> Result<(), Failure> {
        let Some(wanted) = self.target.journal_mode.clone() else { return Ok(()) };
        self.with(|connection, _| {
            let now: String = connection.query_row("pragma main.journal_mode", [], |row| row.get(0))?;
            if now.eq_ignore_ascii_case(&wanted) {
                return Ok(());
            }
            let set = format!("pragma main.journal_mode = {wanted}");
            let now: String = connection.query_row(&set, [], |row| row.get(0))?;
            match now.eq_ignore_ascii_case(&wanted) {
                true => Ok(()),
                false => Err(Failure::failed(format!("the journal mode stays `{now}` and cannot become `{wanted}`"))
                    .hint("another program may have the database open; nothing was run")
                    .into()),
            }
        })
    }

    fn with<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Connection, &Owner) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        let session = self.take_session()?;
        let session = self.session.insert(session);
        work(&session.connection, &self.owner).map_err(|trouble| match trouble {
            Trouble::Sqlite(e) => errors::failure(&self.target.location, &e),
            Trouble::Ledger(failure) => failure,
        })
    }
}

/// What is said when a guarded write did not find our token.
pub(super) fn lease_lost() -> Failure {
    Failure::failed("the lease was lost to another run, so nothing was written")
        .hint("`stepladder lock` says who holds it, `stepladder status` where things stand")
}

impl Locked for SqliteLocked {
    fn took_over(&self) -> Option<&Holder> {
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(SqliteHeart { target: self.target.clone(), token: self.owner.token.clone(), lease: self.lease }))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.with(|connection, _| ledger::read(connection))
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.with(|connection, _| ledger::stored_down(connection, version))
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        super::steps::run(self, steps, context)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        self.with(|connection, owner| match (Line { owner, entry }).append(connection)? {
            Some(_) => Ok(()),
            None => Err(lease_lost().into()),
        })
    }

    fn journal(&mut self, version: Version, done: u32, total: u32) -> Result<(), Failure> {
        self.with(|connection, owner| {
            let newest = "select max(seq) from main.stepladder_ledger where version = ?1 and event = 'begun'";
            let seq: Option<i64> =
                connection.query_row(newest, [version.to_string()], |row| row.get(0)).optional()?.flatten();
            let seq = seq.ok_or_else(|| Failure::failed(format!("version {version} has not begun")))?;
            let parameters =
                named_params! {":seq": seq, ":done": done, ":total": total, ":token": owner.token.as_str()};
            match connection.execute(JOURNAL, parameters)? {
                1 => Ok(()),
                _ => Err(lease_lost().into()),
            }
        })
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        super::steps::seed(self, step, context)
    }

    fn wipe(&mut self) -> Result<(), Failure> {
        // Dropping a table with foreign keys on deletes its rows one by one, and fails where others point at them.
        let target = Target { foreign_keys: false, ..self.target.clone() };
        self.session = None;
        let session = target.work(false)?;
        let (owner, lease) = (&self.owner, self.lease);
        immediately(&session.connection, &target, |connection| {
            if !lease::renew(connection, &owner.token, lease)? {
                return Err(lease_lost().into());
            }
            wipe::wipe(connection)
        })
    }

    fn release(mut self: Box<Self>) -> Result<(), Failure> {
        self.with(|connection, owner| Ok(lease::release(connection, owner)?))
    }
}
