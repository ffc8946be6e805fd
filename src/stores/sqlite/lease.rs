//! The lease: one row, arbitrated by SQLite's own write lock and clock.

use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, named_params};

use super::busy::blocker;
use super::connect::{Session, Target};
use super::errors;
use super::ledger::{self, CREATE, Line, Trouble, now};
use crate::domain::ledger::FORMAT;
use crate::domain::{Failure, FailureKind};
use crate::process::identity;
use crate::stores::{Heart, Holder, NewEntry, Owner};

/// How often a lock of another program is tried again.
const POLL: Duration = Duration::from_millis(20);

const READ: &str = concat!(
    "select user_name, host, pid, process, run, token, since_ms, ",
    now!(),
    " - renewed_ms, expires_ms - ",
    now!(),
    " from main.stepladder_lease where id = 1"
);

const TAKE: &str = concat!(
    "insert or replace into main.stepladder_lease ",
    "(id, user_name, host, pid, process, run, token, since_ms, renewed_ms, expires_ms) ",
    "select 1, :user, :host, :pid, :process, :run, :token, now, now, now + :lease from (select ",
    now!(),
    " as now)"
);

/// Renews the lease; no row when it is not ours any more.
pub(super) const RENEW: &str = concat!(
    "update main.stepladder_lease set renewed_ms = ",
    now!(),
    ", expires_ms = ",
    now!(),
    " + :lease where id = 1 and token = :token"
);

const GIVE_BACK: &str = "delete from main.stepladder_lease where id = 1 and token = ?1";

/// Who holds the lease.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Holder>> {
    let there: bool = connection.query_row(
        "select exists (select 1 from main.sqlite_schema where type = 'table' and name = 'stepladder_lease')",
        [],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(None);
    }
    connection
        .query_row(READ, [], |row| {
            Ok(Holder {
                user: row.get(0)?,
                host: row.get(1)?,
                pid: row.get(2)?,
                process: row.get(3)?,
                run: row.get(4)?,
                token: row.get(5)?,
                since_ms: row.get(6)?,
                idle_ms: row.get(7)?,
                expires_in_ms: row.get(8)?,
            })
        })
        .optional()
}

/// How an attempt at the lease ended.
pub(super) enum Attempt {
    /// It is ours; a stale one may have been taken over for it.
    Ours(Option<Holder>),
    /// Somebody else's.
    Held(Holder),
}

/// Creates the ledger where there is none and takes the lease. A database that another run keeps locked counts as
/// held; one that another program keeps locked is waited for, but not for long.
pub(super) fn take(session: &Session, target: &Target, owner: &Owner, lease: Duration) -> Result<Attempt, Failure> {
    let connection = &session.connection;
    let wrong = |e: &rusqlite::Error| errors::failure(&target.location, e);
    let deadline = Instant::now() + target.busy_timeout;
    connection.busy_timeout(Duration::ZERO).map_err(|e| wrong(&e))?;
    loop {
        match attempt(connection, owner, lease) {
            Ok(attempt) => {
                connection.busy_timeout(target.busy_timeout).map_err(|e| wrong(&e))?;
                return Ok(attempt);
            }
            Err(Trouble::Sqlite(e)) if errors::is_busy(&e) => {
                if let Some(holder) = busy_holder(connection, target, owner, lease) {
                    return Ok(Attempt::Held(holder));
                }
                if Instant::now() >= deadline {
                    return Err(errors::locked(&target.location, FailureKind::Unreachable, &e));
                }
                std::thread::sleep(POLL);
            }
            Err(Trouble::Sqlite(e)) => return Err(wrong(&e)),
            Err(Trouble::Ledger(failure)) => return Err(failure),
        }
    }
}

fn attempt(connection: &Connection, owner: &Owner, lease: Duration) -> Result<Attempt, Trouble> {
    connection.execute_batch("begin immediate")?;
    let attempt = in_transaction(connection, owner, lease);
    let ended = match &attempt {
        Ok(Attempt::Ours(_)) => connection.execute_batch("commit"),
        _ => Ok(()),
    };
    if !connection.is_autocommit() {
        // Also after a failed commit, which leaves the transaction open.
        let _ = connection.execute_batch("rollback");
    }
    let attempt = attempt?;
    ended?;
    Ok(attempt)
}

fn in_transaction(connection: &Connection, owner: &Owner, lease: Duration) -> Result<Attempt, Trouble> {
    if !ledger::exists(connection)? {
        connection.execute_batch(CREATE)?;
        connection.execute(
            "insert into main.stepladder_meta (format) select ?1 where not exists (select 1 from main.stepladder_meta)",
            [FORMAT],
        )?;
    }
    let before = read(connection)?;
    if let Some(holder) = before.as_ref().filter(|h| !h.is_stale(owner)) {
        return Ok(Attempt::Held(holder.clone()));
    }
    connection.execute(
        TAKE,
        named_params! {
            ":user": owner.user,
            ":host": owner.host,
            ":pid": owner.pid,
            ":process": owner.process,
            ":run": owner.run,
            ":token": owner.token,
            ":lease": millis(lease),
        },
    )?;
    if let Some(holder) = &before {
        Line { owner, entry: &NewEntry::unlocked(holder.takeover_note()) }.append(connection)?;
    }
    Ok(Attempt::Ours(before))
}

/// The run whose script keeps the database locked, if it is one. Its lease may have run out meanwhile, because while
/// its script holds the write lock nobody can renew it; nobody can take it over either.
fn busy_holder(connection: &Connection, target: &Target, owner: &Owner, lease: Duration) -> Option<Holder> {
    let blocker = blocker(&target.location);
    match read(connection) {
        Ok(Some(holder)) => {
            let by_holder = blocker.as_ref().is_none_or(|b| b.pid == holder.pid);
            (by_holder || !holder.is_stale(owner)).then_some(holder)
        }
        Ok(None) => None,
        // A script that has written more than fits into the cache locks readers out too.
        Err(_) => {
            let blocker = blocker.filter(super::busy::Blocker::is_stepladder)?;
            Some(Holder {
                user: "somebody".to_owned(),
                host: owner.host.clone(),
                pid: blocker.pid,
                process: identity::fingerprint(blocker.pid).unwrap_or_default(),
                run: String::new(),
                token: String::new(),
                since_ms: jiff::Timestamp::now().as_millisecond(),
                idle_ms: 0,
                expires_in_ms: millis(lease),
            })
        }
    }
}

/// Releases the lease that `seen` describes, when it is still the same one.
pub(super) fn unlock(session: &Session, target: &Target, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    let release = |connection: &Connection| -> Result<bool, Trouble> {
        if !ledger::exists(connection)? || read(connection)?.is_none_or(|h| h.token != seen.token) {
            return Ok(false);
        }
        // Entries are written under a lease only, so it is ours for the length of this transaction.
        connection.execute("update main.stepladder_lease set token = ?1 where id = 1", [&by.token])?;
        let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
        Line { owner: by, entry: &NewEntry::unlocked(note) }.append(connection)?;
        Ok(connection.execute(GIVE_BACK, [&by.token])? == 1)
    };
    immediately(&session.connection, target, release)
}

/// Does something in one transaction that waits for other programs' locks.
pub(super) fn immediately<T>(
    connection: &Connection,
    target: &Target,
    work: impl FnOnce(&Connection) -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let sqlite = |e: rusqlite::Error| errors::failure(&target.location, &e);
    connection.execute_batch("begin immediate").map_err(sqlite)?;
    let outcome = work(connection).and_then(|value| Ok(connection.execute_batch("commit").map(|()| value)?));
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("rollback");
    }
    outcome.map_err(|trouble| match trouble {
        Trouble::Sqlite(e) => sqlite(e),
        Trouble::Ledger(failure) => failure,
    })
}

/// Gives the lease back.
pub(super) fn release(connection: &Connection, owner: &Owner) -> rusqlite::Result<()> {
    connection.execute(GIVE_BACK, [&owner.token]).map(|_| ())
}

/// Renews a lease through connections of its own. Each beat opens one anew: a connection that stays open would keep
/// scripts from changing the journal mode.
pub(super) struct SqliteHeart {
    /// The database.
    pub target: Target,
    /// The run's fencing token.
    pub token: String,
    /// How long the lease lasts.
    pub lease: Duration,
}

impl Heart for SqliteHeart {
    fn beat(&mut self) -> Result<bool, Failure> {
        let renew = || -> rusqlite::Result<bool> {
            let connection = self.target.beside()?;
            connection.busy_timeout(Duration::from_millis(100))?;
            renew(&connection, &self.token, self.lease)
        };
        match renew() {
            // Whoever holds the write lock, be it our own script, nobody can take the lease meanwhile.
            Err(e) if matches!(e.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                Ok(true)
            }
            renewed => renewed.map_err(|e| errors::failure(&self.target.location, &e)),
        }
    }
}

/// Renews the lease; false when it is not ours any more.
pub(super) fn renew(connection: &Connection, token: &str, lease: Duration) -> rusqlite::Result<bool> {
    let renewed =
        connection.prepare_cached(RENEW)?.execute(named_params! {":lease": millis(lease), ":token": token})?;
    Ok(renewed == 1)
}

fn millis(lease: Duration) -> i64 {
    i64::try_from(lease.as_millis()).unwrap_or(i64::MAX)
}
