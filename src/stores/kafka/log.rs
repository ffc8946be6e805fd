//! The ledger's topic: one partition, nothing ever deleted, times by the broker's clock. Reading folds it into a
//! [`Book`]; every write is read back in the log's order, which is what decides whether it counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{BrokerId, CreateTopicsRequest, FetchRequest, ProduceRequest};
use kafka_protocol::records::{
    Compression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::book::Book;
use super::record::Record;
use super::wire::cluster::{error_words, is, text, topic_name};
use super::wire::{Cluster, Trouble};
use crate::domain::Failure;

/// What keeps the ledger's records: all of them, for ever, with the broker's times.
pub const KEPT: [(&str, &str); 5] = [
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("message.timestamp.type", "LogAppendTime"),
    ("compression.type", "producer"),
];

/// Bytes fetched at once.
const FETCH: i32 = 16 << 20;

/// How long a write may look for a leader that takes it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The topic, and what has been read of it.
pub struct Log {
    /// The cluster that it is in.
    pub cluster: Cluster,
    topic: String,
    leader: Option<i32>,
    next: i64,
    /// What the records add up to.
    pub book: Book,
}

/// Whether each record that was waited for counts, by its id.
type Verdicts = BTreeMap<String, bool>;

impl Log {
    /// The ledger of a cluster, not read yet.
    pub fn new(cluster: Cluster) -> Self {
        let topic = cluster.endpoint.ledger.clone();
        Self { cluster, topic, leader: None, next: 0, book: Book::default() }
    }

    /// The same over connections of its own, with what has been read.
    pub fn another(&self) -> Self {
        Self {
            cluster: self.cluster.another(),
            topic: self.topic.clone(),
            leader: None,
            next: self.next,
            book: self.book.clone(),
        }
    }

    /// Reads what has been appended; false when there is no such topic.
    ///
    /// # Errors
    /// No answer; a record that is not the ledger's.
    pub fn catch_up(&mut self) -> Result<bool, Failure> {
        Ok(self.read_to(0)?.is_some())
    }

    /// Reads to the end, and at least to before this offset.
    fn read_to(&mut self, wanted: i64) -> Result<Option<Verdicts>, Failure> {
        let mut verdicts = Verdicts::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let leader = match self.leader {
                Some(leader) => leader,
                None => match self.cluster.leader(&self.topic, 0)? {
                    Some(leader) => *self.leader.insert(leader),
                    None => return Ok(None),
                },
            };
            let answer = match self.cluster.ask(leader, &self.fetch_request(wanted > self.next)) {
                Ok(answer) => answer,
                Err(trouble) => {
                    self.leader = None;
                    self.patience(trouble, until)?;
                    continue;
                }
            };
            let data = answer.responses.into_iter().next().and_then(|t| t.partitions.into_iter().next());
            let Some(data) = data else { return Err(self.odd("an answer without its partition")) };
            match ResponseError::try_from_code(data.error_code) {
                None => {}
                Some(ResponseError::OffsetOutOfRange) if data.log_start_offset > self.next || self.next == 0 => {
                    return Err(self.shortened(data.log_start_offset));
                }
                Some(ResponseError::OffsetOutOfRange) => {
                    return Err(self.odd("it is shorter than it was: it has been made anew"));
                }
                Some(error) if error.is_retriable() => {
                    self.leader = None;
                    self.patience(Trouble::Line(error.to_string()), until)?;
                    continue;
                }
                Some(error) => return Err(self.odd(&error.to_string())),
            }
            if data.log_start_offset > self.next {
                return Err(self.shortened(data.log_start_offset));
            }
            self.take_in(data.records.unwrap_or_default(), &mut verdicts)?;
            if self.next >= data.high_watermark && self.next >= wanted {
                return Ok(Some(verdicts));
            }
            if Instant::now() > until && self.next < wanted {
                return Err(self.odd("what was written cannot be read"));
            }
        }
    }

    fn fetch_request(&self, wait: bool) -> FetchRequest {
        let partition =
            FetchPartition::default().with_partition(0).with_fetch_offset(self.next).with_partition_max_bytes(FETCH);
        let topic = FetchTopic::default().with_topic(topic_name(&self.topic)).with_partitions(vec![partition]);
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(if wait { 100 } else { 0 })
            .with_min_bytes(1)
            .with_max_bytes(FETCH)
            .with_session_epoch(-1)
            .with_topics(vec![topic])
    }

    /// Folds the records of a fetch.
    fn take_in(&mut self, bytes: Bytes, verdicts: &mut Verdicts) -> Result<(), Failure> {
        for (batch, newest_ms) in batches(&bytes) {
            let set = RecordBatchDecoder::decode(&mut batch.clone()).map_err(|e| self.odd(&e.to_string()))?;
            for record in set.records {
                if record.offset < self.next {
                    continue;
                }
                if record.timestamp_type != TimestampType::LogAppend {
                    return Err(self.odd("its times are the writers' and not the broker's").hint(format!(
                        "kafka-configs --alter --topic {} --add-config message.timestamp.type=LogAppendTime",
                        self.topic
                    )));
                }
                self.next = record.offset + 1;
                let value = record.value.unwrap_or_default();
                let ours = Record::from_bytes(&value, record.offset, &self.topic)?;
                let counts = self.book.add(record.offset, newest_ms, &ours);
                verdicts.entry(ours.id).or_insert(counts);
            }
        }
        Ok(())
    }

    fn odd(&self, what: &str) -> Failure {
        Failure::unreachable(format!("the ledger's topic {} cannot be used: {what}", self.topic))
    }

    fn shortened(&self, start: i64) -> Failure {
        Failure::failed(format!(
            "the ledger's topic {} has lost its first {start} records, so nobody knows what is applied",
            self.topic
        ))
        .hint("was its retention changed, or were records deleted? `stepladder baseline` into another `ledger` topic starts over")
    }

    /// Waits a moment, unless there is no more time for it.
    fn patience(&self, trouble: Trouble, until: Instant) -> Result<(), Failure> {
        if matches!(trouble, Trouble::Refused(_)) || Instant::now() > until {
            return Err(trouble.failure(&self.cluster.endpoint));
        }
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    /// Appends records in one batch and reads them back; whether each counts, in their order.
    ///
    /// # Errors
    /// They could not be written, or not be read.
    pub fn append(&mut self, records: &[Record]) -> Result<Vec<bool>, Failure> {
        let until = Instant::now() + PATIENCE;
        let mut verdicts = Verdicts::new();
        loop {
            match self.produce(records) {
                Ok(Some(offset)) => {
                    let last = offset + i64::try_from(records.len()).unwrap_or(1);
                    verdicts.extend(self.read_to(last)?.unwrap_or_default());
                }
                Ok(None) => {}
                Err(trouble) => {
                    self.leader = None;
                    self.patience(trouble, until)?;
                    // It may have been written all the same.
                    verdicts.extend(self.read_to(0)?.unwrap_or_default());
                }
            }
            let known: Option<Vec<bool>> = records.iter().map(|r| verdicts.get(&r.id).copied()).collect();
            if let Some(known) = known {
                return Ok(known);
            }
            self.patience(Trouble::Line("the ledger's topic has no leader".to_owned()), until)?;
        }
    }

    /// The offset of the first record; none when another leader has to be looked for.
    fn produce(&mut self, records: &[Record]) -> Result<Option<i64>, Trouble> {
        let leader = match self.leader {
            Some(leader) => leader,
            None => match self.cluster.leader(&self.topic, 0).map_err(Trouble::Refused)? {
                Some(leader) => *self.leader.insert(leader),
                None => return Ok(None),
            },
        };
        let values: Vec<Vec<u8>> = records.iter().map(Record::to_bytes).collect();
        let batch = batch(values.iter().map(|value| (None, Some(value.as_slice()))))
            .map_err(|e| Trouble::Refused(self.odd(&e)))?;
        let answer = self.cluster.ask(leader, &produce_request(&self.topic, 0, batch))?;
        let data = answer.responses.first().and_then(|t| t.partition_responses.first());
        let Some(data) = data else { return Ok(None) };
        match ResponseError::try_from_code(data.error_code) {
            None => Ok(Some(data.base_offset)),
            Some(error) if error.is_retriable() => {
                self.leader = None;
                Ok(None)
            }
            Some(error) => {
                let words = data.error_message.as_ref().map(|m| format!(": {}", m.as_str())).unwrap_or_default();
                Err(Trouble::Refused(self.odd(&format!("{error}{words}"))))
            }
        }
    }

    /// Makes the topic where there is none. Another process may be doing the same.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(&mut self) -> Result<(), Failure> {
        if self.cluster.leader(&self.topic, 0)?.is_some() {
            return Ok(());
        }
        // Three copies where there are three brokers; then two of them must have a record before it counts.
        let copies = i16::try_from(self.cluster.nodes().len().clamp(1, 3)).unwrap_or(1);
        let durable = ("min.insync.replicas", if copies == 3 { "2" } else { "1" });
        let configs = KEPT
            .iter()
            .chain([&durable])
            .map(|(name, value)| CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value))));
        let topic = CreatableTopic::default()
            .with_name(topic_name(&self.topic))
            .with_num_partitions(1)
            .with_replication_factor(copies)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(20_000);
        let answer = self.cluster.ask_controller(&request)?;
        let Some(result) = answer.topics.first() else { return Err(self.odd("it could not be made")) };
        if result.error_code != 0 && !is(result.error_code, ResponseError::TopicAlreadyExists) {
            let words = result.error_message.as_ref().map_or_else(|| error_words(result.error_code), |m| m.to_string());
            let advice = "grant Create on the topic, or let somebody make it; `ledger` names another one";
            return Err(
                Failure::unreachable(format!("the ledger's topic {} cannot be made: {words}", self.topic)).hint(advice)
            );
        }
        let until = Instant::now() + PATIENCE;
        while self.cluster.leader(&self.topic, 0)?.is_none() {
            if Instant::now() > until {
                return Err(self.odd("it was made and is not there"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// One batch of key and value pairs, as a producer sends them.
///
/// # Errors
/// What the codec does not take.
pub fn batch<'a>(records: impl Iterator<Item = (Option<&'a [u8]>, Option<&'a [u8]>)>) -> Result<Bytes, String> {
    let now = jiff::Timestamp::now().as_millisecond();
    let records: Vec<kafka_protocol::records::Record> = records
        .zip(0..)
        .map(|((key, value), offset)| kafka_protocol::records::Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 0,
            producer_id: -1,
            producer_epoch: -1,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: i32::try_from(offset).unwrap_or(0) - 1,
            timestamp: now,
            key: key.map(Bytes::copy_from_slice),
            value: value.map(Bytes::copy_from_slice),
            headers: kafka_protocol::indexmap::IndexMap::new(),
        })
        .collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut buffer = BytesMut::new();
    RecordBatchEncoder::encode(&mut buffer, records.iter(), &options).map_err(|e| e.to_string())?;
    Ok(buffer.freeze())
}

/// A batch for a partition, to be written by all replicas that are in step.
pub fn produce_request(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(15_000).with_topic_data(vec![topic])
}

/// The whole batches of a fetch, each with its newest time: the last one may have been cut.
pub fn batches(bytes: &Bytes) -> Vec<(Bytes, i64)> {
    let mut found = Vec::new();
    let mut rest = bytes.clone();
    while rest.len() >= 61 {
        let number = |at: usize| rest[at..at + 4].iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let length = 12 + number(8);
        if rest.len() < length {
            break;
        }
        let newest_ms = rest[35..43].iter().fold(0i64, |n, b| n << 8 | i64::from(*b));
        found.push((rest.split_to(length), newest_ms));
    }
    found
}
