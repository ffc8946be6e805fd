//! What goes to other nodes of a cluster than the ledger's. Nothing there can look at the lease or write an entry: the lease is
//! looked at before, and while more than one command is on its way the journal says that the count is not known.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use redis::Value;

use super::cluster::Place;
use super::job::{Job, Piece};
use super::ledger;
use super::locked::Held;
use super::moved::{Elsewhere, Patience};
use super::pieces::hear_script;
use super::ready::Ready;
use super::session::{Reply, Session};
use super::verdict::{self, Broken};
use super::words::{Words, asking, items, text};
use crate::process::program::Ended;
use crate::stores::Context;

const AWAY: &str = include_str!("lua/away.lua");

/// Runs a piece on the node of its keys, and journals it unless it is a seed's; where it breaks, how many of its parts are done.
pub fn run(
    held: &mut Held,
    ready: &Ready<'_>,
    piece: &Piece,
    journals: bool,
    started: Instant,
    context: &Context<'_>,
) -> Result<(), (usize, Broken)> {
    let (first, end) = piece.range();
    let nothing = |failure| (0, Broken::from(failure));
    if !held.renew().map_err(nothing)? {
        return Err((0, Broken::no_lease()));
    }
    if journals {
        note(held, ready, None).map_err(|broken| (0, broken))?;
    }
    let outcome = match piece {
        Piece::Away(..) => commands(held, ready, (first, end), started, context),
        _ => program(held, ready, *piece == Piece::Repeated, started, context).map_err(|broken| (0, broken)),
    };
    let done = match &outcome {
        Ok(()) => Some(end),
        // Without an answer it is not known.
        Err((_, broken)) if broken.lost => None,
        Err((done, _)) => Some(first + done),
    };
    if journals && done.is_some() {
        let noted = note(held, ready, done);
        return outcome.and_then(|()| noted.map_err(|broken| (end - first, broken)));
    }
    outcome
}

/// Journals how many parts are done, or that this is not known.
fn note(held: &mut Held, ready: &Ready<'_>, done: Option<usize>) -> Result<(), Broken> {
    let done = done.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    match ledger::journal(&mut held.session, ready.step.version, done, ready.total(), &held.owner)? {
        true => Ok(()),
        false => Err(Broken::no_lease()),
    }
}

fn commands(
    held: &mut Held,
    ready: &Ready<'_>,
    (first, end): (usize, usize),
    started: Instant,
    context: &Context<'_>,
) -> Result<(), (usize, Broken)> {
    let mut words = Words::default();
    ready.job.words(first, end).iter().for_each(|word| words.add(word));
    // All of the keys, so that a node that has not all of them, since their slot is on its way, does nothing at all.
    let keys: BTreeSet<&[u8]> = ready.keys[first..end].iter().flatten().map(Vec::as_slice).collect();
    let number = keys.len().to_string();
    let before: Vec<&[u8]> = [b"EVAL", AWAY.as_bytes(), number.as_bytes()].into_iter().chain(keys).collect();
    let packed = words.after(&before);
    let said = on_node(held, ready, (first, end), packed, started, context).map_err(|broken| (0, broken))?;
    let word = |at: usize| items(&said).get(at).and_then(text).unwrap_or_default();
    match word(0).as_str() {
        "more" => Ok(()),
        _ => {
            let done = word(1).parse::<usize>().unwrap_or(0);
            Err((done, Broken::rejected(&word(2)).at(ready.line(first + done))))
        }
    }
}

fn program(
    held: &mut Held,
    ready: &Ready<'_>,
    again: bool,
    started: Instant,
    context: &Context<'_>,
) -> Result<(), Broken> {
    let Job::Program(program) = &ready.job else { return Ok(()) };
    let mut cursor = "0".to_owned();
    loop {
        let mut words = Words::default();
        words.add(program.keys.len().to_string());
        program.keys.iter().chain(&program.arguments).for_each(|word| words.add(word));
        if again {
            words.add(&cursor);
        }
        let packed = words.after(&["EVAL", &program.placed()]);
        let said = on_node(held, ready, (0, 1), packed, started, context)
            .map_err(|broken| Broken { line: verdict::program(&broken.message).line, ..broken })?;
        cursor = text(&said).unwrap_or_default();
        if !again || cursor.is_empty() || cursor == "0" {
            return Ok(());
        }
    }
}

/// Sends a script to the node that has a part's keys.
fn on_node(
    held: &mut Held,
    ready: &Ready<'_>,
    (first, end): (usize, usize),
    packed: Vec<u8>,
    started: Instant,
    context: &Context<'_>,
) -> Result<Value, Broken> {
    if let Some(ended) = Ended::due(context.stop, ready.step.timeout, started) {
        return Err(verdict::ended(&ended));
    }
    let part = (first..end).find(|part| ready.keys.get(*part).is_some_and(Option::is_some)).unwrap_or(first);
    let place = held.places(ready, part).into_iter().next().flatten();
    let mut cut = None;
    let reply = wherever(held, ready, (part, place), &Arc::new(packed), context, |session, packed, count| {
        session.push(packed, count)?;
        let (reply, ended) = hear_script(session, started, ready.step.timeout, context)?;
        cut = ended;
        Ok(reply)
    })?;
    reply.map_err(|words| verdict::ended_or(cut.as_ref(), Broken::turned_away(&held.session, &words)))
}

/// Asks the node that has a part's keys, and where that one says that another has them, or will have them in a moment, that one.
pub fn wherever(
    held: &mut Held,
    ready: &Ready<'_>,
    (part, mut place): (usize, Option<Place>),
    packed: &Arc<Vec<u8>>,
    context: &Context<'_>,
    mut ask: impl FnMut(&mut Session, Arc<Vec<u8>>, usize) -> Result<Reply, Broken>,
) -> Result<Reply, Broken> {
    let mut patience = Patience::new();
    let mut aside: Option<Place> = None;
    loop {
        let reply = match aside.take() {
            Some(place) => ask(held.at(Some(&place)), Arc::new(asking(packed)), 2)?,
            None => ask(held.at(place.as_ref()), Arc::clone(packed), 1)?,
        };
        let elsewhere = Elsewhere::of_reply(&reply).filter(|_| context.stop.asked().is_none());
        let Some(elsewhere) = elsewhere else { return Ok(reply) };
        let goes_on = match &elsewhere {
            _ if place.is_none() && !matches!(elsewhere, Elsewhere::Ask(_)) => {
                held.session.follow(&elsewhere, &mut patience)
            }
            Elsewhere::Master => false,
            _ => patience.wait(&elsewhere),
        };
        if !goes_on {
            return Ok(reply);
        }
        match elsewhere {
            Elsewhere::Ask(there) => aside = Some(there),
            Elsewhere::Moved(there) if place.is_some() => {
                held.learn(ready, part, &there);
                place = Some(there);
            }
            _ => {}
        }
    }
}
