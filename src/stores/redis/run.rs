//! Runs steps: those that are whole many at a time, any other by itself, when all before it are done.

use std::time::Instant;

use super::away;
use super::cluster::Keys;
use super::facts::Facts;
use super::job::{Job, Piece, Unfit};
use super::locked::Held;
use super::pieces::{self, command, repeated, together};
use super::ready::Ready;
use super::verdict::{self, Broken};
use super::whole::Line;
use crate::domain::Failure;
use crate::stores::{Context, Kept, Outcome, Step, StepEvent, StepFailure};

/// Runs consecutive steps.
pub fn run(held: &mut Held, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
    let prefix = held.session.endpoint.prefix.clone();
    let read: Vec<Result<Job, Unfit>> = steps.iter().map(|step| Job::read(step, &prefix)).collect();
    let commands = read.iter().flatten().flat_map(Job::commands);
    let facts = Facts::ask(&mut held.session, commands).map_err(|f| Broken::from(f).of(&steps[0], Kept::Nothing))?;
    let mut line = Line::new();
    for (step, job) in steps.iter().zip(read) {
        let ready = job.and_then(|job| Ready::new(step, job, &facts));
        let ready = match settled(held, ready) {
            Ok(ready) => ready,
            Err(failure) => {
                // What was sent before it has to be heard out.
                line.finish(held, context)?;
                return Err(Broken::from(failure).of(step, Kept::Nothing));
            }
        };
        let joins = ready.as_ref().is_ok_and(|r| r.is_whole() && !r.is_program());
        if context.stop.asked().is_some() || !joins && line.finish(held, context)? == Outcome::Stopped {
            return line.finish(held, context);
        }
        let ready = ready.map_err(|unfit| Broken::from(unfit).of(step, Kept::Nothing))?;
        if joins {
            line.add(held, ready, context)?;
        } else if ready.is_whole() {
            pieces::program(held, &ready, context)?;
        } else {
            (context.event)(step.index, StepEvent::Started);
            pieces::in_pieces(held, &ready, context)?;
        }
    }
    line.finish(held, context)
}

/// The same step, with where its pieces go: in a cluster the server is asked which keys they have.
fn settled<'a>(held: &mut Held, ready: Result<Ready<'a>, Unfit>) -> Result<Result<Ready<'a>, Unfit>, Failure> {
    let (mut ready, cluster) = match (ready, &mut held.cluster) {
        (Ok(ready), Some(cluster)) => (ready, cluster),
        (ready, _) => return Ok(ready),
    };
    Ok(match Keys::ask(&mut cluster.asking, &ready.job)? {
        Ok(keys) => cluster.settle(&mut ready, keys).map(|()| ready),
        Err(unfit) => Err(unfit),
    })
}

/// A seed script: no entry, and a lease that is looked at.
pub fn seed(held: &mut Held, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
    let nothing = |broken: Broken| broken.of(step, Kept::Nothing);
    let job = Job::read(step, &held.session.endpoint.prefix).map_err(|u| nothing(u.into()))?;
    let facts = Facts::ask(&mut held.session, job.commands().iter()).map_err(|f| nothing(f.into()))?;
    let ready = settled(held, Ready::new(step, job, &facts)).map_err(|f| nothing(f.into()))?;
    let ready = ready.map_err(|u| nothing(u.into()))?;
    (context.event)(step.index, StepEvent::Started);
    let started = Instant::now();
    for (done, one) in ready.pieces.iter().enumerate() {
        let kept = |so_far: usize| if done + so_far == 0 { Kept::Nothing } else { Kept::Half(None) };
        match one {
            Piece::Alone(at) => {
                command(held, &ready, *at, started, context).map_err(|broken| broken.of(step, kept(0)))?;
            }
            Piece::Together(first, end) => together(held, &ready, ("seed", *first, *end), started, context)
                .map_err(|(so_far, broken)| broken.of(step, kept(so_far)))?,
            Piece::Away(..) | Piece::Program => away::run(held, &ready, one, false, started, context)
                .map_err(|(so_far, broken)| broken.of(step, kept(so_far)))?,
            Piece::Repeated if ready.is_away(held) => away::run(held, &ready, one, false, started, context)
                .map_err(|(_, broken)| broken.of(step, Kept::Half(None)))?,
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
