//! The console producer and consumer in process.

use std::fmt::Write as _;
use std::time::Instant;

use super::action::Action;
use super::broker::{self, Refusal};
use super::log::batch;
use super::murmur;
use super::wire::Cluster;

/// Bytes of records that go into one batch.
const BATCH: usize = 256 << 10;

/// A record's key and value.
type Pair<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// A record a line, as the console producer reads them. Records with equal keys go into one partition.
///
/// # Errors
/// A line without its key; the brokers' words.
pub fn produce(
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
    let mut piles: Vec<Vec<Pair<'_>>> = vec![Vec::new(); count];
    for (key, value) in lines {
        piles[key.map_or(0, |key| murmur::partition(key, count))].push((key, value));
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
///
/// # Errors
/// The brokers' words; what `check` said.
pub fn consume<E: From<String>>(
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
