//! What a run would do: the dry run.

use serde_json::{Value, json};

use super::screen::{Paint, Style};
use super::words::count;
use crate::domain::Mode;
use crate::stores::Step;

/// The steps of one store, ready to be shown.
#[derive(Debug)]
pub struct StorePreview {
    /// The store's name.
    pub store: String,
    /// Whether the kind needs no client.
    pub built_in: bool,
    /// How its client is started; empty when only programs run.
    pub client: String,
    /// Its steps, each with what is fed to the client.
    pub steps: Vec<(Step, Vec<String>)>,
    /// What `fresh` would drop.
    pub dropped: Vec<String>,
}

/// `in one transaction with its ledger entry`, or why not.
pub fn mode_words(mode: &Mode) -> String {
    match mode {
        Mode::Atomic => "in one transaction with its ledger entry".to_owned(),
        Mode::TwoPhase(reason) => reason.sentence(),
    }
}

/// A dry run as a person reads it.
pub fn text(stores: &[StorePreview], skipped: usize, paint: Paint) -> String {
    let widest = stores.iter().map(|s| super::table::width(&s.store)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for store in stores {
        store_lines(store, widest, paint, &mut lines);
    }
    let total: usize = stores.iter().map(|s| s.steps.len()).sum();
    let with_steps = stores.iter().filter(|s| !s.steps.is_empty()).count();
    lines.push(match total {
        0 if skipped > 0 && stores.is_empty() => "Nothing would run: no store is configured.".to_owned(),
        0 => "Nothing would run.".to_owned(),
        n => {
            format!("{} in {} would run. Nothing was changed.", count(n, "step"), count(with_steps, "store"))
        }
    });
    lines.join("\n")
}

fn store_lines(store: &StorePreview, widest: usize, paint: Paint, lines: &mut Vec<String>) {
    if store.steps.is_empty() && store.dropped.is_empty() {
        return;
    }
    let name = format!("{:widest$}", store.store);
    let client = match store.steps.len() {
        0 => "",
        _ if store.built_in => ", built in",
        2.. if !store.client.is_empty() => ", one client",
        _ => "",
    };
    lines.push(format!("{}   {}{client}:", paint.of(Style::Strong, &name), count(store.steps.len(), "step")));
    if !store.dropped.is_empty() {
        lines.push("  would be dropped first:".to_owned());
        lines.extend(store.dropped.iter().map(|d| format!("    {d}")));
    }
    if !store.client.is_empty() && !store.built_in {
        lines.push(format!("  {}", paint.of(Style::Dim, &store.client)));
    }
    for (step, fed) in &store.steps {
        let down = if step.direction == crate::domain::Direction::Down { "   down" } else { "" };
        let label = paint.of(Style::Strong, &step.label);
        lines.push(format!("  {label}{down}   {}", mode_words(&step.mode)));
        lines.extend(fed.iter().flat_map(|f| f.lines()).map(|l| format!("    {l}").trim_end().to_owned()));
    }
}

/// The same as JSON.
pub fn value(stores: &[StorePreview], skipped: &[(String, String)]) -> Value {
    let step = |(step, fed): &(Step, Vec<String>)| {
        json!({
            "index": step.index,
            "migration": step.label,
            "version": step.version,
            "direction": step.direction,
            "script": step.path,
            "atomic": step.mode.is_atomic(),
            "mode": mode_words(&step.mode),
            "runs": fed,
        })
    };
    let store = |s: &StorePreview| {
        json!({
            "store": s.store,
            "client": s.client,
            "would_drop": s.dropped,
            "steps": s.steps.iter().map(step).collect::<Vec<_>>(),
        })
    };
    json!({
        "dry_run": true,
        "stores": stores.iter().map(store).collect::<Vec<_>>(),
        "skipped": super::listener::skipped_value(skipped),
    })
}
