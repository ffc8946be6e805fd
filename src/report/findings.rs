//! Findings: all of them, each with its place and what to do about it.

use serde_json::{Value, json};

use super::screen::{Paint, Style};
use super::table::{Cell, Table, width};
use super::words::count;
use crate::domain::{Finding, Severity};

/// What was looked at.
#[derive(Clone, Debug)]
pub struct Looked<'a> {
    /// How many migrations.
    pub migrations: usize,
    /// The names of the stores.
    pub stores: Vec<&'a str>,
}

/// Findings with a place that is longer than this push their message out of its column.
const WIDEST_PLACE: usize = 60;

/// Findings and their count, as `validate` prints them.
pub fn text(findings: &[Finding], looked: &Looked<'_>, paint: Paint) -> String {
    let places = findings.iter().map(|f| width(&f.location()));
    let widest = places.filter(|w| *w <= WIDEST_PLACE).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in findings {
        let mut table = Table::with_widths(&[widest]);
        let (style, mark) = match finding.severity {
            Severity::Error => (Style::Bad, ""),
            Severity::Problem => (Style::Waiting, ""),
            Severity::Note => (Style::Dim, "note: "),
        };
        let message = Cell::new(format!("{mark}{}", finding.message), style);
        table.row([Cell::from(finding.location()), message]);
        lines.extend(table.lines("", paint));
        lines.extend(finding.hint.iter().map(|h| format!("  {} {h}", paint.of(Style::Advice, "hint:"))));
    }
    lines.push(summary(findings, looked));
    lines.join("\n")
}

/// `3 problems and 1 note in 41 migrations of 6 stores`
fn summary(findings: &[Finding], looked: &Looked<'_>) -> String {
    let notes = findings.iter().filter(|f| f.severity == Severity::Note).count();
    let problems = findings.len() - notes;
    let found = match (problems, notes) {
        (0, 0) => "no problems".to_owned(),
        (problems, 0) => count(problems, "problem"),
        (0, notes) => format!("no problems, {}", count(notes, "note")),
        (problems, notes) => format!("{}, {}", count(problems, "problem"), count(notes, "note")),
    };
    format!("{found} in {} of {}", count(looked.migrations, "migration"), count(looked.stores.len(), "store"))
}

/// The same as JSON.
pub fn value(findings: &[Finding], looked: &Looked<'_>) -> Value {
    json!({
        "ok": !fails(findings),
        "findings": findings,
        "migrations": looked.migrations,
        "stores": looked.stores,
    })
}

/// Whether any of them is more than a note.
pub fn fails(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity > Severity::Note)
}
