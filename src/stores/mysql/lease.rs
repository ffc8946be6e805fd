//! The lease: one row, by the server's clock, never waited for inside the server.

use std::time::Duration;

use super::ledger::{Home, NOW, literal, millis, number, text};
use super::session::Session;
use super::wire::{Answer, Trouble};
use crate::domain::Failure;
use crate::stores::{Heart, Holder, Owner};

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours; whose it was, when a stale one was taken over.
    Ours(Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// Refusals that mean that somebody else was at it in the same moment: the row is there, is locked, a deadlock.
pub const BUSY: [u16; 3] = [1062, 1205, 1213];

/// Reads who holds the lease, expired or not.
///
/// # Errors
/// No answer.
pub fn holder(session: &mut Session, home: &Home) -> Result<Option<Holder>, Failure> {
    let sql = format!(
        "SELECT user_name, host, pid, process, run, token, {}, TIMESTAMPDIFF(MICROSECOND, renewed, {NOW}) DIV 1000, \
         TIMESTAMPDIFF(MICROSECOND, {NOW}, expires) DIV 1000 FROM {} WHERE id = 1",
        millis("since"),
        home.the("lease")
    );
    let rows = match session.run(&sql) {
        Err(Trouble::Refused(1146 | 1142, _)) => return Ok(None),
        Err(Trouble::Line(_)) => session.read(&sql)?,
        Err(trouble) => return Err(session.failure(trouble)),
        Ok(answers) => answers.into_iter().next().unwrap_or_default().rows,
    };
    Ok(rows.first().map(|row| {
        let own = |at: usize| text(row, at).unwrap_or_default().to_owned();
        let whole = |at: usize| number(row, at).unwrap_or(0);
        Holder {
            user: own(0),
            host: own(1),
            pid: u32::try_from(whole(2)).unwrap_or(0),
            process: own(3),
            run: own(4),
            token: own(5),
            since_ms: whole(6),
            idle_ms: whole(7),
            expires_in_ms: whole(8),
        }
    }))
}

/// Tries to take the lease once. Who had it is read first, and it changes hands only if it is still theirs.
///
/// # Errors
/// The server's refusal.
pub fn take(session: &mut Session, home: &Home, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    // A holder that goes away between the two messages makes another round worth while.
    for _ in 0..3 {
        let seen = holder(session, home)?;
        let sql = match &seen {
            None => insert(home, owner, length),
            Some(holder) if holder.is_stale(owner) => take_over(home, owner, holder, length),
            Some(holder) => return Ok(Attempt::Held(holder.clone())),
        };
        match session.run(&sql) {
            Ok(answers) if changed(&answers) => return Ok(Attempt::Ours(seen)),
            Ok(_) => {}
            Err(Trouble::Refused(number, _)) if BUSY.contains(&number) => {
                if let Some(holder) = seen {
                    return Ok(Attempt::Held(holder));
                }
            }
            Err(trouble) => return Err(session.failure(trouble)),
        }
    }
    match holder(session, home)? {
        Some(holder) => Ok(Attempt::Held(holder)),
        None => Err(Failure::failed("the lease changed hands three times in a moment").hint("run the command again")),
    }
}

/// Whether the statement that decides, the only one that changes rows at first, changed one.
fn changed(answers: &[Answer]) -> bool {
    answers.iter().any(|answer| answer.affected > 0)
}

fn after(length: Duration) -> String {
    format!("{NOW} + INTERVAL {} MICROSECOND", length.as_micros())
}

/// The columns of a lease of ours, beginning now.
fn columns(owner: &Owner, length: Duration) -> [(&'static str, String); 10] {
    [
        ("user_name", literal(&owner.user)),
        ("host", literal(&owner.host)),
        ("pid", owner.pid.to_string()),
        ("process", literal(&owner.process)),
        ("run", literal(&owner.run)),
        ("token", literal(&owner.token)),
        ("tool", literal(&owner.tool)),
        ("since", NOW.to_owned()),
        ("renewed", NOW.to_owned()),
        ("expires", after(length)),
    ]
}

fn insert(home: &Home, owner: &Owner, length: Duration) -> String {
    let columns = columns(owner, length);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    format!("INSERT INTO {} (id, {}) VALUES (1, {})", home.the("lease"), names.join(", "), values.join(", "))
}

fn take_over(home: &Home, owner: &Owner, from: &Holder, length: Duration) -> String {
    let settings: Vec<String> = columns(owner, length).iter().map(|(n, v)| format!("{n} = {v}")).collect();
    // An expired lease may have been renewed since it was read; that of a dead process cannot.
    let still = if from.expires_in_ms <= 0 { format!(" AND expires <= {NOW}") } else { String::new() };
    format!(
        "START TRANSACTION; UPDATE {} SET {} WHERE id = 1 AND token = {}{still}; {}; COMMIT",
        home.the("lease"),
        settings.join(", "),
        literal(&from.token),
        unlocked(home, owner, &from.takeover_note(), &owner.token)
    )
}

/// Appends an `unlocked` entry where the lease is this token's.
fn unlocked(home: &Home, by: &Owner, note: &str, token: &str) -> String {
    format!(
        "INSERT INTO {} (event, direction, label, checksum, run, ordinal, at, who, tool, note) \
         SELECT 'unlocked', 'up', '', '', {}, 0, {NOW}, {}, {}, {} FROM {} WHERE id = 1 AND token = {}",
        home.the("ledger"),
        literal(&by.run),
        literal(&by.who()),
        literal(&by.tool),
        literal(note),
        home.the("lease"),
        literal(token)
    )
}

/// Releases somebody else's lease, with an `unlocked` entry.
///
/// # Errors
/// The server's refusal.
pub fn unlock(session: &mut Session, home: &Home, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
    let (lease, token) = (home.the("lease"), literal(&seen.token));
    let sql = format!(
        "START TRANSACTION; SELECT id FROM {lease} WHERE id = 1 FOR UPDATE; {}; DELETE FROM {lease} WHERE id = 1 AND token = {token}; \
         COMMIT",
        unlocked(home, by, &note, &seen.token)
    );
    Ok(changed(&session.write(&sql)?))
}

/// Gives our own lease back.
///
/// # Errors
/// The server's refusal.
pub fn release(session: &mut Session, home: &Home, token: &str) -> Result<(), Failure> {
    session.write(&format!("DELETE FROM {} WHERE id = 1 AND token = {}", home.the("lease"), literal(token)))?;
    Ok(())
}

/// Renews the lease over a connection of its own.
pub struct Pulse {
    session: Session,
    sql: String,
}

impl Pulse {
    /// Renews the lease with this token.
    pub fn new(session: Session, home: &Home, token: &str, length: Duration) -> Self {
        let sql = format!(
            "UPDATE {} SET renewed = {NOW}, expires = {} WHERE id = 1 AND token = {} AND expires > {NOW}",
            home.the("lease"),
            after(length),
            literal(token)
        );
        Self { session, sql }
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        Ok(changed(&self.session.write(&self.sql)?))
    }
}
