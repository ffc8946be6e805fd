//! The lease: a collection that only one can create, by the server's clock.
//!
//! A collection's id never comes again, and every change goes to an id. Whoever takes a stale lease over renames the
//! collection that he saw, by its id, and then creates a new one: a second thief who saw the same one cannot hurt the
//! new lease, and the old holder's renewal cannot either.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::api::{Api, Collection};
use crate::domain::Failure;
use crate::stores::{Heart, Holder, Owner};

/// The collection's name.
pub const NAME: &str = "stepladder_lease";

/// What a lease is called between its end and its removal.
const GONE: &str = "stepladder_gone_";

/// Whether a collection belongs to us: the ledger, the lease, or one that is about to go.
pub fn is_ours(name: &str) -> bool {
    let gone = |name: &str| {
        name.strip_prefix(GONE).is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    name == NAME || name == super::ledger::NAME || gone(name)
}

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours: its id, and whose it was, when a stale one was taken over.
    Ours(String, Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// Who holds the lease, expired or not.
///
/// # Errors
/// The server does not answer.
pub fn holder(api: &Api) -> Result<Option<Holder>, Failure> {
    let Some(found) = api.find(NAME)? else { return Ok(None) };
    Ok(Some(read(&found, api.now_ms()?)))
}

/// Tries to take it once.
///
/// # Errors
/// The server does not answer, or refuses.
pub fn take(api: &Api, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    let mut from = None;
    // A holder that goes away between two requests makes another round worth while.
    for _ in 0..4 {
        let now = api.now_ms()?;
        if let Some(made) = api.create(NAME, &metadata(owner, now, now, length))? {
            return Ok(Attempt::Ours(made.id, from));
        }
        let Some(found) = api.find(NAME)? else { continue };
        if found.text("token") == owner.token {
            // The answer to our own request had been lost.
            return Ok(Attempt::Ours(found.id, from));
        }
        let holder = read(&found, api.now_ms()?);
        if !holder.is_stale(owner) {
            return Ok(Attempt::Held(holder));
        }
        remove(api, &found.id)?;
        from = Some(holder);
    }
    Err(Failure::failed("the lease changed hands four times in a moment").hint("run the command again"))
}

/// Whether the lease is still the collection with this id, and ours.
///
/// # Errors
/// The server does not answer.
pub fn is_held(api: &Api, id: &str, token: &str) -> Result<bool, Failure> {
    Ok(api.find(NAME)?.is_some_and(|found| found.id == id && found.text("token") == token))
}

/// Takes a lease away by its id: renamed first, since only names can be dropped and a name may be another's by now.
fn remove(api: &Api, id: &str) -> Result<bool, Failure> {
    let name = format!("{GONE}{}", crate::process::identity::token());
    let renamed = api.change(id, &json!({ "new_name": name }))?;
    // What is left behind when this request fails is no lease any more; `fresh` clears it away.
    let _ = api.drop(&name);
    Ok(renamed)
}

/// Gives our own lease back.
///
/// # Errors
/// The server does not answer.
pub fn release(api: &Api, id: &str, token: &str) -> Result<(), Failure> {
    if is_held(api, id, token)? {
        remove(api, id)?;
    }
    Ok(())
}

/// Takes somebody else's lease away when it is still the one that was seen.
///
/// # Errors
/// The server does not answer.
pub fn unlock(api: &Api, seen: &Holder) -> Result<bool, Failure> {
    match api.find(NAME)? {
        Some(found) if found.text("token") == seen.token => remove(api, &found.id),
        _ => Ok(false),
    }
}

fn metadata(owner: &Owner, since: i64, now: i64, length: Duration) -> Map<String, Value> {
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let fields = json!({
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
    });
    fields.as_object().cloned().unwrap_or_default()
}

fn read(lease: &Collection, now: i64) -> Holder {
    Holder {
        user: lease.text("user"),
        host: lease.text("host"),
        pid: u32::try_from(lease.number("pid")).unwrap_or(0),
        process: lease.text("process"),
        run: lease.text("run"),
        token: lease.text("token"),
        since_ms: lease.number("since_ms"),
        idle_ms: now.saturating_sub(lease.number("renewed_ms")),
        expires_in_ms: lease.number("expires_ms").saturating_sub(now),
    }
}

/// Renews the lease.
pub struct Pulse {
    /// Speaks to the server.
    pub api: Api,
    /// The lease's collection.
    pub id: String,
    /// Whose it is.
    pub owner: Owner,
    /// When it was taken, by the server's clock.
    pub since: i64,
    /// How long it lasts.
    pub length: Duration,
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        if !is_held(&self.api, &self.id, &self.owner.token)? {
            return Ok(false);
        }
        let now = self.api.now_ms()?;
        let renewed = metadata(&self.owner, self.since, now, self.length);
        self.api.change(&self.id, &json!({ "new_metadata": renewed }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_collections_are_ours() {
        assert!(is_ours(NAME) && is_ours("stepladder_ledger"));
        assert!(is_ours("stepladder_gone_0123456789abcdef0123456789abcdef"));
        assert!(!is_ours("stepladder_gone_x") && !is_ours("stepladder_notes") && !is_ours("stepladder_leases"));
    }

    #[test]
    fn a_lease_is_read_by_the_servers_clock() {
        let owner = crate::process::identity::owner("r1");
        let metadata = metadata(&owner, 1000, 5000, Duration::from_secs(15));
        let lease = Collection { id: "i".to_owned(), name: NAME.to_owned(), metadata };
        let holder = read(&lease, 6000);
        assert_eq!((holder.since_ms, holder.idle_ms, holder.expires_in_ms), (1000, 1000, 14_000));
        assert_eq!((holder.pid, holder.token.as_str()), (owner.pid, owner.token.as_str()));
        assert!(!holder.is_stale(&owner));
        assert!(read(&lease, 20_001).is_stale(&owner));
    }
}
