//! A cluster: which node has which keys. The ledger's keys share a hash tag, so one node has the ledger; a script whose keys lie
//! elsewhere goes to their node, and its entry is begun before and ended after.

use std::collections::{BTreeMap, BTreeSet};

use redis::Value;

use super::job::{Job, Piece, Unfit};
use super::probe::is_cluster;
use super::ready::Ready;
use super::session::Session;
use super::words::{items, pack, text};
use crate::domain::Failure;
use crate::domain::redis::Command;

/// Host and port of a node.
pub type Place = (String, u16);

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// Commands without keys that every master has to be told, since each keeps its own.
const EVERYWHERE: [&str; 4] = ["ACL", "CONFIG", "FUNCTION", "SCRIPT"];

/// The masters of a cluster.
pub struct Cluster {
    ranges: Vec<(u16, u16, Place)>,
    sessions: BTreeMap<Place, Session>,
    home: u16,
    /// For questions while the answers to steps are still to come.
    pub asking: Session,
}

impl Cluster {
    /// The cluster that a server is a node of, if it is.
    ///
    /// # Errors
    /// No answer; a user who may not ask.
    pub fn find(session: &mut Session) -> Result<Option<Self>, Failure> {
        if !is_cluster(session)? {
            return Ok(None);
        }
        let said = session.ask(&["CLUSTER", "SLOTS"])?;
        let own = session.endpoint.host();
        let ranges = items(&said).iter().filter_map(|range| range_of(range, &own)).collect();
        let home = slot(session.endpoint.key("ledger").as_bytes());
        let cluster = Self { ranges, sessions: BTreeMap::new(), home, asking: session.another() };
        match cluster.place(home) {
            Some(_) => Ok(Some(cluster)),
            None => Err(Failure::unreachable(format!(
                "the cluster at {} has no node for the ledger's slot {home}",
                session.endpoint
            ))
            .hint("`redis-cli --cluster check HOST:PORT` shows what it lacks")),
        }
    }

    /// Its masters.
    pub fn masters(&self) -> Vec<Place> {
        let all: BTreeSet<&Place> = self.ranges.iter().map(|(.., place)| place).collect();
        all.into_iter().cloned().collect()
    }

    /// How many slots no node has.
    pub fn uncovered(&self) -> usize {
        usize::from(SLOTS) - self.ranges.iter().map(|(first, last, _)| usize::from(last - first) + 1).sum::<usize>()
    }

    fn place(&self, slot: u16) -> Option<&Place> {
        self.ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot)).map(|(.., place)| place)
    }

    /// A key's slot is on another node than was known.
    pub fn learn(&mut self, key: &[u8], place: &Place) {
        let slot = slot(key);
        self.ranges.insert(0, (slot, slot, place.clone()));
    }

    /// The connection to a master.
    pub fn node(&mut self, place: &Place, like: &Session) -> &mut Session {
        self.sessions.entry(place.clone()).or_insert_with(|| like.fixed_at(place))
    }

    /// Where a command goes: to the node of its keys; to every master where each keeps its own; none for the ledger's node.
    pub fn places(&self, command: Option<&Command>, key: Option<&[u8]>) -> Vec<Option<Place>> {
        match key.map(slot) {
            Some(slot) if slot != self.home => vec![self.place(slot).cloned()],
            None if command.is_some_and(|c| EVERYWHERE.contains(&c.name().as_str())) => {
                self.masters().into_iter().map(Some).collect()
            }
            _ => vec![None],
        }
    }

    /// Decides where a script's pieces go.
    ///
    /// # Errors
    /// Keys of several slots in a command, or in a script that is not journalled command by command; a slot without a node; a
    /// program that does not say its keys. Nothing of it is run.
    pub fn settle(&self, ready: &mut Ready<'_>, keys: Vec<Keys>) -> Result<(), Unfit> {
        let mut seen: Option<(u16, usize, String)> = None;
        for keys in &keys {
            let one = keys.one_slot()?;
            let Some((slot, name)) = one else { continue };
            if self.place(slot).is_none() {
                let message = format!("no node of the cluster has slot {slot}, which `{name}` belongs to");
                return Err(
                    Unfit::at(keys.line, message).hint("`redis-cli --cluster check HOST:PORT` shows what it lacks")
                );
            }
            match &seen {
                Some((other, line, first)) if *other != slot && !ready.each => {
                    let message = format!(
                        "the script's keys are in several slots of the cluster: `{first}` (line {line}) in {other}, `{name}` in {slot}"
                    );
                    return Err(Unfit::at(keys.line, message).hint(TAGS).hint(
                        "or `# stepladder: no-transaction`: each command then goes to its own node, with a journal after it",
                    ));
                }
                Some(_) => {}
                None => seen = Some((slot, keys.line, name)),
            }
        }
        ready.keys = keys.into_iter().map(|keys| keys.keys.into_iter().next()).collect();
        if ready.keys.iter().flatten().any(|key| slot(key) != self.home) {
            ready.pieces = away(ready);
        }
        Ok(())
    }
}

const TAGS: &str = "keys with the same part in braces share a slot: `{user:1}:name`, `{user:1}:mail`";

/// The pieces of a script for another node than the ledger's.
fn away(ready: &Ready<'_>) -> Vec<Piece> {
    if ready.is_program() {
        return if ready.each { vec![Piece::Repeated] } else { vec![Piece::Program] };
    }
    let one = |piece: &Piece| match *piece {
        Piece::Together(first, end) if end - first > 1 && ready.keys[first..end].iter().any(Option::is_some) => {
            Piece::Away(first, end)
        }
        Piece::Together(first, end) if end - first == 1 => Piece::Alone(first),
        ref other => other.clone(),
    };
    ready.pieces.iter().map(one).collect()
}

/// The keys of a part of a script.
pub struct Keys {
    line: usize,
    keys: Vec<Vec<u8>>,
}

impl Keys {
    fn one_slot(&self) -> Result<Option<(u16, String)>, Unfit> {
        let name = |key: &[u8]| String::from_utf8_lossy(key).chars().take(60).collect::<String>();
        let Some(first) = self.keys.first() else { return Ok(None) };
        let at = slot(first);
        match self.keys.iter().find(|key| slot(key) != at) {
            Some(other) => {
                let (a, b) = (name(first), name(other));
                let message =
                    format!("its keys are in several slots of the cluster: `{a}` in {at}, `{b}` in {}", slot(other));
                Err(Unfit::at(self.line, message).hint(TAGS))
            }
            None => Ok(Some((at, name(first)))),
        }
    }

    /// Asks the server which keys a script's parts have, in one round trip.
    ///
    /// # Errors
    /// No answer; a program that does not say.
    pub fn ask(session: &mut Session, job: &Job) -> Result<Result<Vec<Self>, Unfit>, Failure> {
        if let Job::Program(program) = job {
            let line = 1;
            if program.keys.is_empty() {
                let unfit = Unfit::at(line, "in a cluster a program has to say its keys, which decide where it runs");
                return Ok(Err(unfit.hint("write `-- KEYS: a b` at its top")));
            }
            return Ok(Ok(vec![Self { line, keys: program.keys.clone() }]));
        }
        let mut packed = Vec::new();
        for command in job.commands() {
            let words: Vec<&[u8]> = [b"COMMAND".as_slice(), b"GETKEYS"]
                .into_iter()
                .chain(command.words.iter().map(Vec::as_slice))
                .collect();
            pack(&words, &mut packed);
        }
        let replies = match job.commands().len() {
            0 => Vec::new(),
            n => session.send(packed, n)?,
        };
        let mut all = Vec::new();
        for (command, reply) in job.commands().iter().zip(replies) {
            let keys = match reply {
                Ok(said) => items(&said).iter().filter_map(bytes).collect(),
                // It has none, or not with these arguments.
                Err(words) if words.contains("no key arguments") || words.contains("Invalid arguments") => Vec::new(),
                Err(words) => return Err(session.refused(&words)),
            };
            all.push(Self { line: command.line, keys });
        }
        Ok(Ok(all))
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

/// `[first, last, [host, port, id, ...], ...]`: the first node is the master. Without a host it is the one that was asked.
fn range_of(value: &Value, own: &str) -> Option<(u16, u16, Place)> {
    let [first, last, master, ..] = items(value) else { return None };
    let number = |value: &Value| text(value).and_then(|n| n.parse::<u16>().ok());
    let host = items(master).first().and_then(text).filter(|host| !host.is_empty() && host != "?");
    let port = items(master).get(1).and_then(number)?;
    Some((number(first)?, number(last)?, (host.unwrap_or_else(|| own.to_owned()), port)))
}

/// The slot of a key: of what stands between its first braces, unless that is nothing.
pub fn slot(key: &[u8]) -> u16 {
    let open = key.iter().position(|b| *b == b'{').map(|at| at + 1);
    let tag = open.and_then(|open| {
        let length = key[open..].iter().position(|b| *b == b'}').filter(|length| *length > 0)?;
        Some(&key[open..open + length])
    });
    // CRC-16 as XMODEM has it.
    let crc = tag.unwrap_or(key).iter().fold(0_u16, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_server() {
        assert_eq!(slot(b"123456789"), 0x31C3 % SLOTS);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{foo}.a"), slot(b"foo"));
        assert_eq!(slot(b"a{foo}{bar}"), slot(b"foo"));
        // Empty braces are no tag, and unclosed ones neither.
        assert_ne!(slot(b"{}foo"), slot(b"foo"));
        assert_ne!(slot(b"{foo"), slot(b"foo"));
    }

    #[test]
    fn keys_of_several_slots_are_named() {
        let keys = |keys: &[&str]| Keys { line: 3, keys: keys.iter().map(|k| k.as_bytes().to_vec()).collect() };
        assert_eq!(keys(&[]).one_slot(), Ok(None));
        assert_eq!(keys(&["{a}x", "{a}y"]).one_slot().unwrap().unwrap().0, slot(b"a"));
        let unfit = keys(&["a", "b"]).one_slot().unwrap_err();
        assert!(unfit.line == 3 && unfit.message.contains("`b` in 3300"), "{unfit:?}");
    }
}
