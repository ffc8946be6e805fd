//! A client that stays at work: it is told what to do in lines, and answers in lines that carry a mark. Between them
//! stands whatever scripts print.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::Ended;
use super::{CommandLine, Finished, Running, pipes};
use crate::stores::Stop;

/// How long a client may take for its own end.
const FAREWELL: Duration = Duration::from_secs(3);
/// Bytes of the longest line that is read as one: an answer may hold all that a client says of an error.
const LONGEST: usize = 8 << 20;

/// What came back.
pub enum Heard {
    /// A word and what belongs to it.
    Answer(String, Value),
    /// The client was ended, or ended by itself.
    Gone(Option<Ended>),
}

/// A client that waits for orders.
pub struct Dialogue {
    running: Option<Running>,
    orders: Option<Sender<String>>,
    output: Receiver<Vec<String>>,
    /// Lines that came and were not looked at yet.
    heard: VecDeque<String>,
    mark: String,
    /// Whether a client that is asked to stop only gives up what it is at, and goes on with what it was told next.
    pub goes_on: bool,
    /// What was printed since somebody took it.
    pub printed: String,
}

impl Dialogue {
    /// Starts a client whose answers begin with this mark.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(line: &CommandLine, mark: &str) -> std::io::Result<Self> {
        let mut running = Running::start(line)?;
        let (output, orders) = (pipes::listen(&mut running, LONGEST), pipes::speak(&mut running));
        Ok(Self {
            running: Some(running),
            orders: Some(orders),
            output,
            heard: VecDeque::new(),
            mark: format!("{mark} "),
            goes_on: false,
            printed: String::new(),
        })
    }

    /// Whether the client has gone.
    pub fn has_ended(&self) -> bool {
        self.running.as_ref().is_none_or(Running::has_ended)
    }

    /// Sends an order.
    pub fn order(&self, order: &Value) {
        self.say(format!("{order}\n"));
    }

    /// Sends a text as it is.
    pub fn say(&self, text: String) {
        if let Some(orders) = &self.orders {
            // A client that has gone says so through its end.
            let _ = orders.send(text);
        }
    }

    /// Waits for the next answer; ends the client at its deadline or when asked to stop at once.
    pub fn hear(&mut self, timeout: Option<Duration>, stop: &Stop) -> Heard {
        let began = Instant::now();
        let mut ended = None;
        let mut silent_since: Option<Instant> = None;
        loop {
            // Several answers may have come at once; what comes after a cancel is none any more.
            while let Some(line) = self.heard.pop_front() {
                if let Some((word, what)) = self.read(&line).filter(|_| ended.is_none()) {
                    return Heard::Answer(word, what);
                }
            }
            match self.output.recv_timeout(Duration::from_millis(10)) {
                Ok(lines) => {
                    silent_since = None;
                    self.heard.extend(lines);
                }
                Err(RecvTimeoutError::Disconnected) => return Heard::Gone(ended),
                // A child of a script may hold its output open after the client has gone.
                Err(RecvTimeoutError::Timeout) if self.has_ended() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > Duration::from_millis(300) {
                        return Heard::Gone(ended);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ended.is_none() {
                ended = Ended::due(stop, timeout, began);
                if let Some(running) = self.running.as_ref().filter(|_| ended.is_some()) {
                    self.orders = None;
                    if self.goes_on { running.ender().end() } else { running.ender().cancel() }
                }
            }
        }
    }

    /// Ends the client, and says how it ended. What a script left for its end may take a moment, and no longer.
    ///
    /// # Errors
    /// Waiting failed.
    pub fn finish(&mut self) -> std::io::Result<Finished> {
        self.orders = None;
        let Some(running) = self.running.take() else { return Ok(Finished { code: None, stderr: String::new() }) };
        if running.end().recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
            running.ender().end();
        }
        running.finish()
    }

    /// An answer, if the line holds one; what is none was printed by a script.
    fn read(&mut self, line: &str) -> Option<(String, Value)> {
        let Some(at) = line.find(&self.mark) else {
            pipes::keep(&mut self.printed, line);
            return None;
        };
        if at > 0 {
            pipes::keep(&mut self.printed, &line[..at]);
        }
        let (word, what) = line[at + self.mark.len()..].split_once(' ')?;
        Some((word.to_owned(), serde_json::from_str(what).ok()?))
    }
}
