//! Carries a plan out: one thread per store, each running the longest stretch of its steps whose needs are met.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::material::{from_files, materialise};
use super::{Done, Event, Held, RunOptions};
use crate::domain::mode::is_program;
use crate::domain::{EntryEvent, Failure, Mode, Plan, PlannedStep, Reason};
use crate::process::program;
use crate::stores::{Context, Kept, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure, StopReason};

/// Steps handed to a store at once have their texts in memory together: so many bytes at most, unless one alone is larger.
const STRETCH: u64 = 32 << 20;

/// What came of a plan.
#[derive(Default)]
pub(super) struct Carried {
    pub done: Vec<Done>,
    pub failures: Vec<(Step, StepFailure)>,
    pub stopped: Option<Failure>,
}

/// A step with its failure, on the heap: both are large and rare.
type FailedStep = Box<(Step, StepFailure)>;

struct Board<'a> {
    plan: &'a Plan,
    state: Mutex<State>,
    changed: Condvar,
    /// Whether anybody waits for what others do.
    several: bool,
    owner: &'a Owner,
    options: &'a RunOptions,
    listen: &'a (dyn Fn(&Event) + Sync),
}

struct State {
    finished: Vec<bool>,
    carried: Carried,
}

pub(super) fn carry_out(
    plan: &Plan,
    held: &mut [Held],
    owner: &Owner,
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
) -> Carried {
    let state = State { finished: vec![false; plan.steps.len()], carried: Carried::default() };
    let several = held.len() > 1;
    let board = Board { plan, state: Mutex::new(state), changed: Condvar::new(), several, owner, options, listen };
    thread::scope(|scope| {
        for one in held {
            scope.spawn(|| board.work(one));
        }
    });
    board.state.into_inner().unwrap_or_else(PoisonError::into_inner).carried
}

impl Board<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, held: &mut Held) {
        let mine = self.plan.steps.iter().enumerate().filter(|(_, s)| s.store == held.name).map(|(i, _)| i);
        let mut queue: VecDeque<usize> = mine.collect();
        while let Some(stretch) = self.next_stretch(&mut queue) {
            if let Err(failed) = self.run_stretch(held, &stretch) {
                self.options.stop.ask(StopReason::Sibling);
                self.failed(held, *failed);
                break;
            }
        }
        self.changed.notify_all();
    }

    /// Waits until at least one step can run; `None` when there is nothing more to do or a stop was asked for.
    fn next_stretch(&self, queue: &mut VecDeque<usize>) -> Option<Vec<usize>> {
        let mut state = self.state();
        loop {
            if queue.is_empty() || self.options.stop.asked().is_some() {
                return None;
            }
            let mut stretch: Vec<usize> = Vec::new();
            let mut bytes = 0;
            while let Some(&next) = queue.front() {
                // In ascending order, as the queue is.
                let ready = |need: &usize| state.finished[*need] || stretch.binary_search(need).is_ok();
                let step = &self.plan.steps[next];
                bytes += size(step);
                if !step.needs.iter().all(ready) || (bytes > STRETCH && !stretch.is_empty()) {
                    break;
                }
                stretch.push(next);
                queue.pop_front();
            }
            if !stretch.is_empty() {
                return Some(stretch);
            }
            let waited = self.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run_stretch(&self, held: &mut Held, stretch: &[usize]) -> Result<(), FailedStep> {
        let mut steps = Vec::with_capacity(stretch.len());
        let root = &self.options.root;
        let mut from_files = from_files(&self.plan.steps, stretch, held.card, held.timeout, root).into_iter();
        for &index in stretch {
            let locked = &mut held.locked;
            let made = from_files.next().flatten().unwrap_or_else(|| {
                let planned = &self.plan.steps[index];
                materialise(planned, index, held.card, held.timeout, root, &mut |version| locked.stored_down(version))
            });
            match made {
                Ok(step) => steps.push(step),
                Err(failure) if steps.is_empty() => {
                    let step = self.bare(index, held);
                    return Err(Box::new((step, StepFailure::before(index, failure))));
                }
                // What comes before it can run; then it is looked at again and fails by itself.
                Err(_) => break,
            }
        }
        let short = steps.len() < stretch.len();
        self.run_steps(held, &steps)?;
        if short && self.options.stop.asked().is_none() {
            return self.run_stretch(held, &stretch[steps.len()..]);
        }
        Ok(())
    }

    fn run_steps(&self, held: &mut Held, mut steps: &[Step]) -> Result<(), FailedStep> {
        let extensions = held.card.extensions;
        while let Some(first) = steps.first() {
            if self.options.stop.asked().is_some() {
                return Ok(());
            }
            if is_program(&first.extension, extensions) {
                self.run_program(held, first).map_err(|f| Box::new((first.clone(), f)))?;
                steps = &steps[1..];
                continue;
            }
            let native = steps.iter().take_while(|s| !is_program(&s.extension, extensions)).count();
            let (now, later) = steps.split_at(native);
            let event = |index: usize, event: StepEvent| self.happened(index, event);
            let context = Context { run: &self.owner.run, stop: &self.options.stop, event: &event };
            match held.locked.run(now, &context) {
                Ok(Outcome::AllDone) => steps = later,
                Ok(Outcome::Stopped) => return Ok(()),
                Err(failure) => {
                    let step = now.iter().find(|s| s.index == failure.index).unwrap_or(first);
                    return Err(Box::new((step.clone(), failure)));
                }
            }
        }
        Ok(())
    }

    fn happened(&self, index: usize, event: StepEvent) {
        if let StepEvent::Done { duration_ms } = event {
            let mut state = self.state();
            state.finished[index] = true;
            state.carried.done.push(Done { index, duration_ms });
            drop(state);
            if self.several {
                self.changed.notify_all();
            }
        }
        (self.listen)(&Event::Step(index, event));
    }

    /// A `.sh` or `.py` script: a `begun` entry, the program, a `done` entry.
    fn run_program(&self, held: &mut Held, step: &Step) -> Result<(), StepFailure> {
        self.happened(step.index, StepEvent::Started);
        let script = ScriptFile::of(step).map_err(|f| StepFailure::before(step.index, f))?;
        let line = program::command(step, script.path(), &self.options.root, &held.environment)
            .map_err(|f| StepFailure::before(step.index, f))?;
        held.locked.record(&NewEntry::of(step, EntryEvent::Begun)).map_err(|f| StepFailure::before(step.index, f))?;
        let started = Instant::now();
        let said = program::run(step, &line, &self.options.stop)?;
        if !said.is_empty() {
            self.happened(step.index, StepEvent::Said(said));
        }
        let duration_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let done = NewEntry { duration_ms: Some(duration_ms), ..NewEntry::of(step, EntryEvent::Done) };
        held.locked.record(&done).map_err(|f| StepFailure::unrecorded(step, f))?;
        self.happened(step.index, StepEvent::Done { duration_ms });
        Ok(())
    }

    /// Writes the failure into the ledger, where it can still be written, and tells it.
    fn failed(&self, held: &mut Held, (step, failure): (Step, StepFailure)) {
        if self.options.stop.asked() != Some(StopReason::LeaseLost) && failure.kept != Kept::All {
            let note = Some(failure.message.clone());
            let mut entry = NewEntry { note, ..NewEntry::of(&step, EntryEvent::Failed) };
            if let Kept::Half(Some((done, total))) = failure.kept {
                entry.parts_done = Some(done);
                entry.parts_total = Some(total);
            }
            if let Err(error) = held.locked.record(&entry) {
                (self.listen)(&Event::Warning(format!("the failure could not be written into the ledger: {error}")));
            }
        }
        (self.listen)(&Event::Failed(failure.clone()));
        self.state().carried.failures.push((step, failure));
    }

    /// A step without its text, to report that the text could not be had.
    fn bare(&self, index: usize, held: &Held) -> Step {
        let planned = &self.plan.steps[index];
        let script = planned.source_script();
        Step {
            index,
            store: planned.store.clone(),
            version: planned.version,
            label: planned.label.clone(),
            direction: planned.direction,
            path: script.map_or_else(|| "the ledger".to_owned(), |s| s.path.clone()),
            file: None,
            text: "".into(),
            extension: script.map_or_else(|| held.card.extensions[0].to_owned(), |s| s.extension.clone()),
            shape: script.map(|s| s.shape.clone()).unwrap_or_default(),
            mode: Mode::TwoPhase(Reason::Kind),
            checksum: planned.checksum.clone(),
            down: None,
            timeout: None,
            resume_from: 0,
        }
    }
}

/// Bytes that a step holds in memory while it waits for its turn, as far as they are known.
fn size(step: &PlannedStep) -> u64 {
    step.source_script().into_iter().chain(&step.down).map(|script| script.size).sum()
}

/// The file of a program script: its own, or a private copy of a text that came from the ledger.
enum ScriptFile {
    Own(std::path::PathBuf),
    Copy(tempfile::NamedTempFile),
}

impl ScriptFile {
    fn of(step: &Step) -> Result<Self, Failure> {
        if let Some(path) = &step.file {
            return Ok(Self::Own(path.clone()));
        }
        let write = || -> std::io::Result<tempfile::NamedTempFile> {
            let file = tempfile::NamedTempFile::new()?;
            std::fs::write(file.path(), step.text.as_bytes())?;
            Ok(file)
        };
        write().map(Self::Copy).map_err(|e| Failure::failed(format!("a temporary file cannot be written: {e}")))
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Own(path) => path,
            Self::Copy(file) => file.path(),
        }
    }
}
