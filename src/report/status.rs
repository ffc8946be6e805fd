//! Where every migration of a store stands.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::screen::{Paint, Style};
use super::table::{Cell, Table};
use super::words::{instant, moment, short_run, span};
use crate::domain::{Failure, Rung, Standing};

/// How many applied migrations are shown of a store unless all are wanted.
const NEWEST: usize = 5;

/// One store, looked into.
pub struct StoreStatus<'a> {
    /// Its name.
    pub store: &'a str,
    /// Its kind's name.
    pub kind: &'static str,
    /// Where it is, without secrets.
    pub address: String,
    /// Its rungs, or why they are not known.
    pub rungs: Result<Vec<Rung<'a>>, Failure>,
}

/// Counts by standing, in the order in which they are said.
fn tally(rungs: &[Rung<'_>]) -> Vec<(Standing, usize)> {
    use Standing::{Applied, Changed, HalfApplied, Missing, Pending};
    let number = |standing| rungs.iter().filter(|r| r.standing == standing && !r.elsewhere).count();
    [Applied, Pending, HalfApplied, Changed, Missing].map(|s| (s, number(s))).to_vec()
}

/// `13 applied · 2 pending`
fn summary(rungs: &[Rung<'_>]) -> String {
    let tally = tally(rungs);
    let said: Vec<String> = tally
        .iter()
        .filter(|(standing, n)| *n > 0 || *standing == Standing::Applied)
        .map(|(standing, n)| format!("{n} {}", standing.word()))
        .collect();
    let nothing_open = tally.iter().skip(1).all(|(_, n)| *n == 0);
    let rest = if nothing_open { " · nothing pending" } else { "" };
    format!("{}{rest}", said.join(" · "))
}

/// The stores as a person reads them.
pub fn text(stores: &[StoreStatus<'_>], all: bool, local: bool, paint: Paint) -> String {
    let mut heads = Table::new();
    for store in stores {
        let said = match &store.rungs {
            Ok(rungs) => Cell::from(summary(rungs)),
            Err(failure) => Cell::new(failure.message.lines().next().unwrap_or_default(), Style::Bad),
        };
        heads.row([Cell::new(store.store, Style::Strong), Cell::from(store.address.as_str()), said]);
    }
    let mut lines = Vec::new();
    for (store, head) in stores.iter().zip(heads.lines("", paint)) {
        lines.push(head);
        if let Ok(rungs) = &store.rungs {
            lines.extend(rung_lines(store.store, rungs, all, local, paint));
        }
    }
    lines.join("\n")
}

fn rung_lines(store: &str, rungs: &[Rung<'_>], all: bool, local: bool, paint: Paint) -> Vec<String> {
    let mut by_place: BTreeMap<i64, usize> = BTreeMap::new();
    for (at, rung) in rungs.iter().enumerate() {
        if let Some(record) = rung.record.filter(|_| rung.standing == Standing::Applied) {
            by_place.insert(record.position, at);
        }
    }
    let hidden: Vec<usize> = match all {
        true => Vec::new(),
        false => by_place.values().rev().skip(NEWEST).copied().collect(),
    };
    let mut table = Table::new();
    for (_, rung) in rungs.iter().enumerate().filter(|(at, _)| !hidden.contains(at)) {
        table.row(row(store, rung, local));
    }
    let mut lines = Vec::new();
    if !hidden.is_empty() {
        let older = format!("  ... ({} older, --all shows them)", hidden.len());
        lines.push(paint.of(Style::Dim, &older));
    }
    lines.extend(table.lines("  ", paint));
    lines
}

fn row(store: &str, rung: &Rung<'_>, local: bool) -> Vec<Cell> {
    let label = Cell::from(rung.label);
    let record = rung.record;
    match rung.standing {
        Standing::Pending => {
            let why = pending_words(rung);
            vec![label, Cell::new("pending", Style::Waiting), Cell::from(why)]
        }
        Standing::HalfApplied => {
            let half = record.and_then(|r| r.half());
            let parts = half.and_then(|h| Some((h.done?, h.total?)));
            let known = parts.map_or_else(|| "some".to_owned(), |(d, t)| format!("{d} of {t} parts"));
            let way = half.map_or("up", |h| h.direction.word());
            let repair = format!("{known} of its {way} script done   `stepladder repair {store}/{}`", rung.version);
            vec![label, Cell::new("HALF-APPLIED", Style::Bad), Cell::from(repair)]
        }
        standing => {
            let style = if standing == Standing::Applied { Style::Good } else { Style::Bad };
            let word =
                if standing == Standing::Applied { "applied".to_owned() } else { standing.word().to_uppercase() };
            let mut row = vec![label, Cell::new(word, style)];
            if let Some(record) = record {
                row.push(moment(record.at_ms, local).into());
                row.push(Cell::from(record.duration_ms.map(span).unwrap_or_default()).right());
                row.push(format!("run {}", short_run(&record.run)).into());
                row.push(record.who.clone().into());
            }
            if standing != Standing::Applied {
                row.push(format!("`stepladder repair {store}/{}`", rung.version).into());
            } else if rung.down_differs() {
                row.push("its down file is not the recorded one".into());
            }
            row
        }
    }
}

/// `needs kafka/4`, or that it is not for this environment.
fn pending_words(rung: &Rung<'_>) -> String {
    let directives = rung.migration.map(|m| &m.up.directives);
    if rung.elsewhere {
        let environments = directives.map(|d| d.only_env.join(", ")).unwrap_or_default();
        return format!("not here: only in {environments}");
    }
    let needs: Vec<String> = directives
        .map(|d| d.requires.iter().map(|r| format!("{}/{}", r.store, r.version)).collect())
        .unwrap_or_default();
    if needs.is_empty() { String::new() } else { format!("needs {}", super::words::list(&needs)) }
}

/// The same as JSON; the first store that cannot be looked into gives the document its `error`.
pub fn value(stores: &[StoreStatus<'_>], skipped: &[(String, String)]) -> Value {
    let mut value = json!({
        "stores": stores.iter().map(store_value).collect::<Vec<_>>(),
        "skipped": super::listener::skipped_value(skipped),
    });
    if let Some(failure) = stores.iter().find_map(|s| s.rungs.as_ref().err()) {
        value["error"] = super::failure::value(failure);
    }
    value
}

fn store_value(store: &StoreStatus<'_>) -> Value {
    let mut value = json!({ "store": store.store, "kind": store.kind, "address": store.address });
    let Value::Object(fields) = &mut value else { return value };
    match &store.rungs {
        Ok(rungs) => {
            let counts: serde_json::Map<String, Value> =
                tally(rungs).into_iter().map(|(s, n)| (s.word().replace('-', "_"), n.into())).collect();
            fields.insert("counts".to_owned(), Value::Object(counts));
            fields.insert("migrations".to_owned(), rungs.iter().map(rung_value).collect());
        }
        Err(failure) => {
            fields.insert("error".to_owned(), super::failure::value(failure));
        }
    }
    value
}

/// One migration as JSON.
pub fn rung_value(rung: &Rung<'_>) -> Value {
    let record = rung.record.filter(|_| rung.standing != Standing::Pending);
    let half = record.and_then(|r| r.half());
    let requires = rung.migration.map(|m| m.up.directives.requires.as_slice()).unwrap_or_default();
    json!({
        "migration": rung.label,
        "version": rung.version,
        "standing": rung.standing,
        "applied_at": record.map(|r| instant(r.at_ms)),
        "duration_ms": record.and_then(|r| r.duration_ms),
        "run": record.map(|r| r.run.as_str()),
        "by": record.map(|r| r.who.as_str()),
        "down": rung.migration.map(|m| m.down.is_some()),
        "down_differs": rung.down_differs(),
        "requires": requires.iter().map(|r| format!("{}/{}", r.store, r.version)).collect::<Vec<_>>(),
        "not_in_this_environment": rung.elsewhere,
        "half": half.map(|h| json!({
            "direction": h.direction,
            "parts_done": h.done,
            "parts_total": h.total,
            "message": h.message,
        })),
    })
}
