//! What `fresh` deletes: the user's topics, and nothing else of the cluster.

use super::action::Action;
use super::broker;
use super::settle::{self, Touched};
use super::wire::Cluster;
use crate::domain::Failure;

/// Topics that belong to programs around Kafka, besides those that begin with two underscores.
const OTHERS: [&str; 4] = ["_schemas", "connect-configs", "connect-offsets", "connect-status"];

/// The user's topics: not the brokers' own, not the ledger's, none outside the store's prefix.
///
/// # Errors
/// No answer.
pub fn things(cluster: &mut Cluster) -> Result<Vec<broker::Topic>, Failure> {
    let topics = broker::topics(cluster)?;
    let endpoint = &cluster.endpoint;
    let is_users = |topic: &broker::Topic| {
        let name = topic.name.as_str();
        !topic.internal
            && !name.starts_with("__")
            && !OTHERS.contains(&name)
            && !name.starts_with("_confluent")
            && endpoint.may_touch(name)
    };
    Ok(topics.into_iter().filter(is_users).collect())
}

/// Deletes them, and waits until every broker knows.
///
/// # Errors
/// A topic that cannot be deleted.
pub fn wipe(cluster: &mut Cluster) -> Result<(), Failure> {
    let topics: Vec<String> = things(cluster)?.into_iter().map(|t| t.name).collect();
    for name in &topics {
        broker::delete(cluster, name).map_err(|refusal| {
            let mut failure = refusal.failure;
            failure.message = format!("the topic {name} cannot be deleted: {}", failure.message);
            failure
        })?;
    }
    let action = Action::Delete { pattern: String::new(), if_exists: true };
    settle::settle(cluster, &action, &Touched { topics })
}
