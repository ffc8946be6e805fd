//! Carries command lines out in process, with what Kafka's own tools say to a person.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeAclsResponse};

use super::acls::{Acls, OPERATIONS, PATTERNS, PERMISSIONS, RESOURCES, Rule, word};
use super::action::{Action, Configure, Entity};
use super::broker::{self, Refusal, Topic};
use super::log::batch;
use super::settle::Touched;
use super::wire::Cluster;
use super::wire::cluster::{error_words, text};

/// Bytes of records that go into one batch.
const BATCH: usize = 256 << 10;

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
        Action::Acls(acls) => {
            rules(cluster, acls).map_err(|words| E::from(format!("Error while executing ACL command: {words}")))
        }
        Action::Produce { topic, separator, null_marker } => {
            let input = input.unwrap_or_default();
            produce(cluster, topic, separator.as_deref(), null_marker.as_deref(), input).map_err(E::from)
        }
        Action::Consume { .. } => consume(cluster, action, check),
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

fn rules(cluster: &mut Cluster, acls: &Acls) -> Result<String, String> {
    match acls {
        Acls::Add(rules) => {
            let creations = rules.iter().map(|rule| {
                AclCreation::default()
                    .with_resource_type(rule.resource)
                    .with_resource_name(text(rule.name.as_deref().unwrap_or_default()))
                    .with_resource_pattern_type(rule.pattern)
                    .with_principal(text(rule.principal.as_deref().unwrap_or_default()))
                    .with_host(text(rule.host.as_deref().unwrap_or("*")))
                    .with_operation(rule.operation)
                    .with_permission_type(rule.permission)
            });
            let request = CreateAclsRequest::default().with_creations(creations.collect());
            let answer = cluster.ask_controller(&request).map_err(|f| f.message)?;
            let refused = answer.results.iter().find(|r| r.error_code != 0);
            if let Some(refused) = refused {
                return Err(words(refused.error_code, refused.error_message.as_ref().map(|m| m.as_str())));
            }
            Ok(rules.iter().map(|rule| format!("Added {}\n", rule_words(rule))).collect())
        }
        Acls::Remove(filters) => {
            let filters = filters.iter().map(|rule| {
                DeleteAclsFilter::default()
                    .with_resource_type_filter(rule.resource)
                    .with_resource_name_filter(rule.name.as_deref().map(text))
                    .with_pattern_type_filter(rule.pattern)
                    .with_principal_filter(rule.principal.as_deref().map(text))
                    .with_host_filter(rule.host.as_deref().map(text))
                    .with_operation(rule.operation)
                    .with_permission_type(rule.permission)
            });
            let request = DeleteAclsRequest::default().with_filters(filters.collect());
            let answer = cluster.ask_controller(&request).map_err(|f| f.message)?;
            let refused = answer.filter_results.iter().find(|r| r.error_code != 0);
            match refused {
                Some(refused) => Err(words(refused.error_code, refused.error_message.as_ref().map(|m| m.as_str()))),
                None => Ok(String::new()),
            }
        }
        Acls::List(filters) => filters.iter().map(|rule| list(cluster, rule)).collect(),
    }
}

fn words(code: i16, said: Option<&str>) -> String {
    said.filter(|w| !w.is_empty()).map_or_else(|| error_words(code), str::to_owned)
}

/// The rules that match a filter, as one broker knows them, or as whoever answers does.
pub fn matching_rules(cluster: &mut Cluster, rule: &Rule, node: Option<i32>) -> Result<DescribeAclsResponse, String> {
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(rule.resource)
        .with_resource_name_filter(rule.name.as_deref().map(text))
        .with_pattern_type_filter(rule.pattern)
        .with_principal_filter(rule.principal.as_deref().map(text))
        .with_host_filter(rule.host.as_deref().map(text))
        .with_operation(rule.operation)
        .with_permission_type(rule.permission);
    let answer = match node {
        Some(node) => {
            let asked = cluster.ask(node, &request);
            asked.map_err(|t| t.failure(&cluster.endpoint).message)?
        }
        None => cluster.ask_any(&request).map_err(|f| f.message)?,
    };
    match answer.error_code {
        0 => Ok(answer),
        code => Err(words(code, answer.error_message.as_ref().map(|m| m.as_str()))),
    }
}

fn list(cluster: &mut Cluster, rule: &Rule) -> Result<String, String> {
    let answer = matching_rules(cluster, rule, None)?;
    let mut said = String::new();
    for resource in &answer.resources {
        for acl in &resource.acls {
            let rule = Rule {
                resource: resource.resource_type,
                name: Some(resource.resource_name.to_string()),
                pattern: resource.pattern_type,
                principal: Some(acl.principal.to_string()),
                host: Some(acl.host.to_string()),
                operation: acl.operation,
                permission: acl.permission_type,
            };
            let _ = writeln!(said, "{}", rule_words(&rule));
        }
    }
    Ok(said)
}

fn rule_words(rule: &Rule) -> String {
    let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
    format!(
        "(resourceType={}, name={}, patternType={}, principal={}, host={}, operation={}, permissionType={})",
        word(&RESOURCES, rule.resource),
        any(&rule.name),
        word(&PATTERNS, rule.pattern),
        any(&rule.principal),
        any(&rule.host),
        word(&OPERATIONS, rule.operation),
        word(&PERMISSIONS, rule.permission)
    )
}

/// A record a line, as the console producer reads them. Records with equal keys go into one partition.
fn produce(
    cluster: &mut Cluster,
    topic: &str,
    separator: Option<&str>,
    null_marker: Option<&str>,
    input: &str,
) -> Result<String, String> {
    let mut lines = Vec::new();
    for (line, number) in input.lines().zip(1..) {
        let (key, value) = match separator {
            None => (None, line),
            Some(separator) => {
                let wrong = || format!("No key separator found on line number {number}: '{line}'");
                let (key, value) = line.split_once(separator).ok_or_else(wrong)?;
                (Some(key.as_bytes()), value)
            }
        };
        lines.push((key, Some(value).filter(|v| null_marker != Some(*v)).map(str::as_bytes)));
    }
    if lines.is_empty() {
        return Ok(String::new());
    }
    let known = broker::topics(cluster).map_err(|f| f.message)?;
    let known = known.iter().find(|t| t.name == topic);
    let count = known.map(|t| t.partitions.len()).filter(|n| *n > 0);
    let count = count.ok_or_else(|| format!("Topic {topic} not present in metadata"))?;
    let mut piles: Vec<Vec<(Option<&[u8]>, Option<&[u8]>)>> = vec![Vec::new(); count];
    for (key, value) in lines {
        piles[key.map_or(0, |key| super::murmur::partition(key, count))].push((key, value));
    }
    for (partition, pile) in (0i32..).zip(piles) {
        let mut rest = pile.as_slice();
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|(k, v)| {
                size += k.map_or(0, <[u8]>::len) + v.map_or(0, <[u8]>::len) + 32;
                size <= BATCH
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            let batch = batch(now.iter().copied())?;
            broker::produce(cluster, topic, partition, batch)
                .map_err(|r| format!("Error when sending message to topic {topic}: {}", r.failure.message))?;
            rest = later;
        }
    }
    Ok(String::new())
}

/// Prints the values of records until there are enough or none has come for a while.
fn consume<E: From<String>>(
    cluster: &mut Cluster,
    action: &Action,
    check: &dyn Fn() -> Result<(), E>,
) -> Result<String, E> {
    let Action::Consume { topic, partition, from_beginning, most, timeout } = action else { return Ok(String::new()) };
    let failed = |refusal: Refusal| E::from(format!("Error processing message: {}", refusal.failure.message));
    let known = broker::topics(cluster).map_err(|f| E::from(f.message))?;
    let count = known.iter().find(|t| t.name == *topic).map_or(0, |t| t.partitions.len());
    if count == 0 {
        return Err(E::from(format!("Error processing message: there is no topic {topic}")));
    }
    let all = 0..i32::try_from(count).unwrap_or(i32::MAX);
    let mut places = Vec::new();
    for number in all.filter(|n| partition.is_none_or(|p| p == *n)) {
        let which = if *from_beginning { -2 } else { -1 };
        places.push((number, broker::offsets(cluster, topic, number, which).map_err(failed)?));
    }
    let (mut said, mut count, mut newest) = (String::new(), 0u64, Instant::now());
    loop {
        for (number, offset) in &mut places {
            check()?;
            let (records, next) = broker::fetch(cluster, topic, *number, *offset).map_err(failed)?;
            if !records.is_empty() {
                newest = Instant::now();
            }
            *offset = next;
            for record in records {
                if most.is_some_and(|most| count >= most) {
                    break;
                }
                count += 1;
                said.push_str(&String::from_utf8_lossy(record.value.as_deref().unwrap_or(b"null")));
                said.push('\n');
            }
        }
        if most.is_some_and(|most| count >= most) || timeout.is_some_and(|limit| newest.elapsed() >= limit) {
            let _ = writeln!(said, "Processed a total of {count} messages");
            return Ok(said);
        }
    }
}
