//! What is not whole: programs, and steps that are begun, done piece by piece with their journal, and ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::Value;

use super::away;
use super::job::Piece;
use super::lease::millis;
use super::ledger::{self, eval, kept_down, lua};
use super::locked::Held;
use super::moved::{Elsewhere, Patience};
use super::ready::Ready;
use super::session::{PATIENCE, Reply, Session, Waited};
use super::verdict::{self, Broken};
use super::words::{items, pack, text};
use crate::domain::{Failure, FailureKind};
use crate::process::program::Ended;
use crate::stores::{Context, Kept, Step, StepEvent, StepFailure};

const STEP: &str = lua!("step");

/// What the server is sent for a piece of a step.
fn piece(held: &Held, ready: &Ready<'_>, how: &str, before: usize, work: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let [down, packed] = kept_down(ready.step.down.as_ref());
    let mut arguments: Vec<Vec<u8>> = vec![
        held.owner.token.clone().into(),
        millis(held.settings.lease).into(),
        before.to_string().into(),
        ready.total().to_string().into(),
        ready.step.version.to_string().into(),
        how.into(),
        down,
        packed,
        ready.entry(&held.owner).into(),
    ];
    arguments.extend(work);
    arguments
}

/// A program that is one Lua script with its entry.
pub fn program(held: &mut Held, ready: &Ready<'_>, context: &Context<'_>) -> Result<(), StepFailure> {
    let step = ready.step;
    (context.event)(step.index, StepEvent::Started);
    let arguments = piece(held, ready, "whole", 0, ready.job.words(0, ready.job.parts()));
    let mut packed = Vec::new();
    pack(&eval(&held.session.endpoint, STEP, arguments), &mut packed);
    let waited = wait_for_script(&mut held.session, packed, Instant::now(), step.timeout, context);
    let one = std::slice::from_ref(ready);
    let (reply, cut) = waited.map_err(|failure| held.settle(one, failure.into(), context))?;
    // An error of the whole means that nothing of it was done: killed before it wrote, or refused at once.
    let refused = |words: String| Broken::turned_away(&held.session, &words);
    let said = reply.map_err(|words| verdict::ended_or(cut.as_ref(), refused(words)).of(step, ready.resumed()))?;
    let word = |at: usize| items(&said).get(at).and_then(text).unwrap_or_default();
    match word(0).as_str() {
        "done" => {
            held.done(step, word(1).parse().unwrap_or(0), context);
            Ok(())
        }
        "failed" => {
            let kept = if word(3) == "syntax" { ready.resumed() } else { ready.kept(0) };
            Err(verdict::program(&word(2)).of(step, kept))
        }
        _ => Err(Broken::no_lease().of(step, ready.resumed())),
    }
}

/// Sends a Lua script to the ledger's node and hears it out, wherever that node is by then.
fn wait_for_script(
    session: &mut Session,
    packed: Vec<u8>,
    started: Instant,
    timeout: Option<Duration>,
    context: &Context<'_>,
) -> Result<(Reply, Option<Ended>), Failure> {
    let (packed, mut patience) = (Arc::new(packed), Patience::new());
    loop {
        session.push(Arc::clone(&packed), 1)?;
        let (reply, cut) = hear_script(session, started, timeout, context)?;
        let elsewhere = Elsewhere::of_reply(&reply)
            .filter(|_| cut.is_none() && Ended::due(context.stop, timeout, started).is_none());
        if !elsewhere.is_some_and(|elsewhere| session.follow(&elsewhere, &mut patience)) {
            return Ok((reply, cut));
        }
    }
}

/// Waits for the Lua script that was sent first, and why it was to end if it was. One that must end is killed as long as it
/// has written nothing; the server ends no other.
///
/// # Errors
/// The connection broke.
pub fn hear_script(
    session: &mut Session,
    started: Instant,
    timeout: Option<Duration>,
    context: &Context<'_>,
) -> Result<(Reply, Option<Ended>), Failure> {
    let mut another = session.for_ending();
    let (mut cut, mut silent): (Option<(Ended, Instant)>, Option<Failure>) = (None, None);
    let mut told = false;
    let waited = session.pull(|| {
        cut = cut.take().or_else(|| Some((Ended::due(context.stop, timeout, started)?, Instant::now())));
        if let Some((_, since)) = cut.as_ref().filter(|_| !told) {
            match another.ask(&["SCRIPT", "KILL"]) {
                // One that is busy with a script says so. Where nobody does, for so long, ours is not to be expected any more.
                Err(failure) if failure.kind == FailureKind::Unreachable || failure.message.contains("NOTBUSY") => {
                    silent = Some(Failure::unreachable(failure.message)).filter(|_| since.elapsed() > PATIENCE);
                }
                _ => told = true,
            }
        }
        silent.as_ref().map(|_| ())
    })?;
    let cut = cut.map(|(ended, _)| ended);
    let reply = match (waited, silent) {
        (Waited::Stopped(()), Some(failure)) => {
            session.is_silent();
            return Err(failure);
        }
        (Waited::Answered(mut replies), _) => replies.pop(),
        (Waited::Stopped(()), None) => None,
    };
    Ok((reply.unwrap_or_else(|| Err("no answer".to_owned())), cut))
}

/// A step in pieces: `begun`, the pieces with their journal, `done`.
pub fn in_pieces(held: &mut Held, ready: &Ready<'_>, context: &Context<'_>) -> Result<(), StepFailure> {
    let (step, from, total) = (ready.step, ready.from(), ready.total());
    let started = Instant::now();
    let failed = |held: &mut Held, broken: Broken, kept: Kept| match broken.lost {
        true => held.settle(std::slice::from_ref(ready), broken, context),
        false => broken.of(step, kept),
    };
    guarded(held, ready, "begin", from, vec![b"0".to_vec()]).map_err(|broken| failed(held, broken, ready.resumed()))?;
    for one in &ready.pieces {
        let (first, end) = one.range();
        let outcome = match one {
            Piece::Together(..) => together(held, ready, ("more", first, end), started, context),
            Piece::Alone(_) => alone(held, ready, first, started, context).map_err(|broken| (0, broken)),
            Piece::Repeated if !ready.is_away(held) => {
                repeated(held, ready, started, context).map_err(|broken| (0, broken))
            }
            Piece::Away(..) | Piece::Program | Piece::Repeated => away::run(held, ready, one, true, started, context),
        };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        outcome.map_err(|(done, broken)| failed(held, broken, Kept::Half(Some((count(first + done), total)))))?;
        (context.event)(step.index, StepEvent::Progress { done: count(end), total });
    }
    let took = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let work = vec![b"0".to_vec(), took.to_string().into_bytes()];
    guarded(held, ready, "end", ready.job.parts(), work)
        .map_err(|broken| failed(held, broken, Kept::Half(Some((total, total)))))?;
    held.done(step, took, context);
    Ok(())
}

/// A write of the ledger alone.
fn guarded(held: &mut Held, ready: &Ready<'_>, how: &str, before: usize, work: Vec<Vec<u8>>) -> Result<(), Broken> {
    let arguments = piece(held, ready, how, before, work);
    let said = held.session.ask(&eval(&held.session.endpoint, STEP, arguments))?;
    match items(&said).first().and_then(text).as_deref() {
        Some("more" | "done") => Ok(()),
        _ => Err(Broken::no_lease()),
    }
}

/// Parts that are one Lua script with their journal; where it breaks, how many of them are done.
pub fn together(
    held: &mut Held,
    ready: &Ready<'_>,
    (how, first, end): (&str, usize, usize),
    started: Instant,
    context: &Context<'_>,
) -> Result<(), (usize, Broken)> {
    let said = one_script(held, ready, (how, first), ready.job.words(first, end), started, context);
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
pub fn repeated(held: &mut Held, ready: &Ready<'_>, started: Instant, context: &Context<'_>) -> Result<(), Broken> {
    let mut cursor = "0".to_owned();
    loop {
        let said = one_script(held, ready, ("seed", 0), ready.job.words_at(&cursor), started, context)?;
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
    (how, before): (&str, usize),
    work: Vec<Vec<u8>>,
    started: Instant,
    context: &Context<'_>,
) -> Result<Vec<String>, Broken> {
    if let Some(ended) = Ended::due(context.stop, ready.step.timeout, started) {
        return Err(verdict::ended(&ended));
    }
    let arguments = piece(held, ready, how, before, work);
    let mut packed = Vec::new();
    pack(&eval(&held.session.endpoint, STEP, arguments), &mut packed);
    let (reply, cut) = wait_for_script(&mut held.session, packed, started, ready.step.timeout, context)?;
    match reply {
        Ok(said) => Ok(items(&said).iter().filter_map(text).collect()),
        Err(words) => Err(verdict::ended_or(cut.as_ref(), Broken::turned_away(&held.session, &words))),
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
    command(held, ready, part, started, context)?;
    let done = u32::try_from(part + 1).unwrap_or(u32::MAX);
    match ledger::journal(&mut held.session, step.version, Some(done), ready.total(), &held.owner)? {
        true => Ok(()),
        false => Err(Broken::no_lease()),
    }
}

/// Runs one command as it is wherever it belongs.
pub fn command(
    held: &mut Held,
    ready: &Ready<'_>,
    part: usize,
    started: Instant,
    context: &Context<'_>,
) -> Result<(), Broken> {
    let mut packed = Vec::new();
    pack(&ready.job.commands()[part].words, &mut packed);
    let packed = Arc::new(packed);
    for place in held.places(ready, part) {
        let reply = away::wherever(held, ready, (part, place), &packed, context, |session, packed, count| {
            command_at(session, packed, count, ready.step, started, context)
        });
        let said = reply.and_then(|reply| reply.map_err(|words| Broken::turned_away(&held.session, &words)));
        say(&said.map_err(|broken| broken.at(ready.line(part)))?, ready.step, context);
    }
    Ok(())
}

/// The same at one place, until its end, its deadline or a stop. What the server waits for is ended by another connection.
fn command_at(
    session: &mut Session,
    packed: Arc<Vec<u8>>,
    count: usize,
    step: &Step,
    started: Instant,
    context: &Context<'_>,
) -> Result<Reply, Broken> {
    let id = session.id()?;
    match session.wait(packed, count, || Ended::due(context.stop, step.timeout, started))? {
        Waited::Stopped(ended) => {
            let _ = session.another().ask(&["CLIENT", "KILL", "ID", &id.to_string()]);
            Err(verdict::ended(&ended))
        }
        Waited::Answered(mut replies) => Ok(replies.pop().unwrap_or_else(|| Err("no answer".to_owned()))),
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
