//! One psql at work: fed step by step through its input, watched through its output.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::endpoint::Endpoint;
use super::script::{Chain, Feed, MARK, has_commands, is_plain};
use crate::config::Secret;
use crate::process::pipes::{self, AHEAD, QUICK};
use crate::process::program::Ended;
use crate::process::{CommandLine, Finished, Running};
use crate::stores::{Context, Step, StepEvent, StopReason};

/// Bytes of the longest line that is read as one.
const LONGEST: usize = 1 << 20;

/// What the server knows the client of a run by, unless the connection says otherwise.
pub fn application_name(run: &str) -> String {
    format!("stepladder {run}")
}

/// The command line that reads steps from its standard input.
pub fn command(program: PathBuf, endpoint: &Endpoint, root: &Path, run: &str) -> CommandLine {
    let mut line = CommandLine::new(program, "psql").args([
        "--no-psqlrc",
        "--quiet",
        "--no-align",
        "--tuples-only",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        "--file=-",
    ]);
    line.env = endpoint.environment();
    if endpoint.get("application_name").is_none() {
        line.env.push(("PGAPPNAME".to_owned(), Secret::open(application_name(run))));
    }
    line.env.push(("PGCLIENTENCODING".to_owned(), Secret::open("UTF8")));
    line.without = endpoint.without();
    line.folder = Some(root.to_owned());
    line.merged = true;
    line
}

/// How a session ended.
pub struct Session {
    /// Steps whose marker came back, from the first.
    pub done: usize,
    /// Steps that were fed, with the line of psql's input where each begins.
    pub fed: Vec<(usize, Feed)>,
    /// The transaction of the step at work, when it had begun; 0 for one without a transaction.
    pub xid: Option<u64>,
    /// Parts of it that are done.
    pub part: Option<u32>,
    /// What it printed.
    pub said: String,
    /// Why it was ended, if we ended it.
    pub ended: Option<Ended>,
    /// How the client ended.
    pub finished: Finished,
}

/// Feeds a client steps until all are done, one fails, or somebody asks to stop.
///
/// # Errors
/// Waiting for its end failed.
pub fn talk(
    mut running: Running,
    steps: &[Step],
    context: &Context<'_>,
    make: &mut dyn FnMut(&Step, &str, Chain) -> Feed,
) -> std::io::Result<Session> {
    let (output, stdin) = (pipes::listen(&mut running, LONGEST), pipes::speak(&mut running));
    let mark = crate::process::identity::token();
    let _ = stdin.send(format!("\\set {MARK} {mark}\n"));
    let mut talk = Talk {
        steps,
        context,
        mark: format!("{mark} "),
        stdin: Some(stdin),
        lines: 1,
        began: None,
        took: None,
        quick: false,
        session: Session {
            done: 0,
            fed: Vec::new(),
            xid: None,
            part: None,
            said: String::new(),
            ended: None,
            finished: Finished { code: None, stderr: String::new() },
        },
    };
    talk.until_its_end(&running, &output, make);
    talk.stdin = None;
    talk.session.finished = running.finish()?;
    Ok(talk.session)
}

struct Talk<'a> {
    steps: &'a [Step],
    context: &'a Context<'a>,
    mark: String,
    stdin: Option<Sender<String>>,
    /// Lines written so far.
    lines: usize,
    began: Option<Instant>,
    took: Option<i64>,
    quick: bool,
    session: Session,
}

impl Talk<'_> {
    fn until_its_end(
        &mut self,
        running: &Running,
        output: &Receiver<Vec<String>>,
        make: &mut dyn FnMut(&Step, &str, Chain) -> Feed,
    ) {
        let mut silent_since: Option<Instant> = None;
        loop {
            self.feed(make);
            match output.recv_timeout(Duration::from_millis(10)) {
                Ok(lines) => {
                    silent_since = None;
                    lines.into_iter().for_each(|line| self.hear(&line));
                }
                Err(RecvTimeoutError::Disconnected) => return,
                // A child of psql's may hold its output open after it has gone.
                Err(RecvTimeoutError::Timeout) if running.has_ended() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > Duration::from_millis(300) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.session.ended.is_none()
                && let Some(ended) = self.must_end()
            {
                self.session.ended = Some(ended);
                self.stdin = None;
                match self.steps.get(self.session.done).is_some_and(has_commands) {
                    // A cancelled `\!` would not stop its script; what the server is at is ended afterwards.
                    true => running.ender().end(),
                    false => running.ender().cancel(),
                }
            }
        }
    }

    /// Why the client must end before its time.
    fn must_end(&self) -> Option<Ended> {
        if let Some(reason) = self.context.stop.at_once() {
            return Some(Ended::Stopped(reason));
        }
        let limit = self.steps.get(self.session.done).and_then(|step| step.timeout);
        if let (Some(began), Some(limit)) = (self.began, limit)
            && began.elapsed() >= limit
        {
            return Some(Ended::Deadline(limit));
        }
        // The step at hand is done, and more have been fed than should be begun.
        let more = self.began.is_none() && self.session.fed.len() > self.session.done;
        let asked = self.context.stop.asked().is_some();
        (asked && more && self.session.done > 0).then_some(Ended::Stopped(StopReason::Sibling))
    }

    /// Feeds the next steps, as many as may be ahead; closes the input behind the last one.
    fn feed(&mut self, make: &mut dyn FnMut(&Step, &str, Chain) -> Feed) {
        let Some(stdin) = self.stdin.clone() else { return };
        let (mut text, done) = (String::new(), self.session.done);
        let stopped = self.context.stop.asked().is_some();
        // Many at a time: each time that psql's reader is woken costs as much as a small statement.
        let low = self.session.fed.len() <= done + self.window() / 2;
        while low && !stopped && self.session.fed.len() < (done + self.window()).min(self.steps.len()) {
            let at = self.session.fed.len();
            let mut feed = make(&self.steps[at], self.mark.trim_end(), self.chain(at));
            text.push_str(&std::mem::take(&mut feed.text));
            let lines = feed.lines();
            self.session.fed.push((self.lines + 1, feed));
            self.lines += lines;
        }
        let gone = !text.is_empty() && stdin.send(text).is_err();
        let fed = self.session.fed.len();
        if gone || fed == self.steps.len() || (stopped && fed == done) {
            self.stdin = None;
        }
    }

    /// How many steps may have been fed and not be done.
    fn window(&self) -> usize {
        let (fed, done) = (self.session.fed.len(), self.session.done);
        let slow = self.began.is_some_and(|began| began.elapsed() > QUICK);
        // A script in psql's input must not be followed by anything before it has ended.
        let plain = self.steps[done..].iter().take(fed - done + 1).all(is_plain);
        if plain && self.quick && !slow { AHEAD } else { 1 }
    }

    fn chain(&self, at: usize) -> Chain {
        let is_plain = |at: usize| self.steps.get(at).is_some_and(is_plain);
        let after = self.steps.get(at + 1).filter(|_| is_plain(at) && is_plain(at + 1)).map(|next| next.index);
        Chain { before: at > 0 && is_plain(at - 1) && is_plain(at), after }
    }

    fn hear(&mut self, line: &str) {
        let Some(at) = line.find(&self.mark) else { return self.keep(line) };
        if at > 0 {
            self.keep(&line[..at]);
        }
        let mut words = line[at + self.mark.len()..].split_whitespace();
        let (Some(word), Some(index)) = (words.next(), words.next().and_then(|i| i.parse::<usize>().ok())) else {
            return self.keep(line);
        };
        let value = words.next();
        let Some(step) = self.steps.get(self.session.done).filter(|step| step.index == index) else { return };
        match word {
            "begin" => self.begun(index, value),
            "part" => {
                self.session.part = value.and_then(|v| v.parse().ok());
                let total = u32::try_from(step.shape.statements).unwrap_or(u32::MAX);
                if let Some(done) = self.session.part {
                    (self.context.event)(index, StepEvent::Progress { done, total });
                }
            }
            "took" => self.took = value.and_then(|v| v.parse().ok()),
            "done" => {
                self.took = value.and_then(|v| v.parse().ok()).or(self.took);
                self.done(index);
                // With the next one's beginning, where that was part of the same message.
                let next = (words.next(), words.next().and_then(|index| index.parse::<usize>().ok()));
                if let (Some("begin"), Some(next)) = next
                    && self.steps.get(self.session.done).is_some_and(|step| step.index == next)
                {
                    self.begun(next, words.next());
                }
            }
            _ => {}
        }
    }

    fn begun(&mut self, index: usize, xid: Option<&str>) {
        // What our own first lines printed.
        self.session.said.clear();
        self.session.xid = xid.and_then(|v| v.parse().ok());
        self.began = Some(Instant::now());
        (self.context.event)(index, StepEvent::Started);
    }

    fn done(&mut self, index: usize) {
        let elapsed = self.began.take().map_or(Duration::ZERO, |began| began.elapsed());
        let measured = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let said = std::mem::take(&mut self.session.said);
        if !said.trim().is_empty() {
            (self.context.event)(index, StepEvent::Said(said.trim_end().to_owned()));
        }
        self.quick = elapsed < QUICK;
        self.session.done += 1;
        (self.session.xid, self.session.part) = (None, None);
        let duration_ms = self.took.take().unwrap_or(measured);
        (self.context.event)(index, StepEvent::Done { duration_ms });
    }

    /// Keeps what a step prints; of an endless flood the end.
    fn keep(&mut self, line: &str) {
        let said = &mut self.session.said;
        if line.is_empty() {
            return;
        }
        pipes::keep(said, line);
    }
}
