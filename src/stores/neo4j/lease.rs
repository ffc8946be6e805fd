//! The lease: one node, by the server's clock.

use std::time::Duration;

use super::bolt::Value;
use super::session::{Rows, Session};
use super::statement::{self, NOW};
use crate::domain::{Failure, FailureKind};
use crate::stores::{Heart, Holder, Owner};

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours; whose it was, when a stale one was taken over.
    Ours(Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// Locks the ledger, so that only one at a time decides about the lease.
const LOCK: &str = "MATCH (m:StepladderMeta {id: 1}) SET m.lock = true WITH m";

/// Reads who holds the lease, expired or not.
///
/// # Errors
/// No answer.
pub fn holder(session: &mut Session) -> Result<Option<Holder>, Failure> {
    let rows = session.read(&format!(
        "MATCH (l:StepladderLease {{id: 1}}) WITH l, {NOW} AS now \
         RETURN l.user, l.host, l.pid, l.process, l.run, l.token, l.since, now - l.renewed, l.expires - now"
    ))?;
    Ok(rows.first().map(|row| {
        let text = |at: usize| row.get(at).and_then(Value::as_text).unwrap_or_default().to_owned();
        let number = |at: usize| row.get(at).and_then(Value::as_int).unwrap_or(0);
        Holder {
            user: text(0),
            host: text(1),
            pid: u32::try_from(number(2)).unwrap_or(0),
            process: text(3),
            run: text(4),
            token: text(5),
            since_ms: number(6),
            idle_ms: number(7),
            expires_in_ms: number(8),
        }
    }))
}

/// Tries to take the lease once from whom it was `seen` with. It changes hands only if it is still theirs.
///
/// # Errors
/// The server's refusal.
pub fn take(
    session: &mut Session,
    owner: &Owner,
    length: Duration,
    mut seen: Option<Holder>,
) -> Result<Attempt, Failure> {
    // A holder that goes away between the two statements makes another round worth while.
    for _ in 0..3 {
        let taken = match &seen {
            None => session.write_with(
                &format!(
                    "{LOCK} OPTIONAL MATCH (l:StepladderLease {{id: 1}}) WITH m, l WHERE l IS NULL \
                     CREATE (n:StepladderLease {{id: 1}}) WITH n {} RETURN 1",
                    set("n")
                ),
                [("lease", properties(owner)), ("length", millis(length))],
            )?,
            Some(holder) if holder.is_stale(owner) => take_over(session, owner, holder, length)?,
            Some(holder) => return Ok(Attempt::Held(holder.clone())),
        };
        if !taken.is_empty() {
            return Ok(Attempt::Ours(seen));
        }
        seen = holder(session)?;
    }
    match seen {
        Some(holder) => Ok(Attempt::Held(holder)),
        None => Err(Failure::failed("the lease changed hands three times in a moment").hint("run the command again")),
    }
}

fn millis(time: Duration) -> Value {
    Value::Int(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn properties(owner: &Owner) -> Value {
    Value::map([
        ("id", Value::Int(1)),
        ("user", Value::text(&owner.user)),
        ("host", Value::text(&owner.host)),
        ("pid", Value::Int(i64::from(owner.pid))),
        ("process", Value::text(&owner.process)),
        ("run", Value::text(&owner.run)),
        ("token", Value::text(&owner.token)),
        ("tool", Value::text(&owner.tool)),
    ])
}

/// Gives a lease to whom `$lease` names, from now on for `$length`.
fn set(node: &str) -> String {
    format!("SET {node} = $lease, {node}.since = {NOW}, {node}.renewed = {NOW}, {node}.expires = {NOW} + $length")
}

fn take_over(session: &mut Session, owner: &Owner, from: &Holder, length: Duration) -> Result<Rows, Failure> {
    let statement = format!(
        "{LOCK} MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true \
         WITH m, l WHERE l.token = $seen AND ($gone OR l.expires <= {NOW}) {} {} RETURN 1",
        set("l"),
        statement::UNLOCKED,
    );
    session.write_with(
        &statement,
        [
            ("lease", properties(owner)),
            ("length", millis(length)),
            ("seen", Value::text(&from.token)),
            // An expired lease may have been renewed since it was read; that of a dead process cannot.
            ("gone", Value::Bool(from.expires_in_ms > 0)),
            ("entry", statement::unlocked(owner, &from.takeover_note())),
        ],
    )
}

/// Releases somebody else's lease, with an `unlocked` entry.
///
/// # Errors
/// The server's refusal.
pub fn unlock(session: &mut Session, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
    let statement = format!(
        "{LOCK} MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH m, l WHERE l.token = $seen DELETE l {} RETURN 1",
        statement::UNLOCKED,
    );
    let values = [("seen", Value::text(&seen.token)), ("entry", statement::unlocked(by, &note))];
    Ok(!session.write_with(&statement, values)?.is_empty())
}

/// Gives our own lease back.
///
/// # Errors
/// The server's refusal.
pub fn release(session: &mut Session, token: &str) -> Result<(), Failure> {
    let statement =
        format!("{LOCK} MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH l WHERE l.token = $token DELETE l");
    session.write_with(&statement, [("token", Value::text(token))]).map(drop)
}

/// Lets no further step begin: the client has been given all of them. One that is in a transaction by now may end it.
///
/// # Errors
/// The server's refusal.
pub fn ask_to_stop(session: &mut Session, token: &str, stop: bool) -> Result<(), Failure> {
    let set = if stop { format!("SET l.stop = {NOW}") } else { "REMOVE l.stop".to_owned() };
    let statement = format!("MATCH (l:StepladderLease {{id: 1}}) WHERE l.token = $token {set}");
    session.write_with(&statement, [("token", Value::text(token))]).map(drop)
}

/// Renews the lease over a connection of its own.
pub struct Pulse {
    session: Session,
    token: String,
    length: Duration,
}

impl Pulse {
    /// Renews the lease with this token.
    pub fn new(session: Session, token: &str, length: Duration) -> Self {
        Self { session, token: token.to_owned(), length }
    }

    fn renew(&mut self) -> Result<Rows, Failure> {
        let statement = format!(
            "MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH l, {NOW} AS now \
             WHERE l.token = $token AND l.expires > now SET l.renewed = now, l.expires = now + $length RETURN 1"
        );
        let values = [("token", Value::text(&self.token)), ("length", millis(self.length))];
        self.session.write_with(&statement, values)
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        // Renewing twice does no harm, so what was lost on its way is sent again.
        let rows = match self.renew() {
            Err(failure) if failure.kind == FailureKind::Unreachable => self.renew()?,
            other => other?,
        };
        Ok(!rows.is_empty())
    }
}
