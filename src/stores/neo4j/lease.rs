//! The lease: one node, by the server's clock.

use std::time::Duration;

use super::bolt::Value;
use super::ledger::{self, NOW, literal};
use super::session::Session;
use crate::domain::Failure;
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

/// Tries to take the lease once. Who had it is read first, and it changes hands only if it is still theirs.
///
/// # Errors
/// The server's refusal.
pub fn take(session: &mut Session, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    // A holder that goes away between the two statements makes another round worth while.
    for _ in 0..3 {
        let seen = holder(session)?;
        let statement = match &seen {
            None => format!(
                "{LOCK} OPTIONAL MATCH (l:StepladderLease {{id: 1}}) WITH m, l WHERE l IS NULL \
                 CREATE (n:StepladderLease {}) RETURN 1",
                properties(owner, length)
            ),
            Some(holder) if holder.is_stale(owner) => take_over(owner, holder, length),
            Some(holder) => return Ok(Attempt::Held(holder.clone())),
        };
        if !session.write(&statement)?.is_empty() {
            return Ok(Attempt::Ours(seen));
        }
    }
    match holder(session)? {
        Some(holder) => Ok(Attempt::Held(holder)),
        None => Err(Failure::failed("the lease changed hands three times in a moment").hint("run the command again")),
    }
}

fn properties(owner: &Owner, length: Duration) -> String {
    format!(
        "{{id: 1, user: {}, host: {}, pid: {}, process: {}, run: {}, token: {}, tool: {}, since: {NOW}, renewed: {NOW}, \
         expires: {NOW} + {}}}",
        literal(&owner.user),
        literal(&owner.host),
        owner.pid,
        literal(&owner.process),
        literal(&owner.run),
        literal(&owner.token),
        literal(&owner.tool),
        length.as_millis(),
    )
}

fn take_over(owner: &Owner, from: &Holder, length: Duration) -> String {
    // An expired lease may have been renewed since it was read; that of a dead process cannot.
    let still = if from.expires_in_ms <= 0 { format!(" AND l.expires <= {NOW}") } else { String::new() };
    format!(
        "{LOCK} MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH m, l WHERE l.token = {}{still} SET l = {} {} RETURN 1",
        literal(&from.token),
        properties(owner, length),
        ledger::unlocked(owner, &from.takeover_note()),
    )
}

/// Releases somebody else's lease, with an `unlocked` entry.
///
/// # Errors
/// The server's refusal.
pub fn unlock(session: &mut Session, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
    let statement = format!(
        "{LOCK} MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH m, l WHERE l.token = {} DELETE l {} RETURN 1",
        literal(&seen.token),
        ledger::unlocked(by, &note),
    );
    Ok(!session.write(&statement)?.is_empty())
}

/// Gives our own lease back.
///
/// # Errors
/// The server's refusal.
pub fn release(session: &mut Session, token: &str) -> Result<(), Failure> {
    let statement = format!(
        "{LOCK} MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH l WHERE l.token = {} DELETE l",
        literal(token)
    );
    session.write(&statement).map(drop)
}

/// Lets no further step begin: the client has been given all of them.
///
/// # Errors
/// The server's refusal.
pub fn ask_to_stop(session: &mut Session, token: &str, stop: bool) -> Result<(), Failure> {
    let set = if stop { "SET l.stop = true" } else { "REMOVE l.stop" };
    let statement = format!("MATCH (l:StepladderLease {{id: 1}}) WHERE l.token = {} {set}", literal(token));
    session.write(&statement).map(drop)
}

/// Renews the lease over a connection of its own.
pub struct Pulse {
    session: Session,
    statement: String,
}

impl Pulse {
    /// Renews the lease with this token.
    pub fn new(session: Session, token: &str, length: Duration) -> Self {
        let statement = format!(
            "MATCH (l:StepladderLease {{id: 1}}) SET l.lock = true WITH l, {NOW} AS now WHERE l.token = {} AND l.expires > now \
             SET l.renewed = now, l.expires = now + {} RETURN 1",
            literal(token),
            length.as_millis()
        );
        Self { session, statement }
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        // Renewing twice does no harm, so a lost connection is made anew.
        Ok(!self.session.read(&self.statement)?.is_empty())
    }
}
