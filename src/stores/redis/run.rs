//! Runs steps. A step that can be one Lua script is that, its entry included, and many such steps go to the server in one write;
//! any other is begun, done piece by piece with its journal, and ended.

use std::time::{Duration, Instant};

use redis::Value;

use super::facts::Facts;
use super::job::{Job, Piece, Unfit};
use super::lease::millis;
use super::ledger::{self, eval, kept_down, lua, words};
use super::locked::Held;
use super::session::{Reply, Waited, items, pack, text};
use super::verdict::{self, Broken};
use crate::domain::comments::{leading, style_of};
use crate::domain::{EntryEvent, Failure};
use crate::process::identity;
use crate::process::program::Ended;
use crate::stores::{Context, Kept, NewEntry, Outcome, Step, StepEvent, StepFailure};

const STEP: &str = lua!("step");

/// The most steps and bytes of one write: what was sent cannot be called back.
const STEPS: usize = 50;
const BYTES: usize = 1 << 20;

/// A step that is ready to be sent.
pub struct Ready<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its script, read.
    pub job: Job,
    /// What it is made of, from the part on where it resumes.
    pub pieces: Vec<Piece>,
}

impl<'a> Ready<'a> {
    /// Reads and checks a step's script: nothing of one that cannot be run to its end is sent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(step: &'a Step, job: Job, facts: &Facts) -> Result<Self, Unfit> {
        let comments = leading(&step.text, style_of(&step.extension));
        let each = crate::domain::directive::parse(&comments).0.no_transaction.is_some();
        let pieces = job.pieces(facts, step.resume_from as usize, each)?;
        Ok(Self { step, job, pieces })
    }

    fn is_whole(&self) -> bool {
        matches!(self.pieces.as_slice(), [] | [Piece::Together(..)])
    }

    fn is_program(&self) -> bool {
        matches!(self.job, Job::Program(_))
    }

    fn total(&self) -> u32 {
        u32::try_from(self.job.parts()).unwrap_or(u32::MAX)
    }

    fn from(&self) -> usize {
        (self.step.resume_from as usize).min(self.job.parts())
    }

    /// The line of a part.
    pub fn line(&self, part: usize) -> Option<usize> {
        self.job.commands().get(part).map(|c| c.line)
    }
}

/// How a piece of a step is told to the ledger.
struct Telling<'a> {
    how: &'a str,
    after: &'a str,
    mark: &'a str,
    before: usize,
}

/// Runs consecutive steps.
pub fn run(held: &mut Held, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
    let prefix = held.session.endpoint.prefix.clone();
    let read: Vec<Result<Job, Unfit>> = steps.iter().map(|step| Job::read(step, &prefix)).collect();
    let commands = read.iter().flatten().flat_map(Job::commands);
    let facts = Facts::ask(&mut held.session, commands).map_err(|f| Broken::from(f).of(&steps[0], Kept::Nothing))?;
    let mut batch: Vec<Ready<'_>> = Vec::new();
    let mut bytes = 0;
    for (step, job) in steps.iter().zip(read) {
        let ready = job.and_then(|job| Ready::new(step, job, &facts));
        let joins = ready.as_ref().is_ok_and(|r| r.is_whole() && !r.is_program());
        if !joins || batch.len() >= STEPS || bytes + step.text.len() > BYTES {
            if flush(held, &mut batch, context)? == Outcome::Stopped {
                return Ok(Outcome::Stopped);
            }
            bytes = 0;
        }
        let ready = ready.map_err(|unfit| Broken::from(unfit).of(step, Kept::Nothing))?;
        if context.stop.asked().is_some() {
            return Ok(Outcome::Stopped);
        }
        if joins {
            bytes += step.text.len();
            batch.push(ready);
        } else if ready.is_whole() {
            send_whole(held, &[ready], context)?;
        } else {
            (context.event)(step.index, StepEvent::Started);
            in_pieces(held, &ready, context)?;
        }
    }
    flush(held, &mut batch, context)
}

fn flush(held: &mut Held, batch: &mut Vec<Ready<'_>>, context: &Context<'_>) -> Result<Outcome, StepFailure> {
    let ready = std::mem::take(batch);
    if context.stop.asked().is_some() {
        return Ok(Outcome::Stopped);
    }
    if !ready.is_empty() {
        send_whole(held, &ready, context)?;
    }
    Ok(Outcome::AllDone)
}

/// What the server is sent for a piece of a step.
fn piece(held: &Held, ready: &Ready<'_>, telling: &Telling<'_>, work: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let step = ready.step;
    let entry = entry(step, EntryEvent::Done);
    let words = words(&entry, &held.owner);
    let [down, packed] = kept_down(entry.down.as_ref());
    let mut arguments: Vec<Vec<u8>> = vec![
        held.owner.token.clone().into(),
        telling.after.into(),
        telling.mark.into(),
        millis(held.settings.lease).into(),
        telling.before.to_string().into(),
        ready.total().to_string().into(),
        step.version.to_string().into(),
        telling.how.into(),
        down,
        packed,
        words.len().to_string().into(),
    ];
    arguments.extend(words);
    arguments.extend(work);
    arguments
}

/// Sends steps, each one Lua script with its entry. One that does not get to its end leaves no mark, and those after it do
/// nothing.
fn send_whole(held: &mut Held, batch: &[Ready<'_>], context: &Context<'_>) -> Result<(), StepFailure> {
    let nonce = identity::token();
    let marks: Vec<String> =
        (0..=batch.len()).map(|n| if n == 0 { String::new() } else { format!("{nonce}-{n}") }).collect();
    let mut packed = Vec::new();
    // The script's text goes once; what follows names it by its hash, which the server tells.
    let sha = match batch.len() {
        1 => None,
        _ => Some(held.sha(STEP).map_err(|f| Broken::from(f).of(batch[0].step, Kept::Nothing))?),
    };
    for (at, ready) in batch.iter().enumerate() {
        let telling = Telling { how: "whole", after: &marks[at], mark: &marks[at + 1], before: ready.from() };
        let arguments = piece(held, ready, &telling, ready.job.words(ready.from(), ready.job.parts()));
        let (how, script) = sha.as_ref().map_or(("EVAL", STEP), |sha| ("EVALSHA", sha.as_str()));
        pack(&eval(&held.session.endpoint, how, script, arguments), &mut packed);
    }
    (context.event)(batch[0].step.index, StepEvent::Started);
    let timeout = batch.iter().filter_map(|r| r.step.timeout).min();
    let replies = wait_for_scripts(held, packed, batch.len(), timeout, context);
    let (replies, cut) = replies.map_err(|failure| unknown(held, batch, failure, context))?;
    for (at, (ready, reply)) in batch.iter().zip(replies).enumerate() {
        if at > 0 {
            (context.event)(ready.step.index, StepEvent::Started);
        }
        let duration_ms = outcome(ready, reply, cut.as_ref())?;
        (context.event)(ready.step.index, StepEvent::Done { duration_ms });
    }
    Ok(())
}

/// The connection broke while scripts ran: the ledger knows which of them got to their end.
fn unknown(held: &mut Held, batch: &[Ready<'_>], failure: Failure, context: &Context<'_>) -> StepFailure {
    let Ok(ledger) = ledger::look(&mut held.session) else {
        return Broken::from(failure).of(batch[0].step, Kept::Unknown);
    };
    let ours = |ready: &Ready<'_>| {
        let index = i64::try_from(ready.step.index).ok();
        let mut entries = ledger.entries.iter().rev();
        entries.find(|e| e.run == held.owner.run && Some(e.ordinal) == index && e.event != EntryEvent::Failed)
    };
    for ready in batch {
        match ours(ready) {
            Some(entry) if entry.event == EntryEvent::Done => {
                let duration_ms = entry.duration_ms.unwrap_or(0);
                (context.event)(ready.step.index, StepEvent::Done { duration_ms });
            }
            Some(entry) => {
                return Broken::from(failure).of(ready.step, Kept::Half(entry.parts_done.zip(entry.parts_total)));
            }
            None => return Broken::from(failure).of(ready.step, Kept::Nothing),
        }
    }
    let last = batch[batch.len() - 1].step;
    Broken::from(failure).of(last, Kept::All)
}

/// What came of a step that was one Lua script: how long it took.
fn outcome(ready: &Ready<'_>, reply: Reply, cut: Option<&Ended>) -> Result<i64, StepFailure> {
    let (step, from, total) = (ready.step, ready.from(), ready.total());
    let kept = |done: usize| match from + done {
        0 if !ready.is_program() => Kept::Nothing,
        so_far => Kept::Half(Some((u32::try_from(so_far).unwrap_or(u32::MAX), total))),
    };
    let resumed = || if from == 0 { Kept::Nothing } else { kept(0) };
    let said = match reply {
        Ok(said) => said,
        // An error of the whole means that nothing of it was done: killed before it wrote, or refused at once.
        Err(words) => return Err(verdict::ended_or(cut, Broken::rejected(&words)).of(step, resumed())),
    };
    let parts = items(&said);
    let word = |at: usize| parts.get(at).and_then(text).unwrap_or_default();
    match word(0).as_str() {
        "done" => Ok(word(1).parse().unwrap_or(0)),
        "lost" => Err(Broken::no_lease().of(step, resumed())),
        "failed" if ready.is_program() => {
            let kept = if word(3) == "syntax" { resumed() } else { kept(0) };
            Err(verdict::program(&word(2)).of(step, kept))
        }
        "failed" => {
            let done = word(1).parse::<usize>().unwrap_or(0);
            Err(Broken::rejected(&word(2)).at(ready.line(from + done)).of(step, kept(done)))
        }
        _ => Err(Broken::rejected("the step before it did not leave its mark").of(step, resumed())),
    }
}

/// Waits for Lua scripts. One that must end is killed as long as it has written nothing; the server ends no other.
fn wait_for_scripts(
    held: &mut Held,
    packed: Vec<u8>,
    count: usize,
    timeout: Option<Duration>,
    context: &Context<'_>,
) -> Result<(Vec<Reply>, Option<Ended>), Failure> {
    let started = Instant::now();
    let mut another = held.session.for_ending();
    let mut cut: Option<Ended> = None;
    let waited = held.session.wait(packed, count, || {
        if cut.is_none() {
            cut = due(started, timeout, context);
            if cut.is_some() {
                let _ = another.ask(&["SCRIPT", "KILL"]);
            }
        }
        None::<()>
    })?;
    match waited {
        Waited::Answered(replies) => Ok((replies, cut)),
        Waited::Stopped(()) => Ok((Vec::new(), cut)),
    }
}

/// Whether it is time to end.
fn due(started: Instant, timeout: Option<Duration>, context: &Context<'_>) -> Option<Ended> {
    match (context.stop.at_once(), timeout) {
        (Some(reason), _) => Some(Ended::Stopped(reason)),
        (None, Some(limit)) if started.elapsed() >= limit => Some(Ended::Deadline(limit)),
        _ => None,
    }
}

/// A step in pieces: `begun`, the pieces with their journal, `done`.
fn in_pieces(held: &mut Held, ready: &Ready<'_>, context: &Context<'_>) -> Result<(), StepFailure> {
    let (step, from, total) = (ready.step, ready.from(), ready.total());
    let started = Instant::now();
    let resumed = if from == 0 { Kept::Nothing } else { Kept::Half(Some((step.resume_from, total))) };
    let begin = Telling { how: "begin", after: "", mark: "", before: from };
    guarded(held, ready, &begin, vec![b"0".to_vec()]).map_err(|broken| broken.of(step, resumed))?;
    for one in &ready.pieces {
        let (first, end) = one.range();
        let outcome = match one {
            Piece::Together(..) => together(held, ready, ("more", first, end), started, context),
            Piece::Alone(_) => alone(held, ready, first, started, context).map_err(|broken| (0, broken)),
            Piece::Repeated => repeated(held, ready, started, context).map_err(|broken| (0, broken)),
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        outcome.map_err(|(done, broken)| broken.of(step, Kept::Half(Some((count(first + done), total)))))?;
        (context.event)(step.index, StepEvent::Progress { done: count(end), total });
    }
    let took = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let end = Telling { how: "end", after: "", mark: "", before: ready.job.parts() };
    guarded(held, ready, &end, vec![b"0".to_vec(), took.to_string().into_bytes()])
        .map_err(|broken| broken.of(step, Kept::Half(Some((total, total)))))?;
    (context.event)(step.index, StepEvent::Done { duration_ms: took });
    Ok(())
}

/// A write of the ledger alone.
fn guarded(held: &mut Held, ready: &Ready<'_>, telling: &Telling<'_>, work: Vec<Vec<u8>>) -> Result<(), Broken> {
    let arguments = piece(held, ready, telling, work);
    let said = held.session.ask(&eval(&held.session.endpoint, "EVAL", STEP, arguments))?;
    match items(&said).first().and_then(text).as_deref() {
        Some("more" | "done") => Ok(()),
        _ => Err(Broken::no_lease()),
    }
}

/// Parts that are one Lua script with their journal; where it breaks, how many of them are done.
fn together(
    held: &mut Held,
    ready: &Ready<'_>,
    (how, first, end): (&str, usize, usize),
    started: Instant,
    context: &Context<'_>,
) -> Result<(), (usize, Broken)> {
    let telling = Telling { how, after: "", mark: "", before: first };
    let said = one_script(held, ready, &telling, ready.job.words(first, end), started, context);
    let said = said.map_err(|broken| (0, broken))?;
    let word = |at: usize| said.get(at).map_or("", String::as_str);
    match word(0) {
        "more" => Ok(()),
        "failed" => {
            let done = word(1).parse::<usize>().unwrap_or(0);
            Err((done, Broken::rejected(word(2)).at(ready.line(first + done))))
        }
        _ => Err((0, Broken::no_lease())),
    }
}

/// A program that says where it goes on: each time it is one Lua script, and others are served in between.
fn repeated(held: &mut Held, ready: &Ready<'_>, started: Instant, context: &Context<'_>) -> Result<(), Broken> {
    let mut cursor = "0".to_owned();
    loop {
        let telling = Telling { how: "seed", after: "", mark: "", before: 0 };
        let said = one_script(held, ready, &telling, ready.job.words_at(&cursor), started, context)?;
        let word = |at: usize| said.get(at).map_or("", String::as_str);
        match (word(0), word(1)) {
            ("more", "0" | "") => return Ok(()),
            ("more", next) => cursor = next.to_owned(),
            ("failed", _) => return Err(verdict::program(word(2))),
            _ => return Err(Broken::no_lease()),
        }
    }
}

/// Sends one of our Lua scripts with a piece of a step; what it answers.
fn one_script(
    held: &mut Held,
    ready: &Ready<'_>,
    telling: &Telling<'_>,
    work: Vec<Vec<u8>>,
    started: Instant,
    context: &Context<'_>,
) -> Result<Vec<String>, Broken> {
    if let Some(ended) = due(started, ready.step.timeout, context) {
        return Err(verdict::ended(&ended));
    }
    let arguments = piece(held, ready, telling, work);
    let mut packed = Vec::new();
    pack(&eval(&held.session.endpoint, "EVAL", STEP, arguments), &mut packed);
    let left = ready.step.timeout.map(|limit| limit.saturating_sub(started.elapsed()));
    let (replies, cut) = wait_for_scripts(held, packed, 1, left, context)?;
    match replies.into_iter().next() {
        Some(Ok(said)) => Ok(items(&said).iter().filter_map(text).collect()),
        Some(Err(words)) => Err(verdict::ended_or(cut.as_ref(), Broken::rejected(&words))),
        None => Err(Broken::rejected("no answer")),
    }
}

/// A part that no Lua script can hold: the lease is looked at before it, and it is journalled after it.
fn alone(
    held: &mut Held,
    ready: &Ready<'_>,
    part: usize,
    started: Instant,
    context: &Context<'_>,
) -> Result<(), Broken> {
    let step = ready.step;
    if !held.renew()? {
        return Err(Broken::no_lease());
    }
    command(held, &ready.job.commands()[part].words, step, started, context).map_err(|b| b.at(ready.line(part)))?;
    let done = u32::try_from(part + 1).unwrap_or(u32::MAX);
    match ledger::journal(&mut held.session, step.version, done, ready.total(), &held.owner)? {
        true => Ok(()),
        false => Err(Broken::no_lease()),
    }
}

/// Runs one command as it is, until its end, its deadline or a stop. What the server waits for is ended by another connection.
fn command(
    held: &mut Held,
    words: &[Vec<u8>],
    step: &Step,
    started: Instant,
    context: &Context<'_>,
) -> Result<(), Broken> {
    let id = held.session.id()?;
    let mut packed = Vec::new();
    pack(words, &mut packed);
    match held.session.wait(packed, 1, || due(started, step.timeout, context))? {
        Waited::Stopped(ended) => {
            let _ = held.session.another().ask(&["CLIENT", "KILL", "ID", &id.to_string()]);
            Err(verdict::ended(&ended))
        }
        Waited::Answered(mut replies) => match replies.pop() {
            Some(Ok(value)) => {
                say(&value, step, context);
                Ok(())
            }
            Some(Err(words)) => Err(Broken::rejected(&words)),
            None => Err(Broken::rejected("no answer")),
        },
    }
}

/// What a command answered, for `-v`.
fn say(value: &Value, step: &Step, context: &Context<'_>) {
    let words = match value {
        Value::Okay | Value::Nil | Value::Int(_) => return,
        other => text(other).unwrap_or_else(|| format!("{} items", items(other).len())),
    };
    (context.event)(step.index, StepEvent::Said(words));
}

/// A seed script: no entry, and a lease that is looked at.
pub fn seed(held: &mut Held, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    let nothing = |broken: Broken| broken.of(step, Kept::Nothing);
    let job = Job::read(step, &held.session.endpoint.prefix).map_err(|u| nothing(u.into()))?;
    let facts = Facts::ask(&mut held.session, job.commands().iter()).map_err(|f| nothing(f.into()))?;
    let ready = Ready::new(step, job, &facts).map_err(|u| nothing(u.into()))?;
    (context.event)(step.index, StepEvent::Started);
    let started = Instant::now();
    for (done, one) in ready.pieces.iter().enumerate() {
        let kept = |so_far: usize| if done + so_far == 0 { Kept::Nothing } else { Kept::Half(None) };
        match one {
            Piece::Alone(at) => {
                let outcome = command(held, &ready.job.commands()[*at].words, step, started, context);
                outcome.map_err(|broken| broken.at(ready.line(*at)).of(step, kept(0)))?;
            }
            Piece::Together(first, end) => together(held, &ready, ("seed", *first, *end), started, context)
                .map_err(|(so_far, broken)| broken.of(step, kept(so_far)))?,
            Piece::Repeated => {
                repeated(held, &ready, started, context).map_err(|broken| broken.of(step, Kept::Half(None)))?;
            }
        }
    }
    if ready.is_program() && ready.pieces.is_empty() {
        together(held, &ready, ("seed", 0, 1), started, context).map_err(|(_, broken)| {
            let line = verdict::program(&broken.message).line;
            broken.at(line).of(step, Kept::Half(None))
        })?;
    }
    let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    (context.event)(step.index, StepEvent::Done { duration_ms });
    Ok(())
}

/// What is known of a step's entry before its outcome.
fn entry(step: &Step, event: EntryEvent) -> NewEntry {
    NewEntry {
        event,
        direction: step.direction,
        version: Some(step.version),
        label: step.label.clone(),
        checksum: step.checksum.clone(),
        down: step.down.clone(),
        ordinal: i64::try_from(step.index).unwrap_or(i64::MAX),
        duration_ms: None,
        parts_done: None,
        parts_total: None,
        note: None,
    }
}
