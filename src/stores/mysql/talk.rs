//! One client at work: fed script by script through its input, heard through its output.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::NamedTempFile;

use super::client::{self, Family};
use super::endpoint::Endpoint;
use super::script::{Feed, Place};
use crate::process::Finished;
use crate::process::dialogue::{Dialogue, Heard};
use crate::process::program::Ended;
use crate::stores::{Context, Step, StepEvent};

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
    /// Whether a script changed the session.
    used: bool,
    /// What was fed and has not come to its end, in order: where its statements stand, and how many there are.
    fed: VecDeque<(Vec<Place>, u32)>,
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
        Ok(Self { dialogue, family, database, mark, _options: options, lines: 0, used: false, fed: VecDeque::new() })
    }

    /// Feeds a script. `uses` says that it changes the session.
    pub fn feed(&mut self, feed: Feed, uses: bool) {
        if self.used {
            self.say(&self.family.new_session(&self.database));
        }
        self.used = uses;
        let before = self.lines;
        let moved = |p: &Place| Place { first: p.first + before, last: p.last + before, ..*p };
        self.fed.push_back((feed.places.iter().map(moved).collect(), feed.total));
        self.say(&feed.text);
    }

    /// Hears the oldest of the scripts that were fed to its end; how long it took, in milliseconds.
    ///
    /// # Errors
    /// It did not get there; the client is gone, and nothing that was fed behind it was run.
    pub fn hear(&mut self, step: &Step, context: &Context<'_>) -> Result<i64, Broken> {
        let (places, total) = self.fed.pop_front().unwrap_or_default();
        let (mut began, mut connection) = (Instant::now(), None);
        loop {
            let left = step.timeout.map(|limit| limit.saturating_sub(began.elapsed()));
            match self.dialogue.hear(left, context.stop) {
                Heard::Answer(word, value) => match word.as_str() {
                    "begin" => {
                        (began, connection) = (Instant::now(), value.get(1).and_then(Value::as_u64));
                        (context.event)(step.index, StepEvent::Started);
                    }
                    "part" => {
                        let done = value.get(1).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
                        if let Some(done) = done {
                            (context.event)(step.index, StepEvent::Progress { done, total });
                        }
                    }
                    "done" => return Ok(millis(began.elapsed())),
                    _ => {}
                },
                Heard::Gone(ended) => {
                    let ended = ended.map(|ended| match (ended, step.timeout) {
                        // What was left is not what was allowed.
                        (Ended::Deadline(_), Some(limit)) => Ended::Deadline(limit),
                        (ended, _) => ended,
                    });
                    let finished = self.dialogue.finish().ok();
                    return Err(Broken { ended, finished, said: self.printed(), connection, places });
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

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
