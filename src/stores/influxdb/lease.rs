//! The lease: a number that only one can claim, by the server's clock.
//!
//! Of many who create a retention policy (version 1) or a bucket (version 2) of one name at once, with different words on
//! it, exactly one succeeds. So `lease_7` belongs to whoever created it, the mark on it says who that is, and whoever takes
//! it over claims `lease_8`: the highest number holds. Claims below it are removed, and a late claim of a number that the
//! ledger has seen begin is void.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api::Api;
use super::log::{self, Log};
use super::query::{Said, field};
use crate::domain::Failure;
use crate::domain::influxql::quoted;
use crate::stores::{Heart, Holder, Owner};

const NAME: &str = "lease_";
/// The measurement of what is known about holders.
const LEASES: &str = "leases";
/// The server tells its clock in whole seconds: a lease counts from the end of the second in which it was renewed.
const TICK_MS: i64 = 1000;

/// A number that is claimed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The number.
    pub number: i64,
    /// Who claimed it.
    pub mark: String,
    /// What it is removed by.
    id: String,
}

/// What is known about a holder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Person {
    user: String,
    host: String,
    pid: u32,
    process: String,
    run: String,
    token: String,
    tool: String,
}

impl Person {
    fn of(owner: &Owner) -> Self {
        let Owner { user, host, pid, process, run, token, tool } = owner.clone();
        Self { user, host, pid, process, run, token, tool }
    }
}

/// What stands on a claim for this token: version 1 has room for a number.
pub fn mark(api: &Api, token: &str) -> Result<String, Failure> {
    if api.is_second()? {
        return Ok(token.to_owned());
    }
    let digits: String = token.chars().filter(char::is_ascii_hexdigit).take(15).collect();
    let number = u64::from_str_radix(&digits, 16).unwrap_or_default();
    // A retention policy lasts an hour at least.
    Ok((number + 3_600_000_000_000).to_string())
}

/// All claims, the highest last; none where there is no ledger.
///
/// # Errors
/// The server does not answer.
pub fn claims(api: &Api) -> Result<Option<Vec<Claim>>, Failure> {
    let ledger = &api.endpoint.ledger;
    let mut claims: Vec<Claim> = Vec::new();
    if api.is_second()? {
        let start = format!("{ledger}.{NAME}");
        for bucket in api.buckets(None)? {
            if let Some(number) = bucket.name.strip_prefix(&start).and_then(|n| n.parse().ok()) {
                claims.push(Claim { number, mark: bucket.description, id: bucket.id });
            }
        }
    } else {
        let rows = match api.query(None, &format!("SHOW RETENTION POLICIES ON {}", quoted(ledger)))? {
            Said::Rows(rows) => rows.into_iter().next().unwrap_or_default(),
            Said::Refused(words) if words.contains("database not found") => return Ok(None),
            Said::Refused(words) => {
                return Err(Failure::failed(format!("{} refused a request: {words}", api.agent().shown())));
            }
        };
        for [name, duration] in rows.columns(["name", "duration"]) {
            let (name, duration) = (name.as_str().unwrap_or_default(), duration.as_str().unwrap_or_default());
            if let Some(number) = name.strip_prefix(NAME).and_then(|n| n.parse().ok()) {
                let mark = nanoseconds(duration).map(|ns| ns.to_string()).unwrap_or_default();
                claims.push(Claim { number, mark, id: name.to_owned() });
            }
        }
    }
    claims.sort();
    Ok(Some(claims))
}

/// `498611h6m40.123456789s` in nanoseconds.
fn nanoseconds(duration: &str) -> Option<u64> {
    let mut total = 0;
    let mut rest = duration;
    for (unit, each) in [('h', 3_600), ('m', 60), ('s', 1)] {
        let Some((number, after)) = rest.split_once(unit) else { continue };
        rest = after;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let part = format!("{part:0<9}");
        total += whole.parse::<u64>().ok()? * each * 1_000_000_000 + part.parse::<u64>().ok()?;
    }
    rest.is_empty().then_some(total)
}

/// Claims a number; false when it is somebody's.
fn claim(api: &Api, number: i64, mark: &str) -> Result<bool, Failure> {
    let ledger = &api.endpoint.ledger;
    if api.is_second()? {
        return api.make_bucket(&format!("{ledger}.{NAME}{number}"), mark);
    }
    let create =
        format!("CREATE RETENTION POLICY \"{NAME}{number}\" ON {} DURATION {mark}ns REPLICATION 1", quoted(ledger));
    match api.query(None, &create)? {
        Said::Rows(_) => Ok(true),
        Said::Refused(words) if words.contains("already exists") => Ok(false),
        Said::Refused(words) => Err(Failure::failed(format!("{} refused a request: {words}", api.agent().shown()))),
    }
}

/// Removes a claim and what is known of its holder.
fn remove(api: &Api, claim: &Claim) -> Result<(), Failure> {
    if api.is_second()? {
        api.delete("buckets", &claim.id)?;
    } else {
        let drop = format!("DROP RETENTION POLICY {} ON {}", quoted(&claim.id), quoted(&api.endpoint.ledger));
        api.rows(None, &drop)?;
    }
    api.forget(LEASES, &claim.mark)
}

/// Writes what is known of the holder of a claim; without a person, its renewal alone.
fn tell(api: &Api, number: i64, mark: &str, person: Option<&Person>, length: Duration) -> Result<(), Failure> {
    let now = api.now_ms()?;
    let length = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let expires = now.saturating_add(length).saturating_add(TICK_MS);
    let person = person.map(|p| {
        let text = serde_json::to_string(p).unwrap_or_default();
        format!(",owner={},since=\"{now}\"", field(&text))
    });
    let person = person.unwrap_or_default();
    api.write(&format!("{LEASES},mark={mark} renewed=\"{now}\",expires=\"{expires}\"{person} {number}"))
}

/// Who holds a claim, by the server's clock; none when nothing is known of them.
fn read(api: &Api, claim: &Claim) -> Result<Option<Holder>, Failure> {
    let points = api.points(LEASES, Some(&claim.mark))?.unwrap_or_default();
    let now = api.now_ms()?;
    let text = |field: &str| points.iter().find(|p| p.field == field).map(|p| p.text.as_str());
    let number = |field: &str| text(field).and_then(|t| t.parse::<i64>().ok()).unwrap_or(0);
    let Some(person) = text("owner").and_then(|t| serde_json::from_str::<Person>(t).ok()) else { return Ok(None) };
    Ok(Some(Holder {
        user: person.user,
        host: person.host,
        pid: person.pid,
        process: person.process,
        run: person.run,
        token: person.token,
        since_ms: number("since"),
        idle_ms: now.saturating_sub(number("renewed")).max(0),
        expires_in_ms: number("expires").saturating_sub(now),
    }))
}

/// Who holds the lease, expired or not.
///
/// # Errors
/// The server does not answer.
pub fn holder(api: &Api) -> Result<Option<Holder>, Failure> {
    match claims(api)?.unwrap_or_default().last() {
        Some(top) => read(api, top),
        None => Ok(None),
    }
}

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours: the log, and whose it was, when a stale one was taken over.
    Ours(Box<Log>, Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// How a lease may be taken from its holder.
pub enum Over<'a> {
    /// When it is stale.
    Stale,
    /// When it is this one.
    Seen(&'a Holder),
}

/// Tries to take it. `note` says why it was taken over.
///
/// # Errors
/// The server does not answer, or refuses; a newer ledger.
pub fn take(
    api: &Api,
    owner: &Owner,
    length: Duration,
    over: &Over<'_>,
    note: impl Fn(&Holder) -> String,
) -> Result<Attempt, Failure> {
    let mark = mark(api, &owner.token)?;
    // Others that come and go between two requests make another round worth while.
    for _ in 0..6 {
        let before = claims(api)?.unwrap_or_default();
        let from = before.last().map(|top| read(api, top)).transpose()?.flatten();
        if let Some(holder) = &from {
            let may = match over {
                Over::Stale => holder.is_stale(owner),
                Over::Seen(seen) => holder.token == seen.token,
            };
            if !may {
                return Ok(Attempt::Held(holder.clone()));
            }
        }
        let opened = log::read(api)?.unwrap_or_default().opened.map_or(0, |(lease, _)| lease);
        let number = before.last().map_or(0, |top| top.number).max(opened) + 1;
        // What is known of a holder must be there before the claim is.
        tell(api, number, &mark, Some(&Person::of(owner)), length)?;
        if !claim(api, number, &mark)? {
            api.forget(LEASES, &mark)?;
            continue;
        }
        if let Some(log) = begin(api, owner, number, &mark, from.as_ref().map(&note))? {
            return Ok(Attempt::Ours(Box::new(log), from));
        }
    }
    Err(Failure::failed("the lease changed hands again and again in a moment").hint("run the command again"))
}

/// Begins a lease whose number we have claimed; none when the claim came too late.
fn begin(api: &Api, owner: &Owner, number: i64, mark: &str, note: Option<String>) -> Result<Option<Log>, Failure> {
    // Everything that counts is there by now: who writes from here on sees our claim behind its write.
    let claims = claims(api)?.unwrap_or_default();
    let book = log::read(api)?.unwrap_or_default();
    let is_highest = claims.last().is_some_and(|top| top.number == number && top.mark == mark);
    if !is_highest || book.opened.is_some_and(|(lease, _)| lease >= number) {
        for ours in claims.iter().filter(|claim| claim.number == number && claim.mark == mark) {
            remove(api, ours)?;
        }
        return Ok(None);
    }
    let mut log = Log::open(api.clone(), owner.clone(), number, mark.to_owned(), book);
    if !log.begin(note)? {
        return Ok(None);
    }
    for lower in claims.iter().filter(|claim| claim.number < number) {
        remove(api, lower)?;
    }
    Ok(Some(log))
}

/// Whether a claim is the highest one.
///
/// # Errors
/// The server does not answer.
pub fn is_held(api: &Api, number: i64, mark: &str) -> Result<bool, Failure> {
    Ok(claims(api)?.unwrap_or_default().last().is_some_and(|top| top.number == number && top.mark == mark))
}

/// Gives our own lease back.
///
/// # Errors
/// The server does not answer.
pub fn release(api: &Api, number: i64, mark: &str) -> Result<(), Failure> {
    let claims = claims(api)?.unwrap_or_default();
    match claims.iter().find(|claim| claim.number == number && claim.mark == mark) {
        Some(ours) => remove(api, ours),
        None => Ok(()),
    }
}

/// Renews the lease.
pub struct Pulse {
    /// Speaks to the server.
    pub api: Api,
    /// The lease.
    pub number: i64,
    /// Whose it is.
    pub mark: String,
    /// How long it lasts.
    pub length: Duration,
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        if !is_held(&self.api, self.number, &self.mark)? {
            return Ok(false);
        }
        tell(&self.api, self.number, &self.mark, None, self.length)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn durations_are_read_as_the_server_writes_them() {
        assert_eq!(nanoseconds("498611h6m40.123456789s"), Some(1_795_000_000_123_456_789));
        assert_eq!(nanoseconds("1h0m0s"), Some(3_600_000_000_000));
        assert_eq!(nanoseconds("0s"), Some(0));
        assert_eq!(nanoseconds("1h0m0.5s"), Some(3_600_500_000_000));
        assert_eq!(nanoseconds("x"), None);
    }
}
