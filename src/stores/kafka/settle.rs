//! Brokers learn of a change one after the other. After each command its effect is waited for, on every broker, so that the
//! next one finds it.

use std::time::{Duration, Instant};

use super::acls::Acls;
use super::action::{Action, Entity};
use super::wire::Cluster;
use super::{broker, rules};
use crate::domain::Failure;

/// How long an effect may take to reach every broker.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for what cannot be told from outside with certainty: a value that the broker writes in its own way.
const SHORT: Duration = Duration::from_secs(5);

/// What an action was about to touch, before it ran: the topics that its pattern matched.
#[derive(Debug, Default)]
pub struct Touched {
    /// Their names.
    pub topics: Vec<String>,
}

/// The topics that an action will touch.
///
/// # Errors
/// No answer.
pub fn touched(cluster: &mut Cluster, action: &Action) -> Result<Touched, Failure> {
    let topics = match action {
        Action::Create(topic) => vec![topic.name.clone()],
        Action::Delete { pattern, .. } | Action::Grow { pattern, .. } => matching(cluster, pattern)?,
        Action::Configure(change) => match &change.entity {
            Entity::Topic(name) => vec![name.clone()],
            Entity::Broker(_) => Vec::new(),
        },
        Action::Produce { topic, .. } => vec![topic.clone()],
        _ => Vec::new(),
    };
    Ok(Touched { topics })
}

/// The topics whose whole names match, as `kafka-topics --topic` means it: `a.b` is a pattern too.
///
/// # Errors
/// No answer.
pub fn matching(cluster: &mut Cluster, pattern: &str) -> Result<Vec<String>, Failure> {
    let topics = broker::topics(cluster)?;
    let matches = matcher(pattern);
    Ok(topics.into_iter().map(|t| t.name).filter(|name| matches(name)).collect())
}

/// Commas separate alternatives; a pattern that is no regular expression is a name.
fn matcher(pattern: &str) -> impl Fn(&str) -> bool {
    let plain = pattern.trim().trim_matches(['"', '\'']).replace(',', "|").replace(' ', "");
    let regex = regex::Regex::new(&format!("^(?:{plain})$")).ok();
    move |name| regex.as_ref().map_or(name == plain, |r| r.is_match(name))
}

/// Waits until every broker knows what an action did.
///
/// # Errors
/// One that does not come to know it; no answer.
pub fn settle(cluster: &mut Cluster, action: &Action, touched: &Touched) -> Result<(), Failure> {
    match action {
        Action::Create(topic) => {
            let wanted = topic.partitions.and_then(|n| usize::try_from(n).ok());
            // One that was there before may have any number.
            let wanted = wanted.filter(|_| !topic.if_not_exists);
            topic_seen(cluster, &topic.name, |seen| seen.is_some_and(|n| wanted.map_or(n > 0, |w| n == w)), "there")
        }
        Action::Delete { .. } => {
            touched.topics.iter().try_for_each(|name| topic_seen(cluster, name, |seen| seen.is_none(), "gone"))
        }
        Action::Grow { partitions, .. } => {
            let wanted = usize::try_from(*partitions).unwrap_or(0);
            touched.topics.iter().try_for_each(|name| topic_seen(cluster, name, |seen| seen == Some(wanted), "larger"))
        }
        Action::Configure(change) if matches!(change.entity, Entity::Topic(_)) => {
            on_every_broker(cluster, |cluster, node| {
                let settings = broker::settings(cluster, &change.entity, Some(node)).ok()?;
                let own = |name: &str| settings.iter().find(|s| s.name == name && s.own);
                let is_set = |(name, value): &(String, String)| {
                    own(name).is_some_and(|s| s.value.as_ref().is_none_or(|v| v == value))
                };
                Some(change.set.iter().all(is_set) && change.delete.iter().all(|name| own(name).is_none()))
            })
        }
        Action::Acls(Acls::Add(wanted)) => on_every_broker(cluster, |cluster, node| {
            let known = |rule| Some(!rules::matching_rules(cluster, rule, Some(node)).ok()?.resources.is_empty());
            wanted.iter().map(known).try_fold(true, |all, one| Some(all && one?))
        }),
        Action::Acls(Acls::Remove(wanted)) => on_every_broker(cluster, |cluster, node| {
            let gone = |rule| Some(rules::matching_rules(cluster, rule, Some(node)).ok()?.resources.is_empty());
            wanted.iter().map(gone).try_fold(true, |all, one| Some(all && one?))
        }),
        _ => Ok(()),
    }
}

/// Asks each broker until it knows; one that cannot be asked, or does not come to know it in time, is passed over.
fn on_every_broker(
    cluster: &mut Cluster,
    mut knows: impl FnMut(&mut Cluster, i32) -> Option<bool>,
) -> Result<(), Failure> {
    let until = Instant::now() + SHORT;
    cluster.metadata(Some(&[]))?;
    for node in cluster.nodes() {
        while knows(cluster, node) == Some(false) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

fn topic_seen(
    cluster: &mut Cluster,
    name: &str,
    fine: impl Fn(Option<usize>) -> bool,
    what: &str,
) -> Result<(), Failure> {
    let until = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    if cluster.nodes().is_empty() {
        cluster.metadata(Some(&[]))?;
    }
    loop {
        let seen = broker::seen_by_all(cluster, name)?;
        if !seen.is_empty() && seen.values().all(|s| fine(*s)) {
            return Ok(());
        }
        if Instant::now() > until {
            if seen.is_empty() {
                return Err(Failure::failed(format!(
                    "no broker has answered for {} s, so whether the topic {name} is {what} is not known",
                    PATIENCE.as_secs()
                )));
            }
            let late: Vec<String> = seen.iter().filter(|(_, s)| !fine(**s)).map(|(node, _)| node.to_string()).collect();
            return Err(Failure::failed(format!(
                "it was accepted, but after {} s the topic {name} is not {what} on broker {}",
                PATIENCE.as_secs(),
                late.join(", ")
            )));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_by_a_pattern() {
        for (pattern, name, matches) in [
            ("a.b", "a.b", true),
            ("a.b", "axb", true),
            ("a\\.b", "axb", false),
            ("a.*", "abc", true),
            ("b", "abc", false),
            ("a, b", "b", true),
            ("a(", "a(", true),
        ] {
            assert_eq!(matcher(pattern)(name), matches, "{pattern} {name}");
        }
    }
}
