//! One cypher-shell at work: given all its text at once, watched through what it prints.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::trust_store;
use crate::config::Secret;
use crate::process::program::Ended;
use crate::process::{CommandLine, Finished, Running, pipes};
use crate::stores::{Context, Settings, Step, StepEvent, StopReason};

/// Bytes of the longest line that is read as one.
const LONGEST: usize = 1 << 20;
/// Bytes kept of what a step prints, from its end.
const KEEP: usize = 2 << 20;
/// How long the JVM may take until the first step begins, on top of the step's own time.
const START: Duration = Duration::from_secs(60);

/// The command line that reads statements from its standard input.
pub fn command(program: PathBuf, endpoint: &Endpoint, root: &Path) -> CommandLine {
    let mut line = CommandLine::new(program, "cypher-shell").args([
        "--address",
        &endpoint.uri(),
        "--format",
        "plain",
        "--non-interactive",
        "--fail-fast",
    ]);
    if let Some(database) = &endpoint.database {
        line = line.args(["--database", database]);
    }
    let login = endpoint.environment().into_iter().filter(|(name, _)| name.ends_with("NAME") || name.ends_with("WORD"));
    line.env = login.collect();
    // Java reads its input in the locale's encoding.
    line.env.push(("LC_ALL".to_owned(), Secret::open("C.UTF-8")));
    line.env.push(("NEO4J_CYPHER_SHELL_HISTORY".to_owned(), Secret::open("disable")));
    // What the environment says has been resolved.
    line.without = ["NEO4J_URI", "NEO4J_ADDRESS", "NEO4J_DATABASE", "NEO4J_USERNAME", "NEO4J_PASSWORD"]
        .into_iter()
        .filter(|name| !line.env.iter().any(|(said, _)| said == name))
        .collect();
    line.folder = Some(root.to_owned());
    line
}

/// Makes the shell's JVM trust the certificates in a key store.
pub fn trust(line: &mut CommandLine, settings: &Settings, store: &Path) {
    let options = trust_store::options(settings.variables.get(trust_store::VARIABLE), store);
    line.env.push((trust_store::VARIABLE.to_owned(), Secret::open(options)));
}

/// How a shell's life went.
pub struct Talked {
    /// Steps that are certainly done, from the first.
    pub done: usize,
    /// Whether the step after them had begun.
    pub begun: bool,
    /// Parts of it that it said were done.
    pub part: u32,
    /// The line of the statement at work, where it is one of several in a part.
    pub line: Option<usize>,
    /// Why it was ended, if we ended it.
    pub ended: Option<Ended>,
    /// How it ended, with its errors.
    pub finished: Finished,
}

/// Starts a shell, gives it its text, and listens until its end.
///
/// # Errors
/// It cannot be started.
pub fn talk(
    line: &CommandLine,
    text: String,
    mark: &str,
    steps: &[Step],
    context: &Context<'_>,
    ask_to_stop: &mut dyn FnMut(),
) -> std::io::Result<Talked> {
    let mut running = Running::start(line)?;
    let output = pipes::listen(&mut running, LONGEST);
    if let Some(mut stdin) = running.stdin.take() {
        thread::spawn(move || {
            // A client that has gone says so through its end.
            let _ = stdin.write_all(text.as_bytes());
        });
    }
    let mut talk = Talk {
        mark: format!("{mark} "),
        steps,
        context,
        started: Instant::now(),
        at_work: None,
        waiting: None,
        said: String::new(),
        asked: false,
        talked: Talked {
            done: 0,
            begun: false,
            part: 0,
            line: None,
            ended: None,
            finished: Finished { code: None, stderr: String::new() },
        },
    };
    talk.until_its_end(&running, &output, ask_to_stop);
    talk.talked.finished = running.finish()?;
    talk.talked.finished.stderr = without_echo(&talk.talked.finished.stderr);
    Ok(talk.talked)
}

/// What a JVM says of its options is no word of the shell's.
fn without_echo(stderr: &str) -> String {
    stderr
        .lines()
        .filter(|line| !line.starts_with(trust_store::ECHO))
        .fold(String::new(), |text, line| text + line + "\n")
}

struct Talk<'a> {
    mark: String,
    steps: &'a [Step],
    context: &'a Context<'a>,
    started: Instant,
    /// Since when the step at work has been running.
    at_work: Option<Instant>,
    /// The duration of a step whose `done` was said but not yet seen to be committed.
    waiting: Option<i64>,
    said: String,
    asked: bool,
    talked: Talked,
}

impl Talk<'_> {
    fn until_its_end(&mut self, running: &Running, output: &Receiver<Vec<String>>, ask_to_stop: &mut dyn FnMut()) {
        let mut silent_since: Option<Instant> = None;
        loop {
            match output.recv_timeout(Duration::from_millis(10)) {
                Ok(lines) => {
                    silent_since = None;
                    lines.into_iter().for_each(|line| self.hear(&line));
                }
                Err(RecvTimeoutError::Disconnected) => return,
                // A child may hold the output open after the shell has gone.
                Err(RecvTimeoutError::Timeout) if running.has_ended() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > Duration::from_millis(300) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.context.stop.asked().is_some() && !self.asked {
                self.asked = true;
                ask_to_stop();
            }
            if self.talked.ended.is_none()
                && let Some(ended) = self.must_end()
            {
                self.talked.ended = Some(ended);
                running.ender().end();
            }
        }
    }

    /// Why the shell must end before its time.
    fn must_end(&self) -> Option<Ended> {
        if let Some(reason) = self.context.stop.at_once() {
            return Some(Ended::Stopped(reason));
        }
        // A shell that has not begun would begin a step that nobody wants any more.
        if self.context.stop.asked().is_some() && self.talked.done == 0 && !self.talked.begun {
            return Some(Ended::Stopped(StopReason::Sibling));
        }
        let limit = self.steps.get(self.talked.done)?.timeout?;
        let late = match self.at_work {
            Some(since) => since.elapsed() >= limit,
            None => self.started.elapsed() >= START + limit && self.talked.done == 0,
        };
        late.then_some(Ended::Deadline(limit))
    }

    fn hear(&mut self, line: &str) {
        let Some(at) = line.find(&self.mark) else { return self.keep(line) };
        let line = line[at + self.mark.len()..].trim_end_matches('"');
        let mut words = line.split(' ');
        let (Some(word), Some(index)) = (words.next(), words.next().and_then(|i| i.parse::<usize>().ok())) else {
            return;
        };
        let value = words.next().and_then(|v| v.parse::<i64>().ok());
        if let Some(duration) = self.waiting.take() {
            self.done(duration);
        }
        let at_hand = self.steps.get(self.talked.done).is_some_and(|step| step.index == index);
        match word {
            "begin" if at_hand => {
                // What our own statement before it printed.
                self.said.clear();
                self.talked.begun = true;
                self.at_work = Some(Instant::now());
                (self.context.event)(index, StepEvent::Started);
            }
            "part" if at_hand => {
                let done = value.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
                (self.talked.part, self.talked.line) = (done, None);
                let total = self.steps.get(self.talked.done).map_or(0, |s| s.shape.statements);
                (self.context.event)(
                    index,
                    StepEvent::Progress { done, total: u32::try_from(total).unwrap_or(done).max(done) },
                );
            }
            "line" if at_hand => self.talked.line = value.and_then(|v| usize::try_from(v).ok()),
            "done" if at_hand => self.waiting = Some(value.unwrap_or(0)),
            _ => {}
        }
    }

    fn done(&mut self, duration_ms: i64) {
        let Some(step) = self.steps.get(self.talked.done) else { return };
        let said = std::mem::take(&mut self.said);
        if !said.trim().is_empty() {
            (self.context.event)(step.index, StepEvent::Said(said.trim_end().to_owned()));
        }
        self.talked.done += 1;
        (self.talked.begun, self.talked.part, self.talked.line) = (false, 0, None);
        self.at_work = None;
        (self.context.event)(step.index, StepEvent::Done { duration_ms });
    }

    /// Keeps what a script prints; of an endless flood the end.
    fn keep(&mut self, line: &str) {
        // The heading of our own answers.
        if line.is_empty() || line == "stepladder" {
            return;
        }
        self.said.push_str(line);
        self.said.push('\n');
        if self.said.len() > 2 * KEEP {
            let cut = (self.said.len() - KEEP..self.said.len()).find(|at| self.said.is_char_boundary(*at)).unwrap_or(0);
            self.said.drain(..cut);
        }
    }
}
