//! A shell store whose lease this run holds.

use std::time::Instant;

use super::Shell;
use super::keeper::Pen;
use super::run::{ScriptFile, command, placed};
use crate::domain::{Direction, EntryEvent, Failure, Record, Version, fold};
use crate::process::program;
use crate::stores::{
    Context, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure, Stop,
    StopReason, Store, StoredScript,
};

/// The lease of one store, held.
pub struct Held {
    /// The store.
    pub shell: Shell,
    /// What writes into its ledger.
    pub pen: Pen,
    /// This run.
    pub owner: Owner,
}

impl Held {
    /// Runs one script, with its entries or without any.
    fn execute(&mut self, step: &Step, context: &Context<'_>, entries: bool) -> Result<(), StepFailure> {
        let script = ScriptFile::of(step).map_err(|f| StepFailure::before(step.index, f))?;
        let line = command(step, script.path(), &self.shell.settings.root, &self.shell.environment())
            .map_err(|f| StepFailure::before(step.index, f))?;
        if entries {
            self.write(&entry(step, EntryEvent::Begun, None), step, Kept::Nothing, context.stop)?;
        }
        (context.event)(step.index, StepEvent::Started);
        let began = Instant::now();
        let said = program::run(step, &line, context.stop).map_err(|f| placed(f, step, script.path()))?;
        if !said.trim().is_empty() {
            (context.event)(step.index, StepEvent::Said(said.trim_end().to_owned()));
        }
        let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        if entries {
            self.write(&entry(step, EntryEvent::Done, Some(duration_ms)), step, Kept::Half(None), context.stop)?;
        }
        (context.event)(step.index, StepEvent::Done { duration_ms });
        Ok(())
    }

    fn write(&mut self, entry: &NewEntry, step: &Step, kept: Kept, stop: &Stop) -> Result<(), StepFailure> {
        let Err(failure) = self.pen.record(entry) else { return Ok(()) };
        if self.is_lost() {
            stop.ask(StopReason::LeaseLost);
            let what = "cannot be recorded: the lease was lost".to_owned();
            return Err(StepFailure { what, kept, ..StepFailure::before(step.index, failure) });
        }
        Err(StepFailure { kept: Kept::Unknown, ..StepFailure::before(step.index, failure) })
    }

    /// Whether the lease is known to be somebody else's or nobody's.
    fn is_lost(&mut self) -> bool {
        self.shell.holder().is_ok_and(|holder| holder.is_none_or(|h| h.token != self.owner.token))
    }

    /// What is applied, newest first.
    fn applied(&mut self) -> Result<Vec<Record>, Failure> {
        let mut applied: Vec<Record> = fold(&self.pen.look()?.entries).into_values().collect();
        if let Some(half) = applied.iter().find(|r| r.half().is_some()) {
            return Err(Failure::failed(format!("{} is half-applied, so nobody knows what to take back", half.label))
                .hint(format!("settle it first: `stepladder repair {}/{}`", self.shell.settings.name, half.version)));
        }
        applied.retain(Record::is_applied);
        applied.sort_by_key(|r| std::cmp::Reverse(r.position));
        Ok(applied)
    }
}

impl Locked for Held {
    fn took_over(&self) -> Option<&Holder> {
        self.pen.took_over()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        self.pen.heart()
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.pen.look()
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.pen.stored_down(version)
    }

    fn run(&mut self, steps: &[Step], context: &Context<'_>) -> Result<Outcome, StepFailure> {
        for step in steps {
            if context.stop.asked().is_some() {
                return Ok(Outcome::Stopped);
            }
            self.execute(step, context, true)?;
        }
        Ok(Outcome::AllDone)
    }

    fn record(&mut self, entry: &NewEntry) -> Result<(), Failure> {
        self.pen.record(entry)
    }

    fn journal(&mut self, _version: Version, _done: u32, _total: u32) -> Result<(), Failure> {
        Err(Failure::failed("a program has no parts that could be noted"))
    }

    fn seed(&mut self, step: &Step, context: &Context<'_>) -> Result<(), StepFailure> {
        self.execute(step, context, false)
    }

    /// What its scripts made is known to their down scripts alone: those run, newest first, then the ledger is emptied.
    fn wipe(&mut self) -> Result<(), Failure> {
        let (stop, nobody) = (Stop::default(), |_: usize, _: StepEvent| ());
        for record in self.applied()? {
            let name = format!("{}/{}", self.shell.settings.name, record.label);
            let kept = self.pen.stored_down(record.version)?.ok_or_else(|| {
                Failure::failed(format!("{name} cannot be taken back: the ledger has no down script of it"))
            })?;
            let step = self.shell.step_of(&record, &kept);
            let run = self.owner.run.clone();
            let context = Context { run: &run, stop: &stop, event: &nobody };
            self.execute(&step, &context, true).map_err(|f| {
                let failed = entry(&step, EntryEvent::Failed, None);
                // What is already wrong is told; that it cannot be written down as well adds nothing.
                let _ = self.pen.record(&failed);
                Failure::new(f.kind, format!("{name} {} while it was taken back", f.what))
                    .details(f.message.lines().map(str::to_owned))
            })?;
        }
        self.pen.empty()
    }

    fn release(self: Box<Self>) -> Result<(), Failure> {
        self.pen.release()
    }
}

fn entry(step: &Step, event: EntryEvent, duration_ms: Option<i64>) -> NewEntry {
    NewEntry {
        event,
        direction: step.direction,
        version: Some(step.version),
        label: step.label.clone(),
        checksum: step.checksum.clone(),
        down: step.down.clone().filter(|_| step.direction == Direction::Up),
        ordinal: i64::try_from(step.index).unwrap_or(i64::MAX),
        duration_ms,
        parts_done: None,
        parts_total: None,
        note: None,
    }
}
