//! What is asked of the brokers about topics, configs, rules and records: typed, with the brokers' own words when they
//! refuse.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, FetchRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest,
};
use kafka_protocol::records::{Record, RecordBatchDecoder};

use super::action::{Configure, Entity, NewTopic};
use super::log::{batches, produce_request};
use super::wire::cluster::{error_words, is, text, topic_name};
use super::wire::{Cluster, Trouble};
use crate::domain::Failure;

/// How long the controller may take.
const TIMEOUT_MS: i32 = 30_000;

/// The protocol's number of topics among the things that have settings.
const TOPIC: i8 = 2;
/// The same of brokers.
const BROKER: i8 = 4;
/// A setting that is the resource's own.
const DYNAMIC_TOPIC: i8 = 1;
/// Settings of one broker, and of all.
const DYNAMIC_BROKER: [i8; 2] = [2, 3];

/// A refusal: the error's number and the broker's words.
#[derive(Debug)]
pub struct Refusal {
    /// The protocol's number of the error; 0 when there was no answer.
    pub code: i16,
    /// The words, or a failure to get an answer at all.
    pub failure: Failure,
}

impl Refusal {
    fn check(code: i16, words: Option<&str>) -> Result<(), Self> {
        if code == 0 {
            return Ok(());
        }
        let words = words.filter(|w| !w.is_empty()).map_or_else(|| error_words(code), str::to_owned);
        Err(Self { code, failure: Failure::failed(words) })
    }

    /// Whether it is this error.
    pub fn is(&self, error: ResponseError) -> bool {
        is(self.code, error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { code: 0, failure }
    }
}

/// A topic as the brokers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Kafka's own.
    pub internal: bool,
    /// For each partition: leader, replicas, replicas in step.
    pub partitions: Vec<(i32, Vec<i32>, Vec<i32>)>,
}

/// Every topic, in order of name.
///
/// # Errors
/// No answer.
pub fn topics(cluster: &mut Cluster) -> Result<Vec<Topic>, Failure> {
    let answer = cluster.metadata(None)?;
    let mut topics: Vec<Topic> = answer
        .topics
        .iter()
        .map(|t| {
            let ids = |nodes: &[BrokerId]| nodes.iter().map(|n| n.0).collect::<Vec<i32>>();
            let mut partitions: Vec<_> = t.partitions.iter().collect();
            partitions.sort_by_key(|p| p.partition_index);
            Topic {
                name: t.name.as_ref().map(|n| n.0.to_string()).unwrap_or_default(),
                internal: t.is_internal,
                partitions: partitions
                    .iter()
                    .map(|p| (p.leader_id.0, ids(&p.replica_nodes), ids(&p.isr_nodes)))
                    .collect(),
            }
        })
        .collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(topics)
}

/// Makes a topic.
///
/// # Errors
/// The brokers' words.
pub fn create(cluster: &mut Cluster, topic: &NewTopic) -> Result<(), Refusal> {
    let configs = topic
        .configs
        .iter()
        .map(|(name, value)| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value))));
    let wanted = CreatableTopic::default()
        .with_name(topic_name(&topic.name))
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.copies.unwrap_or(-1))
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(TIMEOUT_MS);
    let answer = cluster.ask_controller(&request)?;
    let result = answer.topics.first().ok_or_else(no_answer)?;
    Refusal::check(result.error_code, result.error_message.as_ref().map(|m| m.as_str()))
}

/// Deletes a topic.
///
/// # Errors
/// The brokers' words.
pub fn delete(cluster: &mut Cluster, name: &str) -> Result<(), Refusal> {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]).with_timeout_ms(TIMEOUT_MS);
    let answer = cluster.ask_controller(&request)?;
    let result = answer.responses.first().ok_or_else(no_answer)?;
    Refusal::check(result.error_code, result.error_message.as_ref().map(|m| m.as_str()))
}

/// Gives a topic more partitions.
///
/// # Errors
/// The brokers' words.
pub fn grow(cluster: &mut Cluster, name: &str, partitions: i32) -> Result<(), Refusal> {
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(partitions).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    let answer = cluster.ask_controller(&request)?;
    let result = answer.results.first().ok_or_else(no_answer)?;
    Refusal::check(result.error_code, result.error_message.as_ref().map(|m| m.as_str()))
}

/// Changes settings.
///
/// # Errors
/// The brokers' words.
pub fn configure(cluster: &mut Cluster, change: &Configure) -> Result<(), Refusal> {
    let one = |name: &str, operation: i8, value: Option<&str>| {
        AlterableConfig::default().with_name(text(name)).with_config_operation(operation).with_value(value.map(text))
    };
    let configs = change.set.iter().map(|(name, value)| one(name, 0, Some(value)));
    let configs = configs.chain(change.delete.iter().map(|name| one(name, 1, None)));
    let (kind, name) = resource(&change.entity);
    let wanted = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![wanted]);
    let answer = match &change.entity {
        Entity::Broker(Some(id)) => ask_broker(cluster, id, &request)?,
        _ => cluster.ask_controller(&request)?,
    };
    let result = answer.responses.first().ok_or_else(no_answer)?;
    Refusal::check(result.error_code, result.error_message.as_ref().map(|m| m.as_str()))
}

fn ask_broker<C: super::wire::call::Call>(cluster: &mut Cluster, id: &str, request: &C) -> Result<C::Answer, Failure> {
    let wrong = || Failure::failed(format!("`{id}` is no broker of this cluster"));
    cluster.metadata(Some(&[]))?;
    let node = id.parse().ok().filter(|id| cluster.nodes().contains(id)).ok_or_else(wrong)?;
    let asked = cluster.ask(node, request);
    asked.map_err(|t| t.failure(&cluster.endpoint))
}

fn resource(entity: &Entity) -> (i8, &str) {
    match entity {
        Entity::Topic(name) => (TOPIC, name),
        Entity::Broker(id) => (BROKER, id.as_deref().unwrap_or_default()),
    }
}

/// A setting: its value, and whether it is the resource's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value; none for a secret one.
    pub value: Option<String>,
    /// Whether it was set on this very resource.
    pub own: bool,
}

/// The settings of something, as one broker knows them, or as whoever answers does.
///
/// # Errors
/// The brokers' words.
pub fn settings(cluster: &mut Cluster, entity: &Entity, node: Option<i32>) -> Result<Vec<Setting>, Refusal> {
    let (kind, name) = resource(entity);
    let wanted = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![wanted]);
    let answer = match (node, entity) {
        (Some(node), _) => {
            let asked = cluster.ask(node, &request);
            asked.map_err(|t| t.failure(&cluster.endpoint))?
        }
        (None, Entity::Broker(Some(id))) => ask_broker(cluster, id, &request)?,
        (None, _) => cluster.ask_any(&request)?,
    };
    let result = answer.results.first().ok_or_else(no_answer)?;
    Refusal::check(result.error_code, result.error_message.as_ref().map(|m| m.as_str()))?;
    let own = |source: i8| match kind {
        TOPIC => source == DYNAMIC_TOPIC,
        _ => DYNAMIC_BROKER.contains(&source),
    };
    Ok(result
        .configs
        .iter()
        .map(|c| Setting {
            name: c.name.to_string(),
            value: c.value.as_ref().map(|v| v.to_string()),
            own: own(c.config_source),
        })
        .collect())
}

/// The offsets at which the partitions of a topic begin (-2) or end (-1).
///
/// # Errors
/// No such topic; no answer.
pub fn offsets(cluster: &mut Cluster, topic: &str, partition: i32, which: i64) -> Result<i64, Refusal> {
    let leader = cluster.leader(topic, partition)?.ok_or_else(|| missing(topic))?;
    let wanted = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(which);
    let wanted = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![wanted]);
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![wanted]);
    let answer = cluster.ask(leader, &request);
    let answer = answer.map_err(|t| t.failure(&cluster.endpoint))?;
    let found = answer.topics.first().and_then(|t| t.partitions.first()).ok_or_else(no_answer)?;
    Refusal::check(found.error_code, None)?;
    Ok(found.offset)
}

/// Writes one batch into a partition.
///
/// # Errors
/// The brokers' words.
pub fn produce(cluster: &mut Cluster, topic: &str, partition: i32, batch: Bytes) -> Result<(), Refusal> {
    let leader = cluster.leader(topic, partition)?.ok_or_else(|| missing(topic))?;
    let answer = cluster.ask(leader, &produce_request(topic, partition, batch));
    let answer = answer.map_err(|t| t.failure(&cluster.endpoint))?;
    let result = answer.responses.first().and_then(|t| t.partition_responses.first()).ok_or_else(no_answer)?;
    Refusal::check(result.error_code, result.error_message.as_ref().map(|m| m.as_str()))
}

/// Records of a partition from an offset on; waits a little when there are none. Also where the next one is.
///
/// # Errors
/// The brokers' words.
pub fn fetch(cluster: &mut Cluster, topic: &str, partition: i32, offset: i64) -> Result<(Vec<Record>, i64), Refusal> {
    let leader = cluster.leader(topic, partition)?.ok_or_else(|| missing(topic))?;
    let wanted =
        FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(4 << 20);
    let wanted = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(100)
        .with_min_bytes(1)
        .with_max_bytes(16 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![wanted]);
    let answer = cluster.ask(leader, &request);
    let answer = answer.map_err(|t| t.failure(&cluster.endpoint))?;
    let data = answer.responses.into_iter().next().and_then(|t| t.partitions.into_iter().next());
    let data = data.ok_or_else(no_answer)?;
    Refusal::check(data.error_code, None)?;
    let mut records = Vec::new();
    for (batch, _) in batches(&data.records.unwrap_or_default()) {
        let set = RecordBatchDecoder::decode(&mut batch.clone()).map_err(|e| Failure::failed(e.to_string()))?;
        records.extend(set.records.into_iter().filter(|r| r.offset >= offset));
    }
    let next = records.last().map_or(offset, |r| r.offset + 1);
    records.retain(|r| !r.control);
    Ok((records, next))
}

fn missing(topic: &str) -> Refusal {
    let code = ResponseError::UnknownTopicOrPartition.code();
    Refusal { code, failure: Failure::failed(format!("Topic {topic} not present in metadata")) }
}

fn no_answer() -> Failure {
    Failure::failed("the broker answered without a result")
}

/// How many partitions each broker sees of a topic, all with a leader; none where it knows no such topic.
///
/// # Errors
/// A broker that does not answer.
pub fn seen_by_all(cluster: &mut Cluster, topic: &str) -> Result<BTreeMap<i32, Option<usize>>, Failure> {
    let mut seen = BTreeMap::new();
    for node in cluster.nodes() {
        let answer = match cluster.metadata_of(node, &[topic]) {
            Ok(answer) => answer,
            // A broker that is down will learn of it when it comes back.
            Err(Trouble::Line(_)) => continue,
            Err(trouble) => return Err(trouble.failure(&cluster.endpoint)),
        };
        let found = answer.topics.first().filter(|t| t.error_code == 0);
        seen.insert(
            node,
            found.map(|t| t.partitions.iter().filter(|p| p.error_code == 0 && p.leader_id.0 >= 0).count()),
        );
    }
    Ok(seen)
}
