//! Carries command lines out in process, with what Kafka's own tools say to a person.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::action::{Action, Configure, Entity};
use super::broker::{self, Refusal, Topic};
use super::settle::Touched;
use super::wire::Cluster;
use super::{records, rules};
use kafka_protocol::ResponseError;

/// Carries one action out; gives back what it says. `check` is asked during long ones whether to go on.
///
/// # Errors
/// The tools' words for what the brokers refuse; what `check` said.
pub fn carry_out<E: From<String>>(
    cluster: &mut Cluster,
    action: &Action,
    touched: &Touched,
    input: Option<&str>,
    check: &dyn Fn() -> Result<(), E>,
) -> Result<String, E> {
    let topic =
        |refusal: Refusal| E::from(format!("Error while executing topic command : {}", refusal.failure.message));
    match action {
        Action::Create(new) => match broker::create(cluster, new) {
            Ok(()) => Ok(format!("Created topic {}.", new.name)),
            Err(refusal) if new.if_not_exists && refusal.is(ResponseError::TopicAlreadyExists) => Ok(String::new()),
            Err(refusal) => Err(topic(refusal)),
        },
        Action::Delete { pattern, if_exists } => {
            exists(touched, pattern, *if_exists)?;
            let delete = |name: &String| broker::delete(cluster, name).map_err(topic);
            touched.topics.iter().try_for_each(delete).map(|()| String::new())
        }
        Action::Grow { pattern, partitions, if_exists } => {
            exists(touched, pattern, *if_exists)?;
            let mut grow = |name: &String| broker::grow(cluster, name, *partitions).map_err(topic);
            touched.topics.iter().try_for_each(&mut grow).map(|()| String::new())
        }
        Action::Show { pattern, describe } => show(cluster, pattern.as_deref(), *describe).map_err(topic),
        Action::Configure(change) => configure(cluster, change).map_err(E::from),
        Action::ShowConfigs { entity, all } => {
            show_configs(cluster, entity, *all).map_err(|r| E::from(r.failure.message))
        }
        Action::Acls(acls) => rules::carry_out(cluster, acls)
            .map_err(|words| E::from(format!("Error while executing ACL command: {words}"))),
        Action::Produce { topic, separator, null_marker } => {
            let input = input.unwrap_or_default();
            records::produce(cluster, topic, separator.as_deref(), null_marker.as_deref(), input).map_err(E::from)
        }
        Action::Consume { .. } => records::consume(cluster, action, check),
        Action::Sleep(time) => {
            let until = Instant::now() + *time;
            loop {
                check()?;
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(String::new());
                }
                std::thread::sleep(left.min(Duration::from_millis(10)));
            }
        }
    }
}

fn exists<E: From<String>>(touched: &Touched, pattern: &str, if_exists: bool) -> Result<(), E> {
    match touched.topics.is_empty() && !if_exists {
        true => {
            Err(E::from(format!("Error while executing topic command : Topic '{pattern}' does not exist as expected")))
        }
        false => Ok(()),
    }
}

fn show(cluster: &mut Cluster, pattern: Option<&str>, describe: bool) -> Result<String, Refusal> {
    let wanted = pattern.map(|p| super::settle::matching(cluster, p)).transpose()?;
    let topics = broker::topics(cluster)?;
    let topics = topics.into_iter().filter(|t| wanted.as_ref().is_none_or(|w| w.contains(&t.name)));
    let mut said = String::new();
    for topic in topics {
        match describe {
            true => describe_topic(cluster, &topic, &mut said)?,
            false => _ = writeln!(said, "{}", topic.name),
        }
    }
    Ok(said)
}

fn describe_topic(cluster: &mut Cluster, topic: &Topic, said: &mut String) -> Result<(), Refusal> {
    let settings = broker::settings(cluster, &Entity::Topic(topic.name.clone()), None)?;
    let own: Vec<String> = settings
        .iter()
        .filter(|s| s.own)
        .map(|s| format!("{}={}", s.name, s.value.as_deref().unwrap_or("(hidden)")))
        .collect();
    let copies = topic.partitions.first().map_or(0, |(_, replicas, _)| replicas.len());
    let _ = writeln!(
        said,
        "Topic: {}\tPartitionCount: {}\tReplicationFactor: {copies}\tConfigs: {}",
        topic.name,
        topic.partitions.len(),
        own.join(",")
    );
    let ids = |nodes: &[i32]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    for (number, (leader, replicas, in_step)) in topic.partitions.iter().enumerate() {
        let _ = writeln!(
            said,
            "\tTopic: {}\tPartition: {number}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            topic.name,
            ids(replicas),
            ids(in_step)
        );
    }
    Ok(())
}

fn named(entity: &Entity) -> String {
    match entity {
        Entity::Topic(name) => format!("topic {name}"),
        Entity::Broker(Some(id)) => format!("broker {id}"),
        Entity::Broker(None) => "default for brokers in the cluster".to_owned(),
    }
}

fn configure(cluster: &mut Cluster, change: &Configure) -> Result<String, String> {
    let failed = |refusal: Refusal| format!("Error while executing config command: {}", refusal.failure.message);
    // The tool refuses to take away what is not there.
    let settings = broker::settings(cluster, &change.entity, None).map_err(failed)?;
    let there = |name: &&String| settings.iter().any(|s| s.own && s.name == **name);
    let strange: Vec<&str> = change.delete.iter().filter(|n| !there(n)).map(String::as_str).collect();
    if !strange.is_empty() {
        return Err(format!("Invalid config(s): {}", strange.join(",")));
    }
    broker::configure(cluster, change).map_err(failed)?;
    Ok(format!("Completed updating config for {}.", named(&change.entity)))
}

fn show_configs(cluster: &mut Cluster, entity: &Entity, all: bool) -> Result<String, Refusal> {
    let settings = broker::settings(cluster, entity, None)?;
    let which = if all { "All" } else { "Dynamic" };
    let mut said = format!("{which} configs for {} are:\n", named(entity));
    for setting in settings.iter().filter(|s| all || s.own) {
        let _ = writeln!(said, "  {}={}", setting.name, setting.value.as_deref().unwrap_or("(hidden)"));
    }
    Ok(said)
}
