//! What became of steps whose end was heard, or was not: read back from the server, which may have gone down with them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ledger::{self, literal};
use super::locked::{Held, is_whole};
use super::talk::Broken;
use crate::domain::{EntryEvent, Failure};
use crate::process::program::Ended;
use crate::stores::{Context, Kept, Step, StepEvent, StepFailure};

/// How long the server may take to notice that a client has gone.
const PATIENCE: Duration = Duration::from_secs(8);

/// The newest of `begun` and `done` of a step, with its parts.
type Found = (EntryEvent, Option<(u32, u32)>);

impl Held {
    /// Which step the client was at when it went, and what is left of that one. Whoever is ended may have come further than
    /// was heard.
    pub(super) fn settle<'a>(
        &mut self,
        steps: &'a [Step],
        broken: &Broken,
        context: &Context<'_>,
        seed: bool,
    ) -> (&'a Step, Kept) {
        let mut at = 0;
        loop {
            let kept = self.kept(&steps[at], broken, context, seed);
            let stopped = matches!(broken.ended, Some(Ended::Stopped(_)));
            if kept != Kept::All || !stopped || at + 1 == steps.len() {
                return (&steps[at], kept);
            }
            (context.event)(steps[at].index, StepEvent::Done { duration_ms: 0 });
            at += 1;
        }
    }

    /// What is left of a step whose end was not heard, by what the ledger says.
    fn kept(&mut self, step: &Step, broken: &Broken, context: &Context<'_>, seed: bool) -> Kept {
        // A statement that is still at work would go on for nobody, and might be recorded after we looked.
        let quiet = match broken.connection {
            Some(connection) => context.patiently(|| self.end(connection)),
            None => Ok(true),
        };
        if seed {
            return if is_whole(step) || broken.connection.is_none() { Kept::Nothing } else { Kept::Half(None) };
        }
        let Ok(quiet) = quiet else { return Kept::Unknown };
        match context.patiently(|| self.entries(std::slice::from_ref(step))) {
            Err(_) => Kept::Unknown,
            Ok(found) => match found.get(&step.index) {
                Some((EntryEvent::Done, _)) => Kept::All,
                Some((_, parts)) => Kept::Half(*parts),
                None if quiet => Kept::Nothing,
                None => Kept::Unknown,
            },
        }
    }

    /// Ends a connection of the client's on the server; whether it has gone.
    fn end(&mut self, connection: u64) -> Result<bool, Failure> {
        if self.has_restarted()? {
            // All connections have gone, and their numbers are given out anew.
            return Ok(true);
        }
        let find = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {connection}");
        let (until, mut asked) = (Instant::now() + PATIENCE, false);
        loop {
            let rows = self.session.read(&find)?;
            if rows.first().and_then(|row| ledger::number(row, 0)) == Some(0) {
                return Ok(true);
            }
            if Instant::now() > until {
                return Ok(false);
            }
            if !asked {
                // It may have gone in between; whoever may not end it waits.
                let _ = self.session.run(&format!("KILL {connection}"));
                asked = true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the server is younger than our lease. It counts its age in whole seconds.
    fn has_restarted(&mut self) -> Result<bool, Failure> {
        let rows = self.session.read("SHOW GLOBAL STATUS LIKE 'Uptime'")?;
        let up = rows.first().and_then(|row| ledger::number(row, 1)).and_then(|seconds| u64::try_from(seconds).ok());
        Ok(up.is_some_and(|seconds| Duration::from_secs(seconds + 2) < self.since.elapsed()))
    }

    /// Success is positive: the entries of all steps whose markers came back must be there.
    pub(super) fn verify(&mut self, done: &[Step]) -> Result<(), StepFailure> {
        let Some(last) = done.last() else { return Ok(()) };
        let there = self.entries(done).map_err(|f| StepFailure::unconfirmed(last.index, f))?;
        match done.iter().find(|s| !matches!(there.get(&s.index), Some((EntryEvent::Done, _)))) {
            Some(step) => Err(StepFailure::absent(step.index, "the client")),
            None => Ok(()),
        }
    }

    /// The newest entry of each of these steps in this run.
    fn entries(&mut self, steps: &[Step]) -> Result<BTreeMap<usize, Found>, Failure> {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(BTreeMap::new()) };
        let rows = self.session.read(&format!(
            "SELECT ordinal, event, parts_done, parts_total FROM {} WHERE run = {} AND ordinal BETWEEN {} AND {} \
             AND event IN ('begun', 'done') ORDER BY seq",
            self.place.home.the("ledger"),
            literal(&self.owner.run),
            first.index,
            last.index
        ))?;
        let small = |row: &[Option<String>], at| ledger::number(row, at).and_then(|n| u32::try_from(n).ok());
        let entries = rows.iter().filter_map(|row| {
            let event = EntryEvent::from_word(ledger::text(row, 1)?)?;
            let index = usize::try_from(ledger::number(row, 0)?).ok()?;
            Some((index, (event, small(row, 2).zip(small(row, 3)))))
        });
        Ok(entries.collect())
    }
}
