//! A step's script, ready to run: every request read and put together before the first one is sent.

use super::call::{Call, Unsendable};
use super::run::Manners;
use crate::domain::http::Request;
use crate::domain::{Failure, FailureKind};
use crate::stores::{Kept, Preview, Step, StepFailure};

/// A script that can be run.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The step.
    pub step: &'a Step,
    /// Its requests, each as it is sent.
    pub parts: Vec<(Request, Call)>,
}

impl<'a> Job<'a> {
    /// Reads a script. `base` is where the store is.
    ///
    /// # Errors
    /// The first request that cannot be sent: nothing of the script was.
    pub fn read(step: &'a Step, base: &str, manners: &dyn Manners) -> Result<Self, StepFailure> {
        let found = manners.read(step).map_err(|w| unfit(step, w.line, (w.message, w.hint.to_owned())))?;
        let mut parts = Vec::with_capacity(found.len());
        for request in found {
            let call = Call::new(&request, base).and_then(|mut call| {
                call.path = manners.place(call.path);
                manners.allow(&request, &call).map(|()| call)
            });
            let call = call.map_err(|why| unfit(step, request.line, why))?;
            parts.push((request, call));
        }
        Ok(Self { step, parts })
    }

    /// How many parts it has.
    pub fn total(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// Its first part that is to be done.
    pub fn first(&self) -> u32 {
        self.step.resume_from.min(self.total())
    }
}

fn unfit(step: &Step, line: usize, (message, hint): Unsendable) -> StepFailure {
    StepFailure {
        index: step.index,
        what: "was rejected".to_owned(),
        line: Some(line),
        message,
        kept: Kept::Nothing,
        hints: vec![hint],
        kind: FailureKind::Failed,
    }
}

/// What a run of these steps would send.
///
/// # Errors
/// A script that cannot be run.
pub fn preview(steps: &[Step], base: &str, manners: &dyn Manners) -> Result<Preview, Failure> {
    let lines = steps.iter().map(|step| {
        let job = Job::read(step, base, manners).map_err(|unfit| refused(step, unfit))?;
        let entry = |what: &str| format!("# ledger: {} {} {what}", step.direction.word(), step.label);
        let mut lines = vec![entry("begun")];
        for (at, (request, call)) in job.parts.iter().enumerate().skip(job.first() as usize) {
            if at > job.first() as usize {
                lines.push(format!("# ledger: {at} of {} done", job.total()));
            }
            if let Some(words) = manners.shown(request) {
                lines.extend(words.lines().map(str::to_owned));
                continue;
            }
            lines.push(format!("{} {}", call.method, call.path));
            lines.extend(call.headers.iter().map(|(name, value)| format!("{name}: {value}")));
            lines.extend(request.content_type().map(|value| format!("content-type: {value}")));
            if let Some(body) = &request.body {
                lines.push(String::new());
                lines.extend(body.text.lines().map(str::to_owned));
            }
        }
        lines.push(entry("done"));
        Ok(lines)
    });
    Ok(Preview { client: "built in".to_owned(), steps: lines.collect::<Result<_, Failure>>()? })
}

fn refused(step: &Step, unfit: StepFailure) -> Failure {
    let place = unfit.line.map_or_else(|| step.path.clone(), |line| format!("{}:{line}", step.path));
    let failure = Failure::failed(format!("{} cannot be run", step.full_name()));
    let failure = failure.detail(format!("{place}: {}", unfit.message));
    unfit.hints.into_iter().fold(failure, Failure::hint)
}
