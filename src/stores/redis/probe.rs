//! What `doctor` and `wait` learn of a server.

use std::collections::BTreeMap;

use super::cluster::Cluster;
use super::session::Session;
use super::words::{pack, pairs, text};
use crate::domain::Failure;
use crate::domain::plan::count;
use crate::stores::Probe;

/// `name:value` lines of `INFO`.
fn info(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once(':')).collect()
}

/// Asks the server what it is, and looks for what will make trouble.
///
/// # Errors
/// It cannot be reached or is still loading.
pub fn probe(session: &mut Session) -> Result<Probe, Failure> {
    let mut packed = Vec::new();
    pack(&["PING"], &mut packed);
    pack(&["INFO"], &mut packed);
    pack(&["CONFIG", "GET", "save"], &mut packed);
    for word in NEEDED {
        pack(
            &[
                "ACL",
                "DRYRUN",
                session.endpoint.info.redis_settings().username().unwrap_or("default"),
                word.0,
                word.1,
                word.2,
            ],
            &mut packed,
        );
    }
    let mut replies = session.send(packed, 3 + NEEDED.len())?.into_iter();
    let mut next = || replies.next().unwrap_or_else(|| Err("no answer".to_owned()));
    next().map_err(|words| session.refused(&words))?;
    let said = next().ok().as_ref().and_then(text).unwrap_or_default();
    let save = next().ok().map(|v| pairs(&v)).unwrap_or_default();
    let known = info(&said);
    let mut warnings = warnings(&known, save.get("save").map(String::as_str));
    let mut server = server(&known);
    if known.get("cluster_enabled") == Some(&"1") {
        let cluster = Cluster::find(session)?;
        let (masters, uncovered) = cluster.map_or((0, 0), |c| (c.masters().len(), c.uncovered()));
        server += &format!(", a cluster of {}", count(masters, "master"));
        if uncovered > 0 {
            let advice = "`redis-cli --cluster check HOST:PORT` shows what it lacks";
            warnings.push((format!("no node of the cluster has {}", count(uncovered, "slot")), advice.to_owned()));
        }
    }
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|_| next().ok().as_ref().and_then(text).is_some_and(|said| said != "OK"))
        .map(|(command, ..)| *command)
        .collect();
    if !missing.is_empty() {
        let user = session.endpoint.info.redis_settings().username().unwrap_or("default").to_owned();
        let what = format!("the user {user} may not use {} on the ledger's keys", missing.join(", "));
        warnings.push((what, "scripts and the ledger write: `ACL SETUSER` grants commands and keys".to_owned()));
    }
    Ok(Probe { server, warnings })
}

/// Commands of the ledger, each with as many arguments as it takes.
const NEEDED: [(&str, &str, &str); 3] =
    [("EVAL", "return 1", "0"), ("RPUSH", "{stepladder}:ledger", "1"), ("HGET", "{stepladder}:meta", "format")];

fn server(known: &BTreeMap<&str, &str>) -> String {
    match (known.get("valkey_version"), known.get("redis_version")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "Redis".to_owned(),
    }
}

const EVICTION: &str = "`maxmemory-policy volatile-lru` or `noeviction` leaves keys without an expiry alone";

/// Whether the server removes keys that have no expiry, as the ledger's have none.
fn evicts(known: &BTreeMap<&str, &str>) -> Option<String> {
    let policy = known.get("maxmemory_policy").filter(|policy| policy.starts_with("allkeys-"))?;
    let limited = known.get("maxmemory").is_some_and(|m| *m != "0");
    let when = if limited { "when its memory is full" } else { "as soon as `maxmemory` is set" };
    Some(format!("the server removes any key {when} (maxmemory-policy {policy}): the ledger too"))
}

/// What to tell everybody who relies on the ledger, from `INFO memory`.
pub fn cautions(memory: &str) -> Vec<String> {
    let known = info(memory);
    let limited = known.get("maxmemory").is_some_and(|m| *m != "0");
    evicts(&known).filter(|_| limited).map(|what| format!("{what}; {EVICTION}")).into_iter().collect()
}

/// What makes a ledger go away, or keeps it from being written.
pub fn warnings(known: &BTreeMap<&str, &str>, save: Option<&str>) -> Vec<(String, String)> {
    let mut warnings = Vec::new();
    let mut warn = |what: String, advice: &str| warnings.push((what, advice.to_owned()));
    if let Some(master) = master_of(known) {
        warn(format!("this is a replica of {master}, and takes no writes"), "give the address of its master");
    }
    if known.get("loading") == Some(&"1") {
        warn("the server is still loading its data".to_owned(), "`stepladder wait` waits for it");
    }
    if let Some(what) = evicts(known) {
        warn(what, EVICTION);
    }
    if known.get("aof_enabled") == Some(&"0") && save == Some("") {
        warn(
            "the server writes nothing to disk: a restart forgets data and ledger together".to_owned(),
            "`appendonly yes`, or `save`, unless it is a cache that the migrations fill again",
        );
    }
    warnings
}

/// Whether the server is a cluster's node.
///
/// # Errors
/// No answer.
pub fn is_cluster(session: &mut Session) -> Result<bool, Failure> {
    let mut packed = Vec::new();
    pack(&["INFO", "cluster"], &mut packed);
    let said = session.send(packed, 1)?.pop().and_then(Result::ok).as_ref().and_then(text).unwrap_or_default();
    Ok(info(&said).get("cluster_enabled") == Some(&"1"))
}

/// Refuses a replica, which takes no writes. In a cluster it sends us to its master by itself.
///
/// # Errors
/// That; no answer.
pub fn no_replica(session: &mut Session) -> Result<(), Failure> {
    let mut packed = Vec::new();
    pack(&["INFO", "replication"], &mut packed);
    let said = session.send(packed, 1)?.pop().and_then(Result::ok).as_ref().and_then(text).unwrap_or_default();
    match master_of(&info(&said)) {
        None => Ok(()),
        Some(master) => {
            let place = &session.endpoint;
            Err(Failure::unreachable(format!("{place} is a replica of {master}, and takes no writes"))
                .hint(format!("give the address of its master: {master}")))
        }
    }
}

fn master_of(known: &BTreeMap<&str, &str>) -> Option<String> {
    let own = |name: &str| known.get(name).copied().unwrap_or("?");
    (own("role") == "slave").then(|| format!("{}:{}", own("master_host"), own("master_port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_trouble_is_told() {
        let text = "# x\r\nrole:slave\r\nmaxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\nredis_version:7.0.15\r\n";
        let found = warnings(&info(text), Some(""));
        let told: Vec<&str> = found.iter().map(|(what, _)| what.split(' ').next().unwrap()).collect();
        assert_eq!(told, ["this", "the", "the"]);
        assert!(found[1].0.contains("allkeys-lru"));
        assert_eq!(server(&info(text)), "Redis 7.0.15");
        assert_eq!(cautions(text).len(), 1);
        assert!(cautions(&text.replace("maxmemory:100", "maxmemory:0")).is_empty());
        assert!(cautions("").is_empty());
        assert!(
            warnings(&info("role:master\r\nmaxmemory_policy:noeviction\r\naof_enabled:0"), Some("3600 1")).is_empty()
        );
    }
}
