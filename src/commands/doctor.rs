//! `doctor`.

use std::thread;

use serde_json::{Value, json};

use super::End;
use super::call::Call;
use super::lock::holder_words;
use crate::config::StoreConfig;
use crate::domain::{Failure, FailureKind, guest};
use crate::process::identity;
use crate::project::{Opened, Project};
use crate::report::words::count;
use crate::report::{Cell, Style, Table, listener};

/// One thing that was looked at.
struct Finding {
    what: &'static str,
    found: String,
    ok: bool,
    /// The kind of the failure, when it is one.
    fault: Option<FailureKind>,
    hints: Vec<String>,
}

/// One store, examined.
struct Examined {
    store: String,
    address: String,
    findings: Vec<Finding>,
}

/// Checks clients, servers, ledgers and leases; a store with faults keeps no other from being checked.
pub(super) fn doctor(call: &Call) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut skipped = Vec::new();
    let mut opened = Vec::new();
    for config in project.config.choose(&call.globals.stores)? {
        if config.url.is_none() && config.optional && call.globals.stores.is_empty() {
            skipped.push((config.name.clone(), config.variable()));
        } else {
            opened.push((config, project.open_store(config, &|store| call.ask(store))));
        }
    }
    let examined = examine_all(project, opened);
    let paint = call.screen.paint;
    let text = || examined.iter().map(|e| text(e, paint)).collect::<Vec<_>>().join("\n");
    let json = || {
        let stores: Vec<Value> = examined.iter().map(value).collect();
        json!({ "stores": stores, "skipped": listener::skipped_value(&skipped) })
    };
    call.screen.answer(text, json);
    if let Some(line) = listener::skipped_lines(&skipped).filter(|_| !call.screen.is_json()) {
        call.screen.say(&line);
    }
    let mut faults = examined.iter().flat_map(|e| &e.findings).filter_map(|f| f.fault);
    let first = faults.next();
    let unreachable = first.into_iter().chain(faults).find(|k| *k == FailureKind::Unreachable);
    Ok(unreachable.or(first).map_or(End::Done, End::With))
}

fn examine_all(project: &Project, opened: Vec<(&StoreConfig, Result<Opened, Failure>)>) -> Vec<Examined> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            opened.into_iter().map(|(config, opened)| scope.spawn(move || examine(project, config, opened))).collect();
        threads.into_iter().filter_map(|t| t.join().ok()).collect()
    })
}

fn examine(project: &Project, config: &StoreConfig, opened: Result<Opened, Failure>) -> Examined {
    let store = config.name.clone();
    let mut opened = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            let findings = vec![fault("connection", failure)];
            return Examined { store, address: config.kind.card.title.to_owned(), findings };
        }
    };
    let mut findings = vec![match opened.store.client() {
        Ok(Some(client)) => fine("client", client),
        Ok(None) => fine("client", "built in".to_owned()),
        Err(failure) => fault("client", failure),
    }];
    match opened.store.probe() {
        Ok(probe) => {
            findings.push(fine("server", probe.server));
            let warning = |(found, hint)| Finding { what: "warning", found, ok: false, fault: None, hints: vec![hint] };
            findings.extend(probe.warnings.into_iter().map(warning));
            findings.push(ledger(project, &config.name, &mut opened));
            findings.push(lease(&mut opened));
        }
        Err(failure) => findings.push(fault("server", failure)),
    }
    Examined { store, address: opened.store.address(), findings }
}

fn ledger(project: &Project, store: &str, opened: &mut Opened) -> Finding {
    match opened.store.look() {
        Err(failure) => fault("ledger", failure),
        Ok(ledger) if !ledger.exists => fine("ledger", "none yet: the first run makes it".to_owned()),
        Ok(mut ledger) => {
            ledger.entries.retain(|e| guest::of(e).is_none());
            let records = crate::domain::fold(&ledger.entries);
            let applied = records.values().filter(|r| r.is_applied()).count();
            let halves: Vec<String> =
                records.values().filter(|r| r.half().is_some()).map(|r| format!("{store}/{}", r.version)).collect();
            let entries = if ledger.entries.len() == 1 {
                "1 entry".to_owned()
            } else {
                format!("{} entries", ledger.entries.len())
            };
            let files = project.catalogs.get(store).map_or(0, |c| c.migrations.len());
            let found = format!("{entries}: {applied} of {} applied", count(files, "migration"));
            match halves.is_empty() {
                true => fine("ledger", found),
                false => Finding {
                    what: "ledger",
                    found: format!("{found}, {} half-applied", halves.len()),
                    ok: false,
                    fault: Some(FailureKind::HalfApplied),
                    hints: halves.iter().map(|h| format!("`stepladder repair {h}`")).collect(),
                },
            }
        }
    }
}

fn lease(opened: &mut Opened) -> Finding {
    let here = identity::owner("");
    match opened.store.holder() {
        Err(failure) => fault("lease", failure),
        Ok(holder) => {
            let stale = holder.as_ref().is_some_and(|h| h.is_stale(&here));
            let (found, _) = holder_words(holder.as_ref(), &here);
            let hints = if stale { vec!["the next run takes it over by itself".to_owned()] } else { Vec::new() };
            Finding { what: "lease", found, ok: holder.is_none(), fault: None, hints }
        }
    }
}

fn fine(what: &'static str, found: String) -> Finding {
    Finding { what, found, ok: true, fault: None, hints: Vec::new() }
}

fn fault(what: &'static str, failure: Failure) -> Finding {
    let found = std::iter::once(failure.message).chain(failure.details).collect::<Vec<_>>().join("; ");
    Finding { what, found, ok: false, fault: Some(failure.kind), hints: failure.hints }
}

fn text(examined: &Examined, paint: crate::report::screen::Paint) -> String {
    let mut table = Table::with_widths(&["connection".len()]);
    for finding in &examined.findings {
        let style = match (finding.ok, finding.fault) {
            (true, _) => Style::Good,
            (false, None) => Style::Waiting,
            (false, Some(_)) => Style::Bad,
        };
        table.row([Cell::from(finding.what), Cell::new(finding.found.replace('\n', " "), style)]);
    }
    let mut lines = vec![format!("{}   {}", paint.of(Style::Strong, &examined.store), examined.address)];
    for (line, finding) in table.lines("  ", paint).into_iter().zip(&examined.findings) {
        lines.push(line);
        lines.extend(finding.hints.iter().map(|h| format!("    {} {h}", paint.of(Style::Advice, "hint:"))));
    }
    lines.join("\n")
}

fn value(examined: &Examined) -> Value {
    let finding =
        |f: &Finding| json!({ "what": f.what, "found": f.found, "ok": f.ok, "fault": f.fault, "hints": f.hints });
    json!({
        "store": examined.store,
        "address": examined.address,
        "ok": examined.findings.iter().all(|f| f.fault.is_none()),
        "findings": examined.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}
