//! What became of steps whose answer never came: the ledger is asked, for as long as a server that went down with them may need to
//! be back. It may be another one, or an older state of it.

use std::collections::BTreeSet;

use super::ledger;
use super::locked::Held;
use super::ready::Ready;
use super::verdict::Broken;
use crate::domain::plan::list;
use crate::domain::{Entry, EntryEvent};
use crate::stores::{Context, Kept, Step, StepEvent, StepFailure};

impl Held {
    /// A step is done, and its entry is there.
    pub fn done(&mut self, step: &Step, duration_ms: i64, context: &Context<'_>) {
        self.told.push((ordinal(step), step.full_name()));
        (context.event)(step.index, StepEvent::Done { duration_ms });
    }

    /// Which of these steps, that were on their way, got to their end, and what is left of the first that did not.
    pub fn settle(&mut self, steps: &[Ready<'_>], mut broken: Broken, context: &Context<'_>) -> StepFailure {
        let Ok(ledger) = context.patiently(|| ledger::look(&mut self.session)) else {
            broken.hints.push("`stepladder wait` waits until it answers".to_owned());
            return broken.of(steps[0].step, Kept::Unknown);
        };
        let ours: Vec<&Entry> = ledger.entries.iter().filter(|entry| entry.run == self.owner.run).collect();
        self.tell_forgotten(&ours, &mut broken);
        let newest = |step: &Step| {
            let mut entries = ours.iter().rev();
            entries.find(|e| e.ordinal == ordinal(step) && e.event != EntryEvent::Failed)
        };
        let mut kept = Kept::All;
        let mut last = steps[0].step;
        for ready in steps {
            last = ready.step;
            match newest(last) {
                Some(entry) if entry.event == EntryEvent::Done => {
                    self.done(last, entry.duration_ms.unwrap_or(0), context);
                    continue;
                }
                Some(entry) => kept = Kept::Half(entry.parts_done.zip(entry.parts_total)),
                None => kept = ready.resumed(),
            }
            break;
        }
        if matches!(kept, Kept::Nothing | Kept::All) {
            broken.hints.push("the server answers again: run the command once more".to_owned());
        }
        broken.of(last, kept)
    }

    /// A replica that lagged, or a server that is back with what it had written to disk, may not know what was done before.
    fn tell_forgotten(&self, ours: &[&Entry], broken: &mut Broken) {
        let known: BTreeSet<i64> = ours.iter().filter(|e| e.event == EntryEvent::Done).map(|e| e.ordinal).collect();
        let lost: Vec<&str> =
            self.told.iter().filter(|(at, _)| !known.contains(at)).map(|(_, name)| name.as_str()).collect();
        if !lost.is_empty() {
            broken.message += &format!(
                "\nthe server that answers now is in an older state: it does not know {}, which this run had done",
                list(&lost)
            );
            broken.hints.push(
                "a replica that lagged, or a server that does not write everything to disk at once, forgets data and ledger together; \
                 `stepladder status` shows what is left"
                    .to_owned(),
            );
        }
    }
}

fn ordinal(step: &Step) -> i64 {
    i64::try_from(step.index).unwrap_or(i64::MAX)
}
