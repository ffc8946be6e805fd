//! Failures: what happened, where, what state the store is in now, and what to do next.

use std::path::Path;

use serde_json::{Value, json};

use super::screen::{Paint, Screen, Style};
use super::words::{count, list};
use crate::domain::{Direction, Failure, FailureKind, Mode, Plan, PlannedStep, Reason};
use crate::execute::Report;
use crate::stores::{Card, Kept, Step, StepFailure};

impl Screen {
    /// Prints a failure; with `--json` also as the last value on standard output.
    pub fn failure(&self, failure: &Failure) {
        self.error(|paint| text(failure, paint));
        self.value(&json!({ "error": value(failure) }));
    }

    /// Prints a failure that is followed by another one.
    pub fn failure_before_the_last(&self, failure: &Failure) {
        self.error(|paint| text(failure, paint));
    }
}

/// A failure as JSON.
pub fn value(failure: &Failure) -> Value {
    json!({
        "kind": failure.kind,
        "message": failure.message,
        "details": failure.details,
        "hints": failure.hints,
        "exit_code": failure.kind.exit_code(),
    })
}

/// A failure as a person reads it.
pub fn text(failure: &Failure, paint: Paint) -> String {
    let mut lines = vec![format!("{} {}", paint.of(Style::Bad, "error:"), indented(&failure.message, "  "))];
    lines.extend(failure.details.iter().map(|d| format!("  {}", indented(d, "  "))));
    lines.extend(failure.hints.iter().map(|h| format!("{} {}", paint.of(Style::Advice, "hint:"), indented(h, "  "))));
    lines.join("\n")
}

/// The lines after the first one, moved in.
fn indented(text: &str, by: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r']);
    text.replace("\r\n", "\n").replace('\n', &format!("\n{by}"))
}

/// A step's failure with everything that a person needs.
pub fn of_step(step: &Step, failure: &StepFailure, card: &Card, report: &Report, root: &Path) -> Failure {
    let mut out = Failure::new(failure.kind, headline(step, failure));
    out.details.push(snippet(step, failure, root));
    out.details.push(what_is_left(step, failure, card));
    out.details.extend(applied_before(report));
    out.details.extend(not_begun(report));
    out.hints.clone_from(&failure.hints);
    out.hints.extend(advice(step, failure, card));
    out
}

/// A seed script's failure. It has no entry in the ledger, so there is nothing to repair.
pub fn of_seed(step: &Step, failure: &StepFailure, report: &Report, root: &Path) -> Failure {
    let mut out = Failure::new(failure.kind, headline(step, failure).replacen(&step.full_name(), &step.path, 1));
    out.details.push(snippet(step, failure, root));
    out.details.push(match failure.kept {
        Kept::Nothing => "nothing of it was kept".to_owned(),
        _ => "what it did before that is kept".to_owned(),
    });
    out.details.extend(applied_before(report).map(|s| s.replacen("applied", "seeded", 1)));
    out.details.extend(not_begun(report));
    out.hints.clone_from(&failure.hints);
    if failure.kind == FailureKind::Failed && !failure.may_run_again() {
        out.hints.push("correct the script, then `stepladder seed`".to_owned());
    }
    out
}

fn headline(step: &Step, failure: &StepFailure) -> String {
    let script = match step.direction {
        Direction::Up => step.full_name(),
        Direction::Down => format!("the down script of {}", step.full_name()),
    };
    match failure.line {
        None if never_ran(failure) => {
            let why = failure.message.lines().next().unwrap_or_default();
            format!("{script} {}: {why}", failure.what)
        }
        Some(line) if !failure.what.contains(" at ") => format!("{script} {} at line {line}", failure.what),
        _ => format!("{script} {}", failure.what),
    }
}

/// Something was missing that the script needed, so the first line of the message is not the client's.
fn never_ran(failure: &StepFailure) -> bool {
    failure.what == "could not be run"
}

/// The place, the line itself and the client's words, side by side.
fn snippet(step: &Step, failure: &StepFailure, root: &Path) -> String {
    let source = failure.line.and_then(|line| Some((line, source_line(step, line, root)?)));
    let mut lines = vec![match failure.line {
        Some(line) => format!("{}:{line}", step.path),
        None => step.path.clone(),
    }];
    let gutter = source.as_ref().map_or(0, |(line, _)| line.to_string().len());
    if let Some((line, text)) = source {
        lines.push(format!("  {line} | {}", shortened(&text)));
    }
    let blank = " ".repeat(gutter);
    let said = failure.message.trim_end().lines().skip(usize::from(failure.line.is_none() && never_ran(failure)));
    let bar = if gutter == 0 { "  | ".to_owned() } else { format!("  {blank} | ") };
    lines.extend(said.map(|l| format!("{bar}{}", l.trim_end()).trim_end().to_owned()));
    lines.join("\n")
}

/// Lines of the user's file as an editor counts them, from the file where there is one.
fn source_line(step: &Step, line: usize, root: &Path) -> Option<String> {
    let bytes = std::fs::read(root.join(&step.path)).ok();
    let text = bytes.map_or_else(|| step.text.to_string(), |b| String::from_utf8_lossy(&b).into_owned());
    let text = if text.contains('\n') { text } else { text.replace('\r', "\n") };
    text.lines().nth(line.checked_sub(1)?).map(|l| l.trim_end().to_owned())
}

fn shortened(line: &str) -> String {
    const MOST: usize = 160;
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{} ...", &line[..at]),
        None => line.to_owned(),
    }
}

fn what_is_left(step: &Step, failure: &StepFailure, card: &Card) -> String {
    let still = match step.direction {
        Direction::Up => "",
        Direction::Down => "; it is still applied",
    };
    match failure.kept {
        Kept::Nothing if step.mode.is_atomic() && !never_ran(failure) => {
            format!("nothing of it was kept: the script ran in one transaction{still}")
        }
        Kept::Nothing => format!("nothing of it was kept{still}"),
        Kept::Half(Some((0, total))) => {
            format!("none of its {} is known to be done ({})", parts(total), why_not_undone(step, card))
        }
        Kept::Half(Some((done, total))) => {
            let which = match done {
                1 => "part 1".to_owned(),
                2 => "parts 1 and 2".to_owned(),
                _ => format!("parts 1 to {done}"),
            };
            format!("done and kept: {which} of {total} ({})", why_not_undone(step, card))
        }
        Kept::Half(None) => "how much of it was done is not known: it is half-applied now".to_owned(),
        Kept::All => "all of it was kept, and the ledger says so: only the answer was lost".to_owned(),
        Kept::Unknown => "whether anything of it was kept is not known yet: the next run looks first".to_owned(),
    }
}

/// Why a part that is done stays done.
fn why_not_undone(step: &Step, card: &Card) -> String {
    match &step.mode {
        Mode::TwoPhase(Reason::Kind) | Mode::Atomic => format!("{} cannot take a script back", card.title),
        Mode::TwoPhase(reason) => reason.sentence(),
    }
}

fn parts(n: u32) -> String {
    count(n as usize, "part")
}

/// `applied before it in this run: ...`; a run that goes both ways says which.
fn applied_before(report: &Report) -> Option<String> {
    let mut done: Vec<usize> = report.done.iter().map(|d| d.index).collect();
    done.sort_unstable();
    let steps: Vec<&PlannedStep> = done.iter().filter_map(|at| report.plan.steps.get(*at)).collect();
    let first = steps.first()?.direction;
    let one_way = steps.iter().all(|s| s.direction == first);
    let name = |step: &&PlannedStep| match one_way {
        true => step.full_name(),
        false => format!("{} ({})", step.full_name(), step.direction.participle()),
    };
    let names: Vec<String> = steps.iter().map(name).collect();
    let word = if one_way { first.participle() } else { "done" };
    Some(format!("{word} before it in this run: {}", list_at_most(&names)))
}

fn list_at_most(names: &[String]) -> String {
    const MOST: usize = 12;
    match names.len() {
        0..=MOST => list(names),
        n => format!("{} and {} before", names[n - MOST..].join(", "), n - MOST),
    }
}

fn not_begun(report: &Report) -> Option<String> {
    let left = report.plan.steps.len().checked_sub(report.done.len() + report.failures.len())?;
    (left > 0).then(|| format!("not begun: {}", count(left, "further step")))
}

fn advice(step: &Step, failure: &StepFailure, card: &Card) -> Vec<String> {
    let name = format!("{}/{}", step.store, step.version);
    let again = match step.direction {
        Direction::Up => "`stepladder up`",
        Direction::Down => "`stepladder down`",
    };
    match failure.kept {
        Kept::Nothing | Kept::All if failure.kind == FailureKind::Interrupted => {
            vec![format!("{again} goes on from here")]
        }
        Kept::Nothing if failure.may_run_again() => vec![format!("{again} goes on from here")],
        Kept::Nothing if failure.kind == FailureKind::Failed && !never_ran(failure) => {
            vec![format!("correct the script, then {again}")]
        }
        Kept::Nothing => Vec::new(),
        Kept::Half(known) => {
            let mut advice = Vec::new();
            if card.journals && known.is_some() {
                let from = failure.line.map(|l| format!(" from line {l} on")).unwrap_or_default();
                let first = match failure.may_run_again() {
                    true => "go on where it stopped: ".to_owned(),
                    false => format!("correct the script{from}, then "),
                };
                advice.push(format!("{first}`stepladder repair {name} --resume`"));
            }
            advice.extend(by_hand(&name));
            advice
        }
        _ => vec!["`stepladder status` shows where it stands".to_owned()],
    }
}

/// The two ways out that always exist.
pub fn by_hand(name: &str) -> [String; 2] {
    [
        format!("finished it by hand? `stepladder repair {name} --mark applied`"),
        format!("undid it by hand? `stepladder repair {name} --mark reverted`"),
    ]
}

/// Why a run stopped apart from its steps, with what was done before.
pub fn of_stop(stopped: &Failure, report: &Report) -> Failure {
    let mut out = stopped.clone();
    out.details.extend(applied_before(report).map(|s| s.replacen(" before it", "", 1)));
    out.details.extend(not_begun(report));
    out
}

/// The plan's step as a short JSON object.
pub fn planned(plan: &Plan, index: usize) -> Value {
    let Some(step) = plan.steps.get(index) else { return json!({}) };
    json!({
        "store": step.store,
        "migration": step.label,
        "version": step.version,
        "direction": step.direction,
    })
}
