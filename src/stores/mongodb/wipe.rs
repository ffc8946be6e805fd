//! What `fresh` drops: the collections and views of the database, but for the server's and those of ledgers.

use bson::{Document, doc};

use super::ledger;
use super::session::{NO_COLLECTION, Session};
use super::wire::{Trouble, number};
use crate::domain::Failure;
use crate::domain::plan::count;

/// The user's collections and views: name and sort.
///
/// # Errors
/// The server does not answer, or refuses.
pub fn things(session: &mut Session) -> Result<Vec<(String, String)>, Failure> {
    let found = session.all(&doc! { "listCollections": 1, "nameOnly": true })?;
    let text = |document: &Document, key: &str| document.get_str(key).unwrap_or_default().to_owned();
    let mut things: Vec<_> = found.iter().map(|found| (text(found, "name"), text(found, "type"))).collect();
    let names: Vec<String> = things.iter().map(|(name, _)| name.clone()).collect();
    let ledgers = ledger::all_names(session, &names)?;
    things.retain(|(name, _)| !name.starts_with("system.") && !ledgers.iter().any(|own| own.contain(name)));
    things.sort();
    Ok(things)
}

/// A line for each of them.
///
/// # Errors
/// As [`things`].
pub fn inventory(session: &mut Session) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for (name, sort) in things(session)? {
        if sort == "view" {
            lines.push(format!("view {name}"));
            continue;
        }
        lines.push(format!("collection {name} ({})", documents(session, &name)?));
    }
    Ok(lines)
}

/// How many documents a collection has. Without a condition servers answer with what their statistics say, which may be
/// long past; with one they count, and for a large collection that takes too long.
fn documents(session: &mut Session, name: &str) -> Result<String, Failure> {
    let counted = |answer: &Document| number(answer.get("n")).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let exactly = doc! { "count": name, "query": { "_id": { "$exists": true } }, "maxTimeMS": 2000 };
    match session.attempt(&exactly) {
        Ok(answer) => Ok(count(counted(&answer), "document")),
        Err(Trouble::Said(_)) => {
            let answer = session.run(&doc! { "count": name })?;
            Ok(format!("about {}", count(counted(&answer), "document")))
        }
        Err(trouble) => Err(trouble.failure(session.endpoint())),
    }
}

/// Drops one of them; one that is gone already is no trouble.
///
/// # Errors
/// The server refuses.
pub fn drop(session: &mut Session, name: &str) -> Result<(), Failure> {
    match session.attempt(&doc! { "drop": name }) {
        Err(Trouble::Said(refusal)) if refusal.code == NO_COLLECTION => Ok(()),
        Err(trouble) => Err(trouble.failure(session.endpoint())),
        Ok(_) => Ok(()),
    }
}
