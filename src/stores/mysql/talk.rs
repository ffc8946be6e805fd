//! One client at work: fed script by script through its input, heard through its output.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::client::{self, Family};
use super::endpoint::Endpoint;
use super::script::{self, Feed, Place};
use crate::process::Finished;
use crate::process::dialogue::{Dialogue, Heard};
use crate::process::program::Ended;
use crate::stores::{Context, FRESH, Step, StepEvent};

/// A client that waits for scripts.
pub struct Talk {
    dialogue: Dialogue,
    family: Family,
    database: String,
    /// A random word of letters and digits that no script prints.
    pub mark: String,
    /// The option file lives as long as its client.
    _options: NamedTempFile,
    /// Lines fed so far: the client counts them in its errors.
    lines: usize,
    /// Whether the last script changed the session; none before the first.
    used: Option<bool>,
    /// What was fed and has not come to its end, in order: where its statements stand, and how many there are.
    fed: VecDeque<Fed>,
    /// The server's number of the client's session, once it was heard.
    connection: Option<u64>,
    /// When it was last heard.
    since: Instant,
}

/// A script that was fed.
#[derive(Default)]
struct Fed {
    /// Where its statements stand in all that was fed.
    places: Vec<Place>,
    /// How many it has.
    total: u32,
    /// Whether a session begins with it.
    is_first: bool,
}

/// How a script that did not get to its end ended.
#[derive(Default)]
pub struct Broken {
    /// Why the client was ended, if we ended it.
    pub ended: Option<Ended>,
    /// How it ended.
    pub finished: Option<Finished>,
    /// What it printed, its errors among it.
    pub said: String,
    /// The server's number of the connection that the script ran in; none where it did not begin.
    pub connection: Option<u64>,
    /// Where its statements stood in all that this client was fed.
    pub places: Vec<Place>,
}

impl Talk {
    /// Starts a client. It logs in while we do something else.
    ///
    /// # Errors
    /// It cannot be started; its option file cannot be written.
    pub fn start(program: PathBuf, family: Family, endpoint: &Endpoint, root: &std::path::Path) -> io::Result<Self> {
        // Nobody else may read a file of this sort: it has the password.
        let mut options = NamedTempFile::with_prefix("stepladder-")?;
        options.write_all(client::options(endpoint, family).as_bytes())?;
        options.flush()?;
        let mut line = client::command(program, family, endpoint, options.path(), root);
        line.merged = true;
        let mark = crate::process::identity::token();
        let mut dialogue = Dialogue::start(&line, &mark)?;
        // An interrupted client kills its query; what was asleep then counts as done, and the next statement runs.
        dialogue.goes_on = true;
        let database = endpoint.database.clone().unwrap_or_default();
        Ok(Self {
            dialogue,
            family,
            database,
            mark,
            _options: options,
            lines: 0,
            used: None,
            fed: VecDeque::new(),
            connection: None,
            since: Instant::now(),
        })
    }

    /// Whether it can be fed: it is at work, or waits and has not waited for long.
    pub fn is_fit(&self) -> bool {
        !self.fed.is_empty() || (!self.dialogue.has_ended() && self.since.elapsed() < FRESH)
    }

    /// Feeds a script. `uses` says that it changes the session.
    pub fn feed(&mut self, feed: Feed, uses: bool) {
        let is_first = self.used != Some(false);
        if self.used == Some(true) {
            self.say(&self.family.new_session(&self.database));
        }
        if is_first {
            self.say(&format!("DELIMITER ;\n{}", script::asks_session(&self.mark)));
        }
        self.used = Some(uses);
        let before = self.lines;
        let moved = |p: &Place| Place { first: p.first + before, last: p.last + before, ..*p };
        let places = feed.places.iter().map(moved).collect();
        self.fed.push_back(Fed { places, total: feed.total, is_first });
        self.say(&feed.text);
    }

    /// Hears the oldest of the scripts that were fed to its end; how long it took.
    ///
    /// # Errors
    /// It did not get there; the client is gone, and nothing that was fed behind it was run.
    pub fn hear(&mut self, step: &Step, context: &Context<'_>) -> Result<Duration, Broken> {
        let Fed { places, total, is_first } = self.fed.pop_front().unwrap_or_default();
        let mut began = Instant::now();
        match is_first {
            true => self.connection = None,
            // The client is at it already.
            false => (context.event)(step.index, StepEvent::Started),
        }
        loop {
            let left = step.timeout.map(|limit| limit.saturating_sub(began.elapsed()));
            match self.dialogue.hear(left, context.stop) {
                Heard::Answer(word, value) => match word.as_str() {
                    "session" => {
                        (began, self.connection) = (Instant::now(), value.get(0).and_then(Value::as_u64));
                        (context.event)(step.index, StepEvent::Started);
                    }
                    "part" => {
                        let done = value.get(1).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
                        if let Some(done) = done {
                            (context.event)(step.index, StepEvent::Progress { done, total });
                        }
                    }
                    "done" => {
                        self.since = Instant::now();
                        return Ok(began.elapsed());
                    }
                    _ => {}
                },
                Heard::Gone(ended) => {
                    let ended = ended.map(|ended| match (ended, step.timeout) {
                        // What was left is not what was allowed.
                        (Ended::Deadline(_), Some(limit)) => Ended::Deadline(limit),
                        (ended, _) => ended,
                    });
                    let finished = self.dialogue.finish().ok();
                    return Err(Broken { ended, finished, said: self.printed(), connection: self.connection, places });
                }
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.lines += text.matches('\n').count();
        self.dialogue.say(text.to_owned());
    }

    /// What was printed since somebody asked.
    pub fn printed(&mut self) -> String {
        std::mem::take(&mut self.dialogue.printed)
    }

    /// Ends it: there is nothing more to do.
    pub fn finish(mut self) {
        let _ = self.dialogue.finish();
    }
}
