//! Hears what happens during a run and tells it: a line per step, or a JSON object per event. It never changes
//! the outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::failure::planned;
use super::screen::{Screen, Style};
use super::table::width;
use super::words::{clock, count, elapsed, short_run, span};
use crate::domain::{Catalog, Direction, Finding, Plan, Severity};
use crate::execute::{Event, Report};
use crate::project::Catalogs;
use crate::stores::{Holder, Kept, StepEvent, StepFailure};

/// Tells a run as it happens.
pub struct Listener<'a> {
    screen: &'a Screen,
    run: String,
    catalogs: &'a Catalogs,
    seeding: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    widths: (usize, usize),
    bars: BTreeMap<usize, ProgressBar>,
}

impl<'a> Listener<'a> {
    /// A listener of the run with this id. What is wrong with the files of its steps is in the catalogs.
    pub fn new(screen: &'a Screen, run: &str, catalogs: &'a Catalogs) -> Self {
        Self { screen, run: run.to_owned(), catalogs, seeding: false, state: Mutex::default() }
    }

    /// A listener of a run of seed scripts.
    pub fn of_seeds(screen: &'a Screen, run: &str, catalogs: &'a Catalogs) -> Self {
        Self { seeding: true, ..Self::new(screen, run, catalogs) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells one event.
    pub fn hear(&self, event: &Event) {
        match event {
            Event::Waiting { store, holder } => self.waiting(store, holder),
            Event::TookOver { store, holder } => self.took_over(store, holder),
            Event::Planned(plan) => self.planned(plan),
            Event::Step(index, event) => self.step(*index, event),
            Event::Failed(failure) => self.failed(failure),
            Event::Wiped(store) => {
                self.event("wiped", json!({ "store": store }));
                self.screen.data(&format!("{store}   everything dropped"));
            }
            Event::Warning(message) => self.warning(message),
        }
    }

    fn event(&self, name: &str, fields: Value) {
        let mut object = serde_json::Map::new();
        object.insert("event".to_owned(), name.into());
        object.insert("run".to_owned(), self.run.clone().into());
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        self.screen.value(&Value::Object(object));
    }

    /// Made only where somebody reads it: a run may have thousands of steps.
    fn step_event(&self, name: &str, plan: &Plan, index: usize, more: impl FnOnce() -> Value) {
        if !self.screen.is_json() {
            return;
        }
        let name = if self.seeding { name.replacen("step_", "seed_", 1) } else { name.to_owned() };
        let mut fields = planned(plan, index);
        if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more()) {
            fields.extend(more);
        }
        self.event(&name, fields);
    }

    /// Something worth a line that stops nothing.
    pub fn warning(&self, message: &str) {
        self.event("warning", json!({ "message": message }));
        self.screen.call_out("warning:", Style::Waiting, message);
    }

    /// An optional store that is left out.
    pub fn skipped(&self, stores: &[(String, String)]) {
        for (store, variable) in stores {
            self.event("skipped", json!({ "store": store, "variable": variable }));
        }
        if let Some(line) = skipped_line(stores) {
            self.screen.say(&line);
        }
    }

    fn waiting(&self, store: &str, holder: &Holder) {
        self.event("waiting", json!({ "store": store, "holder": holder }));
        self.screen.say(&format!("waiting for {store}: {} is at work since {}", holder.who(), clock(holder.since_ms)));
    }

    fn took_over(&self, store: &str, holder: &Holder) {
        self.event("took_over", json!({ "store": store, "holder": holder }));
        self.screen.say(&format!("{store}: took over the lease that {} left behind", holder.who()));
    }

    fn planned(&self, plan: &Plan) {
        if self.screen.is_json() {
            let steps: Vec<Value> = (0..plan.steps.len()).map(|i| planned(plan, i)).collect();
            self.event("planned", json!({ "steps": steps }));
        }
        for message in plan_warnings(plan, self.catalogs) {
            self.warning(&message);
        }
        let widest = |of: fn(&crate::domain::PlannedStep) -> &str| plan.steps.iter().map(|s| width(of(s))).max();
        let mut state = self.state();
        state.widths = (widest(|s| &s.store).unwrap_or(0), widest(|s| &s.label).unwrap_or(0));
        state.plan = plan.clone();
    }

    fn step(&self, index: usize, event: &StepEvent) {
        let mut state = self.state();
        match event {
            StepEvent::Started => {
                self.step_event("step_started", &state.plan, index, || json!({}));
                self.start_bar(&mut state, index);
            }
            StepEvent::Progress { done, total } => {
                let parts = || json!({ "parts_done": done, "parts_total": total });
                self.step_event("step_progress", &state.plan, index, parts);
                if let Some(bar) = state.bars.get(&index) {
                    bar.set_prefix(format!(" · {done} of {total}"));
                }
            }
            StepEvent::Said(text) => self.said(&state.plan, index, text),
            StepEvent::Done { duration_ms } => {
                if let Some(bar) = state.bars.remove(&index) {
                    bar.finish_and_clear();
                }
                self.step_event("step_done", &state.plan, index, || json!({ "duration_ms": duration_ms }));
                self.screen.data(&self.done_line(&state, index, *duration_ms));
            }
        }
    }

    fn said(&self, plan: &Plan, index: usize, text: &str) {
        self.step_event("step_said", plan, index, || json!({ "text": text }));
        if self.screen.is_verbose() {
            let name = plan.steps.get(index).map(crate::domain::PlannedStep::full_name).unwrap_or_default();
            for line in text.lines() {
                self.screen.say(&format!("{name}: {line}"));
            }
        }
    }

    fn start_bar(&self, state: &mut State, index: usize) {
        let (Some(bars), Some(step)) = (self.screen.bars(), state.plan.steps.get(index)) else { return };
        let Ok(style) = ProgressStyle::with_template("{spinner} {msg}{prefix} · {elapsed}") else { return };
        let bar = bars.add(ProgressBar::new_spinner().with_style(style).with_message(step.full_name()));
        bar.enable_steady_tick(Duration::from_millis(120));
        state.bars.insert(index, bar);
    }

    /// `sqlite   001_create_customers      applied    2 ms`
    fn done_line(&self, state: &State, index: usize, duration_ms: i64) -> String {
        let Some(step) = state.plan.steps.get(index) else { return String::new() };
        let (store, label) = state.widths;
        let said = if self.seeding { "seeded" } else { step.direction.participle() };
        let word = self.screen.paint.of(Style::Good, said);
        let blanks = " ".repeat("reverted".len().saturating_sub(said.len()));
        format!("{:store$}   {:label$}   {word}{blanks} {:>6}", step.store, step.label, span(duration_ms))
    }

    fn failed(&self, failure: &StepFailure) {
        let mut state = self.state();
        for (_, bar) in std::mem::take(&mut state.bars) {
            bar.finish_and_clear();
        }
        let (kept, parts) = kept_words(failure.kept);
        let mut more = json!({
            "what": failure.what,
            "line": failure.line,
            "message": failure.message,
            "kept": kept,
        });
        if let (Some((done, total)), Value::Object(more)) = (parts, &mut more) {
            more.insert("parts_done".to_owned(), done.into());
            more.insert("parts_total".to_owned(), total.into());
        }
        self.step_event("step_failed", &state.plan, failure.index, || more);
    }

    /// The end of a run: the summary.
    pub fn done(&self, report: &Report, nothing: &str) {
        let reverted = count_done(report, Direction::Down);
        let applied = count_done(report, Direction::Up);
        self.event(
            "run_done",
            json!({
                "ok": report.is_success(),
                "applied": if self.seeding { 0 } else { applied },
                "seeded": if self.seeding { applied } else { 0 },
                "reverted": reverted,
                "planned": report.plan.steps.len(),
                "duration_ms": i64::try_from(report.elapsed.as_millis()).unwrap_or(i64::MAX),
            }),
        );
        if !report.is_success() {
            return;
        }
        if report.plan.is_empty() {
            return self.screen.data(nothing);
        }
        let counts = [(reverted, "reverted"), (applied, if self.seeding { "seeded" } else { "applied" })];
        let said: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        let stores: BTreeSet<&str> = report.plan.stores();
        self.screen.data(&format!(
            "{} in {} · run {} · {}",
            said.join(", "),
            count(stores.len(), "store"),
            short_run(&report.run),
            elapsed(report.elapsed)
        ));
    }
}

fn count_done(report: &Report, direction: Direction) -> usize {
    let steps = report.done.iter().filter_map(|d| report.plan.steps.get(d.index));
    steps.filter(|s| s.direction == direction).count()
}

/// What JSON says about what a failed step left.
fn kept_words(kept: Kept) -> (&'static str, Option<(u32, u32)>) {
    match kept {
        Kept::Nothing => ("nothing", None),
        Kept::Half(parts) => ("half", parts),
        Kept::All => ("all", None),
        Kept::Unknown => ("unknown", None),
    }
}

/// What is worth saying about a plan before it runs: notes of its steps, and what is wrong with their files.
pub fn plan_warnings(plan: &Plan, catalogs: &BTreeMap<String, Catalog>) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for step in &plan.steps {
        warnings.extend(step.notes.iter().map(|n| format!("{}: {n}", step.full_name())));
    }
    let files: BTreeSet<&str> = plan
        .steps
        .iter()
        .filter(|s| s.direction == Direction::Up)
        .flat_map(|s| s.source_script().into_iter().chain(s.down.as_ref()))
        .map(|script| script.path.as_str())
        .collect();
    let stores = plan.stores();
    let concerns = |f: &&Finding| files.contains(f.place.as_str()) || is_stray(f);
    let findings = catalogs.iter().filter(|(name, _)| stores.contains(name.as_str())).flat_map(|(_, c)| &c.findings);
    warnings.extend(findings.filter(concerns).map(|f| format!("{} {}", f.location(), f.message)));
    warnings
}

/// A file of the store's own language that no run will ever look at.
fn is_stray(finding: &Finding) -> bool {
    finding.code == "not-a-migration" && finding.severity == Severity::Problem
}

/// Beyond so many the names alone are said.
const NAMED: usize = 3;

/// `skipped (optional, not configured): postgres (set POSTGRES_URL), kafka (set KAFKA_BROKERS)`
pub fn skipped_line(skipped: &[(String, String)]) -> Option<String> {
    let whole = |(store, variable): &(String, String)| format!("{store} (set {variable})");
    let (names, advice): (Vec<String>, _) = match skipped.len() {
        0 => return None,
        1..=NAMED => (skipped.iter().map(whole).collect(), ""),
        _ => (skipped.iter().map(|(store, _)| store.clone()).collect(), "; `stepladder doctor` says what each needs"),
    };
    Some(format!("skipped (optional, not configured): {}{advice}", names.join(", ")))
}

/// The same with a line for each.
pub fn skipped_lines(skipped: &[(String, String)]) -> Option<String> {
    let width = skipped.iter().map(|(store, _)| store.chars().count()).max()?;
    let lines = skipped.iter().map(|(store, variable)| format!("\n  {store:width$}   set {variable}"));
    Some(format!("skipped (optional, not configured):{}", lines.collect::<String>()))
}

/// The same as JSON.
pub fn skipped_value(skipped: &[(String, String)]) -> Value {
    skipped.iter().map(|(store, variable)| json!({ "store": store, "variable": variable })).collect()
}
