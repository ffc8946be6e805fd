//! `check`.

use serde_json::json;

use super::End;
use super::call::Call;
use crate::domain::{Failure, FailureKind, Finding, Severity, Standing};
use crate::project::{Fleet, Project};
use crate::report::words::count;
use crate::report::{Cell, Style, Table, listener};

/// Exit 3 when something is pending, changed, missing or half-applied, or files are broken.
pub(super) fn check(call: &Call) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let found = findings(project, &mut fleet)?;
    let stores = fleet.chosen.len();
    let text = || {
        let mut table = Table::new();
        for finding in &found {
            table.row([Cell::from(finding.location()), Cell::new(&*finding.message, Style::Bad)]);
        }
        let summary = match found.len() {
            0 => format!("nothing pending in {}", count(stores, "store")),
            n => format!("{} in {}; `stepladder status` shows more", count(n, "finding"), count(stores, "store")),
        };
        format!("{}\n{summary}", table.text("", call.screen.paint)).trim_start().to_owned()
    };
    let json = || {
        json!({
            "ok": found.is_empty(),
            "findings": found,
            "stores": fleet.chosen,
            "skipped": listener::skipped_value(&fleet.skipped),
        })
    };
    call.screen.answer(text, json);
    if !call.screen.is_json() {
        for caution in fleet.cautions() {
            call.screen.call_out("warning:", Style::Waiting, &caution);
        }
        call.say_skipped(&fleet);
    }
    Ok(if found.is_empty() { End::Done } else { End::With(FailureKind::Findings) })
}

fn findings(project: &Project, fleet: &mut Fleet) -> Result<Vec<Finding>, Failure> {
    let records = fleet.look()?.1;
    let mut found = Vec::new();
    for state in project.states(&fleet.chosen, &records).iter().filter(|s| s.chosen) {
        found.extend(state.catalog.findings.iter().filter(|f| f.severity == Severity::Error).cloned());
        let rungs = state.rungs(project.config.environment.as_deref());
        let highest = rungs.iter().filter(|r| r.is_applied()).map(|r| r.version).next_back();
        for rung in rungs.iter().filter(|r| r.standing != Standing::Applied && !r.elsewhere) {
            let late = rung.is_pending() && highest.is_some_and(|h| rung.version < h);
            let message = match rung.standing {
                Standing::Pending if late => "pending, below the highest applied one".to_owned(),
                standing => standing.word().to_owned(),
            };
            let place = format!("{}/{}", state.name(), rung.label);
            found.push(Finding::error(rung.standing.word(), place, message).of(state.name()));
        }
    }
    Ok(found)
}
