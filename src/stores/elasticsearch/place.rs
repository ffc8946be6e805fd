//! Where a run writes: each document goes behind the last one that its writer has seen, and a fence keeps earlier runs out.

use serde_json::{Value, json};

use super::api::Api;
use super::entries::unlocked;
use super::ledger::{Pages, id, read};
use crate::domain::Failure;
use crate::stores::{Holder, Owner};

/// How often a fence is put behind somebody else's last word.
const TRIES: usize = 5;

/// Where a run writes next.
#[derive(Clone, Debug)]
pub struct Place {
    next: i64,
    token: String,
}

impl Place {
    /// Puts up a fence behind the last document there is, with the entry that says whose lease was taken over, and gives
    /// back what stands before it.
    ///
    /// # Errors
    /// As [`read`]; others write all the time.
    pub fn fenced(api: &Api, owner: &Owner, unlocked: Option<Value>) -> Result<(Self, Pages), Failure> {
        for _ in 0..TRIES {
            let mut pages = read(api)?.unwrap_or_default();
            let mut place = Self { next: pages.next(), token: owner.token.clone() };
            let mut document = json!({ "fence": { "run": owner.run, "who": owner.who() } });
            if let Some(entry) = &unlocked {
                document["entries"] = json!([entry]);
            }
            if place.write(api, document.clone())? {
                pages.documents.push(document);
                return Ok((place, pages));
            }
        }
        Err(Failure::failed("the ledger is written by others all the time").hint("run the command again"))
    }

    /// Writes a document; false when somebody else's is in its place, which leaves ours unwritten. Repeating a write
    /// whose answer was lost is harmless: it goes to the same place.
    ///
    /// # Errors
    /// The cluster does not answer, and it is not known whether the document is there.
    pub fn write(&mut self, api: &Api, mut document: Value) -> Result<bool, Failure> {
        document["seq"] = self.next.into();
        document["token"] = self.token.as_str().into();
        let id = id(self.next);
        let mut trouble = None;
        for _ in 0..3 {
            match api.create(&id, &document) {
                Ok(Some(_)) => {
                    self.next += 1;
                    return Ok(true);
                }
                Ok(None) => {
                    let ours = api.get(&id)?.is_some_and(|found| found.source["token"] == self.token.as_str());
                    self.next += i64::from(ours);
                    return Ok(ours);
                }
                Err(failure) if failure.kind == crate::FailureKind::Unreachable => trouble = Some(failure),
                Err(failure) => return Err(failure),
            }
        }
        Err(trouble.unwrap_or_else(|| Failure::failed("the ledger cannot be written")))
    }
}

/// Says that somebody's lease was released by force.
///
/// # Errors
/// As [`Place::fenced`].
pub fn say_released(api: &Api, seen: &Holder, by: &Owner) -> Result<(), Failure> {
    let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
    Place::fenced(api, by, Some(unlocked(by, api.now_ms()?, note))).map(drop)
}
