//! The lease: part of the one document that the ledger's writers meet at, by the server's clock.
//!
//! One document changes as a whole or not at all, everywhere. Whoever takes the lease names in his request the holder
//! that he saw; whoever renews it names himself. The server puts its own clock in (`$currentDate`).

use std::time::Duration;

use bson::{Bson, Document, doc};

use super::ledger;
use super::session::Session;
use super::wire::number;
use crate::domain::Failure;
use crate::stores::{Heart, Holder, Owner};

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours; whose it was, when a stale one was taken over.
    Ours(Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// Who holds the lease, expired or not.
///
/// # Errors
/// The server does not answer; a newer ledger.
pub fn holder(session: &mut Session) -> Result<Option<Holder>, Failure> {
    let Some(head) = ledger::head(session)? else { return Ok(None) };
    let now = session.now_ms()?;
    Ok(head.lease().map(|lease| read(lease, now)))
}

/// Tries to take it once.
///
/// # Errors
/// The server does not answer, or refuses; a newer ledger.
pub fn take(session: &mut Session, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    let mut from = None;
    // A holder that goes away between two requests makes another round worth while.
    for _ in 0..8 {
        let Some(head) = ledger::head(session)? else {
            ledger::create(session)?;
            continue;
        };
        let now = session.now_ms()?;
        let mut seen = doc! { "_id": 1, "seq": head.seq(), "lease.token": Bson::Null };
        let mut set = fields(owner, length);
        if let Some(lease) = head.lease() {
            let holder = read(lease, now);
            if holder.token == owner.token {
                // The answer to our own request had been lost.
                return Ok(Attempt::Ours(from));
            }
            if !holder.is_stale(owner) {
                return Ok(Attempt::Held(holder));
            }
            seen.insert("lease.token", holder.token.clone());
            seen.insert("lease.renewed", lease.get("renewed").cloned().unwrap_or(Bson::Null));
            let note = ledger::unlocked(owner, now, holder.takeover_note());
            ledger::flush(session, &head.tail())?;
            set.extend(head.followed_by(&[note]));
            from = Some(holder);
        }
        let update = doc! { "$set": set, "$currentDate": { "lease.since": true, "lease.renewed": true } };
        if ledger::change(session, seen, update)? {
            if let Some(head) = ledger::head(session)? {
                ledger::flush(session, &head.tail())?;
            }
            return Ok(Attempt::Ours(from));
        }
    }
    Err(Failure::failed("the lease changed hands many times in a moment").hint("run the command again"))
}

/// Gives our own lease back.
///
/// # Errors
/// The server does not answer.
pub fn release(session: &mut Session, token: &str) -> Result<(), Failure> {
    ledger::change(session, doc! { "_id": 1, "lease.token": token }, doc! { "$unset": { "lease": "" } }).map(drop)
}

/// Takes somebody else's lease away when it is still the one that was seen, and says so in the ledger.
///
/// # Errors
/// The server does not answer.
pub fn unlock(session: &mut Session, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    for _ in 0..8 {
        let Some(head) = ledger::head(session)? else { return Ok(false) };
        if head.lease().is_none_or(|lease| lease.get_str("token").ok() != Some(&seen.token)) {
            return Ok(false);
        }
        let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
        let note = ledger::unlocked(by, session.now_ms()?, note);
        ledger::flush(session, &head.tail())?;
        let set = head.followed_by(&[note]);
        let theirs = doc! { "_id": 1, "seq": head.seq(), "lease.token": &seen.token };
        if ledger::change(session, theirs, doc! { "$set": set, "$unset": { "lease": "" } })? {
            if let Some(head) = ledger::head(session)? {
                ledger::flush(session, &head.tail())?;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

fn fields(owner: &Owner, length: Duration) -> Document {
    doc! {
        "lease.user": &owner.user,
        "lease.host": &owner.host,
        "lease.pid": i64::from(owner.pid),
        "lease.process": &owner.process,
        "lease.run": &owner.run,
        "lease.token": &owner.token,
        "lease.tool": &owner.tool,
        "lease.length_ms": millis(length),
    }
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

fn read(lease: &Document, now: i64) -> Holder {
    let text = |key: &str| lease.get_str(key).unwrap_or_default().to_owned();
    let time = |key: &str| lease.get_datetime(key).map_or(0, |t| t.timestamp_millis());
    let renewed = time("renewed");
    Holder {
        user: text("user"),
        host: text("host"),
        pid: number(lease.get("pid")).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        process: text("process"),
        run: text("run"),
        token: text("token"),
        since_ms: time("since"),
        idle_ms: now.saturating_sub(renewed),
        expires_in_ms: renewed.saturating_add(number(lease.get("length_ms")).unwrap_or(0)).saturating_sub(now),
    }
}

/// Renews the lease over a connection of its own.
pub struct Pulse {
    session: Session,
    token: String,
    length: Duration,
}

impl Pulse {
    /// Not yet connected.
    pub const fn new(session: Session, token: String, length: Duration) -> Self {
        Self { session, token, length }
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        let ours = doc! { "_id": 1, "lease.token": &self.token };
        let update = doc! {
            "$set": { "lease.length_ms": millis(self.length) },
            "$currentDate": { "lease.renewed": true },
        };
        ledger::change(&mut self.session, ours, update)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_by_the_servers_clock() {
        let owner = crate::process::identity::owner("r1");
        let time = bson::DateTime::from_millis;
        let mut lease = Document::new();
        for (key, value) in fields(&owner, Duration::from_secs(15)) {
            lease.insert(key.trim_start_matches("lease."), value);
        }
        lease.insert("since", time(1000));
        lease.insert("renewed", time(5000));
        let holder = read(&lease, 6000);
        assert_eq!((holder.since_ms, holder.idle_ms, holder.expires_in_ms), (1000, 1000, 14_000));
        assert_eq!((holder.pid, holder.token.as_str()), (owner.pid, owner.token.as_str()));
        assert!(!holder.is_stale(&owner));
        assert!(read(&lease, 20_001).is_stale(&owner));
    }
}
