//! The lease: one document of the ledger's index, which only changes when its last write was seen (`if_seq_no`).
//!
//! It is arbitrated by the primary of the index's only shard, and its times are of the clock of the node that is asked.
//! The document stays when a lease is given back: its numbers then go on, so that a late request can never meet a new one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::api::{Api, At, Document};
use crate::domain::Failure;
use crate::stores::{Heart, Holder, Owner};

/// The document.
pub const ID: &str = "lease";

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours; whose it was, when a stale one was taken over; and the server's clock.
    Ours(Option<Holder>, i64),
    /// Somebody else is at work.
    Held(Holder),
}

/// Who holds the lease, expired or not.
///
/// # Errors
/// The cluster does not answer.
pub fn holder(api: &Api) -> Result<Option<Holder>, Failure> {
    match api.get(ID)?.filter(is_taken) {
        Some(found) => Ok(Some(read(&found.source["lease"], api.now_ms()?))),
        None => Ok(None),
    }
}

fn is_taken(document: &Document) -> bool {
    document.source["lease"]["token"].as_str().is_some_and(|token| !token.is_empty())
}

/// Tries to take it once.
///
/// # Errors
/// The cluster does not answer, or refuses.
pub fn take(api: &Api, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    // Somebody else may be at it in this very moment: another round finds out who.
    for _ in 0..6 {
        let found = api.get(ID)?;
        let now = api.now_ms()?;
        let holder = found.as_ref().filter(|d| is_taken(d)).map(|d| read(&d.source["lease"], now));
        match &holder {
            // The answer to our own request had been lost.
            Some(holder) if holder.token == owner.token => return Ok(Attempt::Ours(None, now)),
            Some(holder) if !holder.is_stale(owner) => return Ok(Attempt::Held(holder.clone())),
            _ => {}
        }
        let ours = document(owner, now, now, length);
        let written = match &found {
            Some(found) => api.replace(ID, found.at, &ours)?,
            None => api.create(ID, &ours)?,
        };
        if written.is_some() {
            return Ok(Attempt::Ours(holder, now));
        }
    }
    Err(Failure::failed("the lease changed hands many times in a moment").hint("run the command again"))
}

/// Whether the lease is ours.
///
/// # Errors
/// The cluster does not answer.
pub fn is_held(api: &Api, token: &str) -> Result<bool, Failure> {
    Ok(held_at(api, token)?.is_some())
}

fn held_at(api: &Api, token: &str) -> Result<Option<At>, Failure> {
    Ok(api.get(ID)?.filter(|found| found.source["lease"]["token"] == token).map(|found| found.at))
}

/// Gives the lease back that has this token; false when it is somebody else's, or nobody's.
///
/// # Errors
/// The cluster does not answer.
pub fn release(api: &Api, token: &str) -> Result<bool, Failure> {
    // The heartbeat may come in between.
    while let Some(at) = held_at(api, token)? {
        if api.replace(ID, at, &json!({ "lease": {} }))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn document(owner: &Owner, since: i64, now: i64, length: Duration) -> Value {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    json!({ "lease": {
        "user": owner.user,
        "host": owner.host,
        "pid": owner.pid,
        "process": owner.process,
        "run": owner.run,
        "token": owner.token,
        "tool": owner.tool,
        "since_ms": since,
        "renewed_ms": now,
        "expires_ms": now.saturating_add(length),
    } })
}

fn read(lease: &Value, now: i64) -> Holder {
    let text = |key: &str| lease[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| lease[key].as_i64().unwrap_or(0);
    Holder {
        user: text("user"),
        host: text("host"),
        pid: u32::try_from(number("pid")).unwrap_or(0),
        process: text("process"),
        run: text("run"),
        token: text("token"),
        since_ms: number("since_ms"),
        idle_ms: now.saturating_sub(number("renewed_ms")),
        expires_in_ms: number("expires_ms").saturating_sub(now),
    }
}

/// After this time the server is asked for its clock again; ours measures in between.
const SET_CLOCK: Duration = Duration::from_secs(60);

/// Renews the lease: mostly with one request, since a busy cluster answers each of them late.
pub struct Pulse {
    api: Api,
    owner: Owner,
    /// When it was taken, by the server's clock.
    since: i64,
    length: Duration,
    /// The server's clock, and ours when it said so.
    clock: (i64, Instant),
    /// The last write of the lease, if it was ours.
    seen: Option<At>,
}

impl Pulse {
    /// Of a lease that was taken when the server's clock and ours said this.
    pub fn new(api: Api, owner: Owner, taken: (i64, Instant), length: Duration) -> Self {
        Self { api, owner, since: taken.0, length, clock: taken, seen: None }
    }

    fn now(&mut self) -> Result<i64, Failure> {
        if self.clock.1.elapsed() > SET_CLOCK {
            self.clock = (self.api.now_ms()?, Instant::now());
        }
        let passed = i64::try_from(self.clock.1.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(self.clock.0.saturating_add(passed))
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        let now = self.now()?;
        let renewed = document(&self.owner, self.since, now, self.length);
        if let Some(at) = self.seen.take() {
            self.seen = self.api.replace(ID, at, &renewed)?;
        }
        if self.seen.is_none() {
            // Somebody wrote since then; it may have been us, and the answer was lost.
            let Some(at) = held_at(&self.api, &self.owner.token)? else { return Ok(false) };
            self.seen = self.api.replace(ID, at, &renewed)?;
        }
        Ok(self.seen.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_by_the_servers_clock() {
        let owner = crate::process::identity::owner("r1");
        let lease = document(&owner, 1000, 5000, Duration::from_secs(15));
        let holder = read(&lease["lease"], 6000);
        assert_eq!((holder.since_ms, holder.idle_ms, holder.expires_in_ms), (1000, 1000, 14_000));
        assert_eq!((holder.pid, holder.token.as_str()), (owner.pid, owner.token.as_str()));
        assert!(!holder.is_stale(&owner) && read(&lease["lease"], 20_001).is_stale(&owner));
    }
}
