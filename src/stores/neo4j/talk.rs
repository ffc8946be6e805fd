//! Listening to a shell: what it prints, turned into events, and when it has to end.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::ahead::Aide;
use super::frame::{END, is_whole};
use crate::process::program::Ended;
use crate::process::{Finished, Running, pipes};
use crate::stores::{Context, Step, StepEvent, StopReason};

/// How long the JVM may take until the first step begins, on top of the step's own time.
const START: Duration = Duration::from_secs(60);
/// How long a step's commit may take on top of its own time.
const COMMIT: Duration = Duration::from_secs(10);
/// How long what comes behind a step may keep us from knowing that it was committed, before the ledger is asked.
const UNSURE: Duration = Duration::from_millis(100);

/// How a shell's life went.
pub struct Talked {
    /// Steps that are certainly done, from the first.
    pub done: usize,
    /// Whether the step after them had begun.
    pub begun: bool,
    /// The `done` of that step, said but not yet seen to be committed.
    pub waiting: Option<Waiting>,
    /// Parts of it that it said were done.
    pub part: u32,
    /// The line of the statement at work, where it is one of several in a part.
    pub line: Option<usize>,
    /// Why it was ended, if we ended it.
    pub ended: Option<Ended>,
    /// How it ended, with its errors.
    pub finished: Finished,
    /// Since when the step at work has been running.
    since: Option<Instant>,
}

/// A step that says that it is done.
pub struct Waiting {
    duration_ms: i64,
    /// What it printed.
    said: String,
    since: Instant,
}

impl Talked {
    /// The step that said that it is done is done.
    pub fn confirm(&mut self, steps: &[Step], context: &Context<'_>) {
        let (Some(waiting), Some(step)) = (self.waiting.take(), steps.get(self.done)) else { return };
        if !waiting.said.trim().is_empty() {
            (context.event)(step.index, StepEvent::Said(waiting.said.trim_end().to_owned()));
        }
        self.done += 1;
        (self.begun, self.part, self.line, self.since) = (false, 0, None, None);
        (context.event)(step.index, StepEvent::Done { duration_ms: waiting.duration_ms });
        // It does not say so itself.
        if let Some(next) = steps.get(self.done).filter(|next| is_whole(next)) {
            self.begins(next, waiting.since, context);
        }
    }

    fn begins(&mut self, step: &Step, since: Instant, context: &Context<'_>) {
        self.begun = true;
        self.since = Some(since);
        (context.event)(step.index, StepEvent::Started);
    }
}

/// Listening.
pub struct Talk<'a> {
    mark: String,
    pub(super) steps: &'a [Step],
    context: &'a Context<'a>,
    aide: &'a Aide,
    started: Instant,
    said: String,
    /// How many steps were through, or said so, when a stop was asked for.
    asked: Option<usize>,
    /// Whether the ledger was asked for the step that is waited for.
    looking: bool,
    talked: Talked,
}

impl<'a> Talk<'a> {
    /// With a shell that was given these steps.
    pub fn new(mark: &str, steps: &'a [Step], context: &'a Context<'a>, aide: &'a Aide) -> Self {
        let talked = Talked {
            done: 0,
            begun: false,
            waiting: None,
            part: 0,
            line: None,
            ended: None,
            finished: Finished { code: None, stderr: String::new() },
            since: None,
        };
        let mark = format!("{mark} ");
        Self {
            mark,
            steps,
            context,
            aide,
            started: Instant::now(),
            said: String::new(),
            asked: None,
            looking: false,
            talked,
        }
    }

    /// Listens until the shell has done everything, or ends.
    pub fn listen(
        mut self,
        running: &Running,
        output: &Receiver<Vec<String>>,
        ask_to_stop: &mut dyn FnMut(),
    ) -> Talked {
        let mut silent_since: Option<Instant> = None;
        while self.talked.done < self.steps.len() {
            match output.recv_timeout(Duration::from_millis(10)) {
                Ok(lines) => {
                    silent_since = None;
                    lines.into_iter().for_each(|line| self.hear(&line));
                }
                Err(RecvTimeoutError::Disconnected) => break,
                // A child may hold the output open after the shell has gone.
                Err(RecvTimeoutError::Timeout) if running.has_ended() => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > Duration::from_millis(300) {
                        break;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look_it_up();
            if self.context.stop.asked().is_some() && self.asked.is_none() {
                self.asked = Some(self.talked.done + usize::from(self.talked.waiting.is_some()));
                ask_to_stop();
            }
            if self.talked.ended.is_none()
                && let Some(ended) = self.must_end()
            {
                self.talked.ended = Some(ended);
                running.ender().end();
            }
        }
        self.talked
    }

    /// A long step says nothing for a long time, and so the one before it is not seen to be committed.
    fn look_it_up(&mut self) {
        while let Some((index, is_done)) = self.aide.answer() {
            self.looking = false;
            if is_done && self.is_at_hand(index) {
                self.talked.confirm(self.steps, self.context);
            }
        }
        if let (Some(waiting), Some(step)) = (&self.talked.waiting, self.steps.get(self.talked.done))
            && !self.looking
            && waiting.since.elapsed() > UNSURE
        {
            self.looking = true;
            self.aide.ask(step.index);
        }
    }

    fn is_at_hand(&self, index: usize) -> bool {
        self.steps.get(self.talked.done).is_some_and(|step| step.index == index)
    }

    /// Why the shell must end before its time.
    fn must_end(&self) -> Option<Ended> {
        if let Some(reason) = self.context.stop.at_once() {
            return Some(Ended::Stopped(reason));
        }
        let step = self.steps.get(self.talked.done)?;
        // A shell that has not begun would begin a step that nobody wants any more, and so would one whose step has ended. A
        // journalled step refuses itself; one that is a single transaction does so at its end, and nothing of it is kept.
        let unwanted = match self.asked {
            Some(0) if self.talked.done == 0 => !self.talked.begun,
            Some(then) => self.talked.done > then && is_whole(step),
            None => false,
        };
        if unwanted {
            return Some(Ended::Stopped(StopReason::Sibling));
        }
        let limit = step.timeout?;
        // What has said that it is done must not be ended in its commit, nor the next one blamed for it.
        let grace = if self.talked.waiting.is_some() { COMMIT } else { Duration::ZERO };
        let late = match self.talked.since {
            Some(since) => since.elapsed() >= limit + grace,
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
        // Something behind a step has run, so that is committed.
        self.talked.confirm(self.steps, self.context);
        if word == END || !self.is_at_hand(index) {
            return;
        }
        match word {
            "begin" => {
                // What our own statement before it printed.
                self.said.clear();
                self.talked.begins(&self.steps[self.talked.done], Instant::now(), self.context);
            }
            "part" => {
                let done = value.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
                (self.talked.part, self.talked.line) = (done, None);
                let total = self.steps.get(self.talked.done).map_or(0, |s| s.shape.statements);
                (self.context.event)(
                    index,
                    StepEvent::Progress { done, total: u32::try_from(total).unwrap_or(done).max(done) },
                );
            }
            "line" => self.talked.line = value.and_then(|v| usize::try_from(v).ok()),
            "done" => {
                let said = std::mem::take(&mut self.said);
                self.talked.waiting = Some(Waiting { duration_ms: value.unwrap_or(0), said, since: Instant::now() });
            }
            _ => {}
        }
    }

    /// Keeps what a script prints.
    fn keep(&mut self, line: &str) {
        // The heading of our own answers.
        if line.is_empty() || line == "stepladder" {
            return;
        }
        pipes::keep(&mut self.said, line);
    }
}
