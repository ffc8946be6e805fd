//! All brokers of a cluster as one thing to ask: whoever answers, the leader of a partition, or each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{ApiVersionsResponse, BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::call::Call;
use super::connection::{Connection, Trouble};
use crate::domain::Failure;
use crate::stores::kafka::endpoint::Endpoint;

/// How long a cluster may take to elect a leader.
const ELECTION: Duration = Duration::from_secs(15);

/// A cluster, connected to when it is asked.
pub struct Cluster {
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// Where each broker is.
    places: BTreeMap<i32, (String, u16)>,
    /// The one that administers, as far as is known.
    controller: i32,
    /// Open connections. The first one, to whom nobody knows yet, is under -1.
    open: BTreeMap<i32, Connection>,
}

/// A text of the codec.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic's name of the codec.
pub fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// An error's name and meaning, such as `UNKNOWN_TOPIC_OR_PARTITION`.
pub fn error_words(code: i16) -> String {
    ResponseError::try_from_code(code).map_or_else(|| format!("error {code}"), |e| e.to_string())
}

/// Whether a code is this error.
pub fn is(code: i16, error: ResponseError) -> bool {
    code == error.code()
}

impl Cluster {
    /// One that is not connected yet.
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, places: BTreeMap::new(), controller: -1, open: BTreeMap::new() }
    }

    /// Another one of the same place.
    pub fn another(&self) -> Self {
        Self::new(Arc::clone(&self.endpoint))
    }

    fn connect(&self, host: &str, port: u16) -> Result<Connection, Trouble> {
        let before = self.endpoint.mechanism();
        match Connection::open(&self.endpoint, host, port) {
            // It has said which mechanism it takes.
            Err(Trouble::Refused(_)) if self.endpoint.mechanism() != before => {
                Connection::open(&self.endpoint, host, port)
            }
            other => other,
        }
    }

    /// Any connection: an open one, or one to the first broker that answers.
    fn any(&mut self) -> Result<i32, Trouble> {
        self.open.retain(|_, connection| !connection.is_stale());
        if let Some(node) = self.open.keys().next_back() {
            return Ok(*node);
        }
        let mut places = self.endpoint.brokers.clone();
        places.extend(self.places.values().cloned());
        let mut first = None;
        for (host, port) in places {
            match self.connect(&host, port) {
                Ok(connection) => {
                    self.open.insert(-1, connection);
                    return Ok(-1);
                }
                Err(refused @ Trouble::Refused(_)) => return Err(refused),
                Err(trouble) => first = first.or(Some(trouble)),
            }
        }
        Err(first.unwrap_or_else(|| Trouble::Line("no broker is named".to_owned())))
    }

    /// Asks one broker. A connection that breaks is not used again.
    ///
    /// # Errors
    /// No answer.
    pub fn ask<C: Call>(&mut self, node: i32, request: &C) -> Result<C::Answer, Trouble> {
        if self.open.get(&node).is_some_and(Connection::is_stale) {
            self.open.remove(&node);
        }
        if !self.open.contains_key(&node) {
            let place = self.places.get(&node).cloned();
            let (host, port) = place.ok_or_else(|| Trouble::Line(format!("broker {node} is gone")))?;
            let connection = self.connect(&host, port)?;
            self.open.insert(node, connection);
        }
        let Some(connection) = self.open.get_mut(&node) else { return Err(Trouble::Line("no connection".to_owned())) };
        let answer = connection.ask(request);
        if matches!(answer, Err(Trouble::Line(_))) {
            self.open.remove(&node);
        }
        answer
    }

    /// Asks whoever answers; a second one when the first does not.
    ///
    /// # Errors
    /// No answer.
    pub fn ask_any<C: Call>(&mut self, request: &C) -> Result<C::Answer, Failure> {
        let first = self.any().and_then(|node| self.ask(node, request));
        let answer = match first {
            Err(Trouble::Line(_)) => self.any().and_then(|node| self.ask(node, request)),
            answer => answer,
        };
        answer.map_err(|t| t.failure(&self.endpoint))
    }

    /// Asks the broker that administers the cluster. With KRaft all of them pass it on. Not asked a second time: what
    /// it was asked may have been done.
    ///
    /// # Errors
    /// No answer.
    pub fn ask_controller<C: Call>(&mut self, request: &C) -> Result<C::Answer, Failure> {
        if self.controller < 0 || !self.open.contains_key(&self.controller) {
            self.metadata(Some(&[]))?;
        }
        let node = match self.places.contains_key(&self.controller) {
            true => self.controller,
            false => self.any().map_err(|t| t.failure(&self.endpoint))?,
        };
        self.ask(node, request).map_err(|t| t.failure(&self.endpoint))
    }

    /// What is known of these topics, or of all. Never makes one.
    ///
    /// # Errors
    /// No answer.
    pub fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, Failure> {
        let answer = self.ask_any(&metadata_request(topics))?;
        self.places = answer
            .brokers
            .iter()
            .map(|b| (b.node_id.0, (b.host.to_string(), u16::try_from(b.port).unwrap_or(0))))
            .collect();
        self.controller = answer.controller_id.0;
        // The first connection is somebody's: which one, the addresses tell.
        let known = self.open.get(&-1).and_then(|first| {
            self.places.iter().find(|(_, (host, port))| first.place == format!("{host}:{port}")).map(|(node, _)| *node)
        });
        if let (Some(node), Some(connection)) = (known, known.and_then(|_| self.open.remove(&-1))) {
            self.open.entry(node).or_insert(connection);
        }
        Ok(answer)
    }

    /// The same as one broker sees it.
    ///
    /// # Errors
    /// No answer.
    pub fn metadata_of(&mut self, node: i32, topics: &[&str]) -> Result<MetadataResponse, Trouble> {
        self.ask(node, &metadata_request(Some(topics)))
    }

    /// The ids of all brokers that live.
    pub fn nodes(&self) -> Vec<i32> {
        self.places.keys().copied().collect()
    }

    /// Who leads a partition; none when there is no such topic. An election is waited for.
    ///
    /// # Errors
    /// No answer; no leader.
    pub fn leader(&mut self, topic: &str, partition: i32) -> Result<Option<i32>, Failure> {
        let until = Instant::now() + ELECTION;
        loop {
            let answer = self.metadata(Some(&[topic]))?;
            let Some(found) = answer.topics.first() else { return Ok(None) };
            if is(found.error_code, ResponseError::UnknownTopicOrPartition) {
                return Ok(None);
            }
            let leader = found.partitions.iter().find(|p| p.partition_index == partition).map(|p| p.leader_id);
            match leader {
                Some(BrokerId(node)) if node >= 0 && self.places.contains_key(&node) => return Ok(Some(node)),
                _ if is(found.error_code, ResponseError::TopicAuthorizationFailed) => {
                    return Err(Failure::unreachable(format!("{} may not read the topic {topic}", self.endpoint))
                        .hint("grant Describe, Read, Write and Create on it"));
                }
                _ if Instant::now() > until => {
                    let why = error_words(found.error_code);
                    return Err(Failure::unreachable(format!("the topic {topic} has no leader: {why}")));
                }
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// What the broker that answers says of itself.
    ///
    /// # Errors
    /// No answer.
    pub fn introduction(&mut self) -> Result<ApiVersionsResponse, Failure> {
        let node = self.any().map_err(|t| t.failure(&self.endpoint))?;
        self.open
            .get(&node)
            .map(|connection| connection.said.clone())
            .ok_or_else(|| Failure::unreachable(format!("{} cannot be reached", self.endpoint)))
    }
}

fn metadata_request(topics: Option<&[&str]>) -> MetadataRequest {
    let named = topics
        .map(|topics| topics.iter().map(|t| MetadataRequestTopic::default().with_name(Some(topic_name(t)))).collect());
    MetadataRequest::default().with_topics(named).with_allow_auto_topic_creation(false)
}
