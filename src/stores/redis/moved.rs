//! What a cluster's node says of keys that it has not, or not yet, or not any more; and a master that is one no longer. Nothing of
//! what is refused with these words was done, so it can be asked again.

use std::thread;
use std::time::{Duration, Instant};

use super::cluster::Place;
use super::session::Reply;
use super::words::{items, text};

/// How long slots may be on their way, or a failover under way, before it is told. Nobody else can take the lease meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait before asking again, but for the first times, when it is only another node.
const PAUSE: Duration = Duration::from_millis(50);
const AT_ONCE: u32 = 3;

/// Where to ask instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// There from now on: `MOVED 3999 127.0.0.1:6381`. An empty host is that of the node that says so.
    Moved(Place),
    /// There this once, because the slot is on its way: `ASK 3999 127.0.0.1:6381`.
    Ask(Place),
    /// At the same place a little later: some of the slot's keys are there already, and some are not.
    Later,
    /// Wherever the master is now.
    Master,
}

impl Elsewhere {
    /// What words of refusal say of it.
    pub fn of(words: &str) -> Option<Self> {
        let place = |rest: &str| {
            let (host, port) = rest.split(' ').nth(1)?.rsplit_once(':')?;
            Some((host.to_owned(), port.parse().ok()?))
        };
        match words.split_once(' ')? {
            ("MOVED", rest) => place(rest).map(Self::Moved),
            ("ASK", rest) => place(rest).map(Self::Ask),
            ("TRYAGAIN", _) => Some(Self::Later),
            ("READONLY", _) => Some(Self::Master),
            _ => None,
        }
    }

    /// The same of an answer. A replica lets our scripts in, and refuses the first thing that they want to write.
    pub fn of_reply(reply: &Reply) -> Option<Self> {
        match reply {
            Err(words) => Self::of(words),
            Ok(said) => match items(said) {
                [failed, _, words, ..] if text(failed).as_deref() == Some("failed") => {
                    Self::of(&text(words)?).filter(|elsewhere| *elsewhere == Self::Master)
                }
                _ => None,
            },
        }
    }
}

/// How much longer something may be asked again.
pub struct Patience {
    until: Instant,
    asked: u32,
}

impl Patience {
    /// All of it.
    pub fn new() -> Self {
        Self { until: Instant::now() + PATIENCE, asked: 0 }
    }

    /// Waits a little; false when it has run out.
    pub fn wait(&mut self, elsewhere: &Elsewhere) -> bool {
        self.asked += 1;
        let at_once = matches!(elsewhere, Elsewhere::Moved(_) | Elsewhere::Ask(_)) && self.asked <= AT_ONCE;
        let left = Instant::now() < self.until;
        if left && !at_once {
            thread::sleep(PAUSE);
        }
        left
    }
}

/// The commands that were packed one after the other.
pub fn commands(packed: &[u8]) -> Vec<&[u8]> {
    let mut commands = Vec::new();
    let mut rest = packed;
    while let Some(length) = command_length(rest) {
        let (command, behind) = rest.split_at(length);
        commands.push(command);
        rest = behind;
    }
    commands
}

/// How long the first command is: `*2\r\n$3\r\nGET\r\n$1\r\na\r\n`.
fn command_length(packed: &[u8]) -> Option<usize> {
    let line = |from: usize| {
        let end = from + packed.get(from..)?.iter().position(|b| *b == b'\r')?;
        let number = std::str::from_utf8(packed.get(from + 1..end)?).ok()?.parse::<usize>().ok()?;
        Some((number, end + 2))
    };
    let (words, mut at) = line(0)?;
    for _ in 0..words {
        let (length, begin) = line(at)?;
        at = begin + length + 2;
    }
    (at <= packed.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::super::words::pack;
    use super::*;

    #[test]
    fn a_refusal_says_where_to_ask() {
        let moved = |host: &str| Some(Elsewhere::Moved((host.to_owned(), 6381)));
        assert_eq!(Elsewhere::of("MOVED 3999 127.0.0.1:6381"), moved("127.0.0.1"));
        assert_eq!(Elsewhere::of("MOVED 3999 ::1:6381"), moved("::1"));
        assert_eq!(Elsewhere::of("MOVED 3999 :6381"), moved(""));
        assert_eq!(Elsewhere::of("ASK 1 a:7"), Some(Elsewhere::Ask(("a".to_owned(), 7))));
        assert_eq!(Elsewhere::of("TRYAGAIN Multiple keys request"), Some(Elsewhere::Later));
        assert_eq!(Elsewhere::of("ERR no"), None);
        let said =
            |words: &str| Ok(Value::Array(["failed", "0", words].map(|word| Value::BulkString(word.into())).to_vec()));
        assert_eq!(Elsewhere::of_reply(&said("READONLY You can't")), Some(Elsewhere::Master));
        // What a script's own command was told is the script's.
        assert_eq!(Elsewhere::of_reply(&said("MOVED 3999 a:1")), None);
    }

    #[test]
    fn packed_commands_are_told_apart() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        pack(&["SET", "a\r\n*1", ""], &mut first);
        pack(&["GET", "ä"], &mut second);
        assert_eq!(commands(&[first.clone(), second.clone()].concat()), [first.as_slice(), second.as_slice()]);
        assert!(commands(b"*1\r\n$9\r\nGET").is_empty());
    }
}
