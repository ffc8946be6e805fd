//! Steps that are whole: their commands and their entries are one Lua script, many steps in each, and one such script is on its
//! way while the answer of the one before is waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lease::millis;
use super::ledger::{kept_down, lua, prepared};
use super::locked::Held;
use super::moved::{Elsewhere, Patience};
use super::pieces::hear_script;
use super::ready::Ready;
use super::session::Reply;
use super::verdict::{self, Broken};
use super::words::{Words, items, text};
use crate::domain::Failure;
use crate::process::identity;
use crate::process::program::Ended;
use crate::stores::{Context, Kept, Outcome, StepEvent, StepFailure};

const STEPS: &str = lua!("steps");

/// The most steps, commands and bytes of one script: nobody else is served while it runs, and what was sent cannot be called back.
const MOST: usize = 100;
const COMMANDS: usize = 2_000;
const BYTES: usize = 1 << 20;
/// The most scripts that are sent and not yet answered.
const AHEAD: usize = 2;

/// Steps of one script.
#[derive(Default)]
struct Batch<'a> {
    steps: Vec<Ready<'a>>,
    commands: usize,
    bytes: usize,
}

/// A batch that was sent.
struct Flight<'a> {
    steps: Vec<Ready<'a>>,
    packed: Arc<Vec<u8>>,
    sent: Instant,
    timeout: Option<Duration>,
}

/// What is gathered, and what is on its way.
pub struct Line<'a> {
    batch: Batch<'a>,
    flying: VecDeque<Flight<'a>>,
    /// What the newest batch leaves behind when all of it was done, and the next one wants to see.
    mark: String,
    sent: usize,
    nonce: String,
}

impl<'a> Line<'a> {
    /// Nothing yet.
    pub fn new() -> Self {
        let nonce = identity::token();
        Self { batch: Batch::default(), flying: VecDeque::new(), mark: String::new(), sent: 0, nonce }
    }

    /// Takes one more step, and sends when there are enough.
    ///
    /// # Errors
    /// A step that was sent before did not get to its end.
    pub fn add(&mut self, held: &mut Held, ready: Ready<'a>, context: &Context<'_>) -> Result<(), StepFailure> {
        let (commands, bytes) = (ready.job.parts(), ready.step.text.len());
        let batch = &self.batch;
        let full = batch.steps.len() >= MOST || batch.commands + commands > COMMANDS || batch.bytes + bytes > BYTES;
        if full && !batch.steps.is_empty() {
            self.send(held, context)?;
        }
        self.batch.commands += commands;
        self.batch.bytes += bytes;
        self.batch.steps.push(ready);
        Ok(())
    }

    /// Sends what is gathered and hears out what was sent, unless it is time to stop.
    ///
    /// # Errors
    /// A step that did not get to its end.
    pub fn finish(&mut self, held: &mut Held, context: &Context<'_>) -> Result<Outcome, StepFailure> {
        let stopped = context.stop.asked().is_some();
        if !stopped && !self.batch.steps.is_empty() {
            self.send(held, context)?;
        }
        while !self.flying.is_empty() {
            self.hear(held, context)?;
        }
        Ok(if stopped { Outcome::Stopped } else { Outcome::AllDone })
    }

    fn send(&mut self, held: &mut Held, context: &Context<'_>) -> Result<(), StepFailure> {
        let steps = std::mem::take(&mut self.batch).steps;
        self.sent += 1;
        let next = format!("{}-{}", self.nonce, self.sent);
        let mut words = Words::default();
        for word in [&held.owner.token, &self.mark, &next, &millis(held.settings.lease), &steps.len().to_string()] {
            words.add(word);
        }
        steps.iter().for_each(|ready| put(&mut words, ready, held));
        self.mark = next;
        let packed = Arc::new(prepared(&held.session.endpoint, STEPS, words));
        (context.event)(steps[0].step.index, StepEvent::Started);
        // All of them together: none of them can be told from the others while the script runs.
        let timeout = steps.iter().map(|r| r.step.timeout).sum::<Option<Duration>>();
        let pushed = held.session.push(Arc::clone(&packed), 1);
        self.flying.push_back(Flight { steps, packed, sent: Instant::now(), timeout });
        pushed.map_err(|failure| self.unknown(held, failure, context))?;
        if self.flying.len() >= AHEAD { self.hear(held, context) } else { Ok(()) }
    }

    /// Hears the oldest batch out, wherever the ledger is by then.
    fn hear(&mut self, held: &mut Held, context: &Context<'_>) -> Result<(), StepFailure> {
        let mut patience = Patience::new();
        let (reply, cut) = loop {
            let Some(flight) = self.flying.front() else { return Ok(()) };
            let (reply, cut) = match hear_script(&mut held.session, flight.sent, flight.timeout, context) {
                Ok(heard) => heard,
                Err(failure) => return Err(self.unknown(held, failure, context)),
            };
            let elsewhere = Elsewhere::of_reply(&reply).filter(|_| cut.is_none() && context.stop.asked().is_none());
            let again = match elsewhere {
                Some(elsewhere) => self.again(held, &elsewhere, &mut patience),
                None => Ok(false),
            };
            if !again.map_err(|failure| self.unknown(held, failure, context))? {
                break (reply, cut);
            }
        };
        let Some(flight) = self.flying.pop_front() else { return Ok(()) };
        let outcome = told(held, &flight.steps, reply, cut.as_ref(), context);
        if outcome.is_err() {
            self.drain(held);
        }
        outcome
    }

    /// Sends all again that is on its way, when the oldest has to go elsewhere: what was sent behind it was refused too, or did
    /// nothing without its mark. False when there is no other place, or it has taken too long.
    fn again(&mut self, held: &mut Held, elsewhere: &Elsewhere, patience: &mut Patience) -> Result<bool, Failure> {
        for _ in 1..self.flying.len() {
            held.session.pull(|| None::<()>)?;
        }
        if !held.session.follow(elsewhere, patience) {
            self.flying.truncate(1);
            return Ok(false);
        }
        for flight in &self.flying {
            held.session.push(Arc::clone(&flight.packed), 1)?;
        }
        Ok(true)
    }

    /// What was sent behind a failure does nothing; its answers must not be taken for others.
    fn drain(&mut self, held: &mut Held) {
        while self.flying.pop_front().is_some() {
            let _ = held.session.pull(|| None::<()>);
        }
    }

    /// The connection broke while scripts ran: the ledger knows which of their steps got to their end.
    fn unknown(&mut self, held: &mut Held, failure: Failure, context: &Context<'_>) -> StepFailure {
        let steps: Vec<Ready<'_>> = self.flying.drain(..).flat_map(|flight| flight.steps).collect();
        held.settle(&steps, failure.into(), context)
    }
}

/// A step as the script takes it.
fn put(words: &mut Words, ready: &Ready<'_>, held: &Held) {
    let [down, packed] = kept_down(ready.step.down.as_ref());
    let commands = &ready.job.commands()[ready.from()..];
    words.add(ready.step.version.to_string());
    words.add(ready.from().to_string());
    words.add(ready.total().to_string());
    words.add(ready.entry(&held.owner));
    words.add(down);
    words.add(packed);
    words.add(commands.len().to_string());
    for command in commands {
        words.add(command.words.len().to_string());
        command.words.iter().for_each(|word| words.add(word));
    }
}

/// What came of the steps of one script.
fn told(
    held: &mut Held,
    steps: &[Ready<'_>],
    reply: Reply,
    cut: Option<&Ended>,
    context: &Context<'_>,
) -> Result<(), StepFailure> {
    let first = &steps[0];
    let said = match reply {
        Ok(said) => said,
        // An error of the whole means that nothing of it was done: killed before it wrote, or refused at once.
        Err(words) => {
            let refused = Broken::turned_away(&held.session, &words);
            return Err(verdict::ended_or(cut, refused).of(first.step, first.resumed()));
        }
    };
    let parts = items(&said);
    let word = |at: usize| parts.get(at).and_then(text).unwrap_or_default();
    let (durations, failed) = match word(0).as_str() {
        "done" => (parts.get(1..), false),
        "failed" => (parts.get(3..), true),
        "lost" => return Err(Broken::no_lease().of(first.step, first.resumed())),
        _ => {
            let broken = Broken::rejected("the steps before it did not leave their mark");
            return Err(broken.of(first.step, first.resumed()));
        }
    };
    let durations = durations.unwrap_or_default();
    for (at, (ready, took)) in steps.iter().zip(durations).enumerate() {
        if at > 0 {
            (context.event)(ready.step.index, StepEvent::Started);
        }
        let duration_ms = text(took).and_then(|took| took.parse().ok()).unwrap_or(0);
        held.done(ready.step, duration_ms, context);
    }
    match steps.get(durations.len()) {
        None => Ok(()),
        Some(ready) if failed => {
            if !durations.is_empty() {
                (context.event)(ready.step.index, StepEvent::Started);
            }
            let done = ready.from() + word(1).parse::<usize>().unwrap_or(0);
            if Elsewhere::of(&word(2)) == Some(Elsewhere::Master) {
                // A replica: nothing was written, whatever the script is about.
                return Err(Broken::turned_away(&held.session, &word(2)).of(ready.step, ready.resumed()));
            }
            Err(Broken::rejected(&word(2)).at(ready.line(done)).of(ready.step, ready.kept(done)))
        }
        Some(ready) => Err(Broken::rejected("the server did not say what came of it").of(ready.step, Kept::Unknown)),
    }
}
