//! A shell store whose lease this run holds.

use std::time::Instant;

use super::Shell;
use super::run::{ScriptFile, command, placed};
use crate::domain::{Direction, EntryEvent, Failure, FailureKind, Record, Version, fold};
use crate::process::program;
use crate::stores::memory::book::{Book, now_ms};
use crate::stores::{
    Context, Heart, Holder, Kept, Ledger, Locked, NewEntry, Outcome, Owner, Step, StepEvent, StepFailure, Stop,
    StopReason, Store, StoredScript,
};

/// The lease of one store, held.
pub struct Held {
    /// The store.
    pub shell: Shell,
    /// This run.
    pub owner: Owner,
    /// Whose stale lease it was.
    pub took_over: Option<Holder>,
}

impl Held {
    /// Changes the files if the lease is still ours, under one lock; false if it is not.
    fn guarded(&self, change: impl FnOnce(&mut Book, &Owner)) -> Result<bool, Failure> {
        self.shell.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&self.owner.token)) else { return false };
            change(book, &self.owner);
            true
        })
    }

    fn must(&self, change: impl FnOnce(&mut Book, &Owner)) -> Result<(), Failure> {
        match self.guarded(change)? {
            true => Ok(()),
            false => Err(Failure::failed("the lease was lost, so nothing was written")),
        }
    }

    /// Runs one script; how long it took.
    fn execute(&self, step: &Step, context: &Context<'_>, entries: bool) -> Result<(), StepFailure> {
        let script = ScriptFile::of(step).map_err(|f| before(step, f))?;
        let line = command(step, script.path(), &self.shell.settings.root, &self.shell.environment())
            .map_err(|f| before(step, f))?;
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

    fn write(&self, entry: &NewEntry, step: &Step, kept: Kept, stop: &Stop) -> Result<(), StepFailure> {
        match self.guarded(|book, owner| book.append(entry, owner)) {
            Ok(true) => Ok(()),
            Ok(false) => {
                stop.ask(StopReason::LeaseLost);
                let what = "cannot be recorded: the lease was lost".to_owned();
                Err(StepFailure {
                    what,
                    kept,
                    ..before(step, Failure::failed("another run has the lease now, or it was released by force"))
                })
            }
            Err(failure) => Err(StepFailure { kept: Kept::Unknown, ..before(step, failure) }),
        }
    }

    /// What is applied, newest first.
    fn applied(&self) -> Result<Vec<Record>, Failure> {
        let ledger = self.shell.place.read()?.map_or_else(|| Ok(Ledger::default()), |book| book.ledger())?;
        let mut applied: Vec<Record> = fold(&ledger.entries).into_values().collect();
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
        self.took_over.as_ref()
    }

    fn heart(&mut self) -> Result<Box<dyn Heart>, Failure> {
        Ok(Box::new(Beat { shell: self.shell.clone(), token: self.owner.token.clone() }))
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        self.shell.look()
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.shell.stored_down(version)
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
        self.must(|book, owner| book.append(entry, owner))
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
            let kept = self.shell.stored_down(record.version)?.ok_or_else(|| {
                Failure::failed(format!("{name} cannot be taken back: the ledger has no down script of it"))
            })?;
            let step = self.shell.step_of(&record, &kept);
            let context = Context { run: &self.owner.run, stop: &stop, event: &nobody };
            self.execute(&step, &context, true).map_err(|f| {
                let failed = entry(&step, EntryEvent::Failed, None);
                // What is already wrong is told; that it cannot be written down as well adds nothing.
                let _ = self.guarded(|book, owner| book.append(&failed, owner));
                Failure::new(f.kind, format!("{name} {} while it was taken back", f.what))
                    .details(f.message.lines().map(str::to_owned))
            })?;
        }
        self.must(|_, _| ())?;
        self.shell.place.empty()
    }

    fn release(self: Box<Self>) -> Result<(), Failure> {
        // A lease that is not ours any more is somebody else's to give back.
        self.guarded(|book, _| book.lease = None).map(|_| ())
    }
}

/// Renews the lease.
struct Beat {
    shell: Shell,
    token: String,
}

impl Heart for Beat {
    fn beat(&mut self) -> Result<bool, Failure> {
        self.shell.place.update(|book| {
            let Some(book) = book.filter(|b| b.is_held_with(&self.token)) else { return false };
            if let Some(lease) = &mut book.lease {
                lease.renew(self.shell.settings.lease, now_ms());
            }
            true
        })
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

/// A failure of something that had to be there before the script could start.
fn before(step: &Step, failure: Failure) -> StepFailure {
    StepFailure {
        index: step.index,
        what: "could not be run".to_owned(),
        line: None,
        message: std::iter::once(failure.message).chain(failure.details).collect::<Vec<_>>().join("\n"),
        kept: Kept::Nothing,
        hints: failure.hints,
        kind: if failure.kind == FailureKind::Usage { FailureKind::Failed } else { failure.kind },
    }
}
