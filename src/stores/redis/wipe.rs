//! What `fresh` removes: every key of this database that is not the ledger's. Other databases, function libraries, users and
//! settings are the server's, and stay.

use std::collections::BTreeMap;

use redis::Value;

use super::cluster::Cluster;
use super::ledger::{KEYS, eval, lua, was_ours};
use super::locked::Held;
use super::session::Session;
use super::words::{items, pack, text};
use crate::domain::Failure;
use crate::domain::plan::count;

const WIPE: &str = lua!("wipe");

/// How many keys are asked for at a time.
const PAGE: &str = "1000";

/// Calls `each` with every page of the user's keys, on every master of a cluster.
fn pages(
    session: &mut Session,
    cluster: Option<&Cluster>,
    mut each: impl FnMut(&mut Session, Vec<&[u8]>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    match cluster {
        Some(cluster) => cluster.masters().iter().try_for_each(|at| pages_of(&mut session.fixed_at(at), &mut each)),
        None => pages_of(session, &mut each),
    }
}

fn pages_of(
    session: &mut Session,
    each: &mut impl FnMut(&mut Session, Vec<&[u8]>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let ours: Vec<Vec<u8>> = KEYS.iter().map(|key| session.endpoint.key(key).into_bytes()).collect();
    let mut cursor = "0".to_owned();
    loop {
        let page = session.ask(&["SCAN", cursor.as_str(), "COUNT", PAGE])?;
        let [next, keys] = items(&page) else { return Ok(()) };
        let keys = items(keys).iter().filter_map(|key| match key {
            Value::BulkString(bytes) if !ours.contains(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        let keys: Vec<&[u8]> = keys.collect();
        if !keys.is_empty() {
            each(session, keys)?;
        }
        cursor = text(next).unwrap_or_default();
        if cursor == "0" || cursor.is_empty() {
            return Ok(());
        }
    }
}

/// How many keys of which type there are, by what stands before the first colon of their names.
///
/// # Errors
/// No answer.
pub fn inventory(session: &mut Session) -> Result<Vec<String>, Failure> {
    let mut found: BTreeMap<(String, String), usize> = BTreeMap::new();
    let cluster = Cluster::find(session)?;
    pages(session, cluster.as_ref(), |session, keys| {
        let mut packed = Vec::new();
        for key in &keys {
            pack(&[b"TYPE".as_slice(), key], &mut packed);
        }
        for (key, reply) in keys.iter().zip(session.send(packed, keys.len())?) {
            let sort = reply.ok().as_ref().and_then(text).unwrap_or_default();
            let name = String::from_utf8_lossy(key);
            let name = name.split_once(':').map_or(name.to_string(), |(family, _)| format!("{family}:*"));
            *found.entry((name, sort)).or_default() += 1;
        }
        Ok(())
    })?;
    const MOST: usize = 100;
    let all: usize = found.values().sum();
    let shown: usize = found.values().take(MOST).sum();
    let mut lines: Vec<String> =
        found.iter().take(MOST).map(|((name, sort), n)| format!("{sort} {name} ({})", count(*n, "key"))).collect();
    if shown < all {
        lines.push(format!("{} of other names", count(all - shown, "key")));
    }
    Ok(lines)
}

/// Removes keys: in a cluster one by one, since a command takes no keys of several slots.
fn unlink(session: &mut Session, keys: &[&[u8]], apart: bool) -> Result<(), Failure> {
    let mut packed = Vec::new();
    let commands = keys.chunks(if apart { 1 } else { keys.len().max(1) });
    let count = commands.len();
    for keys in commands {
        let words: Vec<&[u8]> = std::iter::once(b"UNLINK".as_slice()).chain(keys.iter().copied()).collect();
        pack(&words, &mut packed);
    }
    session
        .send(packed, count)?
        .into_iter()
        .try_for_each(|reply| reply.map(drop).map_err(|words| session.refused(&words)))
}

/// Removes the user's keys and empties the ledger. Each page first looks whether the lease is still ours.
///
/// # Errors
/// The server's refusal.
pub fn wipe(held: &mut Held) -> Result<bool, Failure> {
    let mut session = held.session.another();
    let mut kept = true;
    // Borrowed for the while, since each page looks at the lease.
    let cluster = held.cluster.take();
    let wiped = pages(&mut session, cluster.as_ref(), |session, keys| {
        kept = kept && held.renew()?;
        if kept {
            unlink(session, &keys, cluster.is_some())?;
        }
        Ok(())
    });
    held.cluster = cluster;
    wiped?;
    let words = eval(&held.session.endpoint, WIPE, [held.owner.token.clone()]);
    Ok(kept && held.session.ask(&words).map(|v| was_ours(&v))?)
}
