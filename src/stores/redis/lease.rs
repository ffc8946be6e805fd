//! The lease: one hash, by the server's clock.

use std::time::Duration;

use super::ledger::{eval, known_format, lua, unlocked, was_ours};
use super::session::Session;
use super::words::{items, pack, pairs, text};
use crate::domain::ledger::FORMAT;
use crate::domain::{Failure, FailureKind};
use crate::stores::{Heart, Holder, Owner};

const TAKE: &str = lua!("lease");
const UNLOCK: &str = lua!("unlock");
const RENEW: &str = lua!("renew");
const RELEASE: &str = lua!("release");

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours; whose it was, when a stale one was taken over.
    Ours(Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// Milliseconds as our scripts take them.
pub fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// Reads who holds the lease, expired or not.
///
/// # Errors
/// No answer.
pub fn holder(session: &mut Session) -> Result<Option<Holder>, Failure> {
    let mut packed = Vec::new();
    pack(&["HGETALL", &session.endpoint.key("lease")], &mut packed);
    pack(&["TIME"], &mut packed);
    let mut replies = session.send(packed, 2)?.into_iter();
    let mut next = || replies.next().unwrap_or_else(|| Err("no answer".to_owned()));
    let (lease, time) = (next(), next());
    let lease = pairs(&lease.map_err(|words| session.refused(&words))?);
    let time = time.map_err(|words| session.refused(&words))?;
    let part = |at: usize| items(&time).get(at).and_then(text).and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    let now = part(0) * 1000 + part(1) / 1000;
    let Some(token) = lease.get("token") else { return Ok(None) };
    let own = |name: &str| lease.get(name).cloned().unwrap_or_default();
    let number = |name: &str| own(name).parse::<i64>().unwrap_or(0);
    Ok(Some(Holder {
        user: own("user"),
        host: own("host"),
        pid: own("pid").parse().unwrap_or(0),
        process: own("process"),
        run: own("run"),
        token: token.clone(),
        since_ms: number("since"),
        idle_ms: now - number("renewed"),
        expires_in_ms: number("expires") - now,
    }))
}

/// Tries to take the lease once, and makes the ledger where there is none.
///
/// # Errors
/// The server's refusal; a ledger of a newer format.
pub fn take(session: &mut Session, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    // A holder that goes away between the two steps makes another round worth while.
    for _ in 0..3 {
        let seen = holder(session)?;
        if let Some(holder) = seen.as_ref().filter(|h| !h.is_stale(owner)) {
            return Ok(Attempt::Held(holder.clone()));
        }
        let words = eval(&session.endpoint, TAKE, claim(owner, seen.as_ref(), length));
        let said = session.ask(&words)?;
        let said: Vec<String> = items(&said).iter().filter_map(text).collect();
        match said.first().map(String::as_str) {
            Some("ours") => return Ok(Attempt::Ours(seen)),
            Some("newer") => known_format(session, said.get(1).map_or("", String::as_str))?,
            _ => {}
        }
    }
    match holder(session)? {
        Some(holder) => Ok(Attempt::Held(holder)),
        None => Err(Failure::failed("the lease changed hands three times in a moment").hint("run the command again")),
    }
}

fn claim(owner: &Owner, seen: Option<&Holder>, length: Duration) -> Vec<Vec<u8>> {
    let own = [
        ("user", owner.user.clone()),
        ("host", owner.host.clone()),
        ("pid", owner.pid.to_string()),
        ("process", owner.process.clone()),
        ("run", owner.run.clone()),
        ("token", owner.token.clone()),
        ("tool", owner.tool.clone()),
    ];
    // An expired lease may have been renewed since it was read; that of a dead process cannot.
    let gone = seen.is_some_and(|h| h.expires_in_ms > 0);
    let mut words: Vec<Vec<u8>> = vec![
        seen.map(|h| h.token.clone()).unwrap_or_default().into_bytes(),
        if gone { b"1".to_vec() } else { b"0".to_vec() },
        millis(length).into_bytes(),
        FORMAT.to_string().into_bytes(),
        seen.map(|h| unlocked(owner, h.takeover_note())).unwrap_or_default().into_bytes(),
    ];
    words.extend(own.into_iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value.into_bytes()]));
    words
}

/// Releases somebody else's lease, with an `unlocked` entry.
///
/// # Errors
/// The server's refusal.
pub fn unlock(session: &mut Session, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
    let words = eval(&session.endpoint, UNLOCK, [seen.token.clone(), unlocked(by, note)]);
    session.ask(&words).map(|v| was_ours(&v))
}

/// Gives our own lease back.
///
/// # Errors
/// The server's refusal.
pub fn release(session: &mut Session, token: &str) -> Result<(), Failure> {
    let words = eval(&session.endpoint, RELEASE, [token]);
    session.ask(&words).map(drop)
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

    fn renew(&mut self) -> Result<bool, Failure> {
        let arguments = [self.token.clone(), millis(self.length)];
        let words = eval(&self.session.endpoint, RENEW, arguments);
        let mut packed = Vec::new();
        pack(&words, &mut packed);
        match self.session.send(packed, 1)?.pop() {
            // While a script runs nobody can take the lease, and ours renews it at its end.
            Some(Err(words)) if words.starts_with("BUSY") => Ok(true),
            Some(Err(words)) => Err(self.session.refused(&words)),
            Some(Ok(value)) => Ok(was_ours(&value)),
            None => Ok(false),
        }
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        // Renewing twice does no harm, so what was lost on its way is sent again.
        match self.renew() {
            Err(failure) if failure.kind == FailureKind::Unreachable => self.renew(),
            other => other,
        }
    }
}
