//! `wait`.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::End;
use super::call::Call;
use crate::cli::WaitArgs;
use crate::domain::Failure;
use crate::project::Opened;
use crate::report::words::{elapsed, list};
use crate::report::{Cell, Style, Table, listener};
use crate::stores::Probe;

/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(300);

type Answer = (Result<Probe, Failure>, Duration);

/// Waits until every store answers.
pub(super) fn wait(call: &Call, args: &WaitArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let chosen = fleet.chosen.clone();
    fleet.stores.retain(|name, _| chosen.contains(name));
    let started = Instant::now();
    let answers = fleet.each(|_, opened| poll(opened, started, args.timeout));
    let text = || {
        let mut table = Table::new();
        for (store, (answer, took)) in &answers {
            let (words, style) = match answer {
                Ok(probe) => (format!("answers: {}", probe.server), Style::Good),
                Err(failure) => (failure.message.clone(), Style::Bad),
            };
            let store = Cell::new(store.as_str(), Style::Strong);
            table.row([store, Cell::new(words, style), Cell::from(elapsed(*took))]);
        }
        table.text("", call.screen.paint)
    };
    let silent: Vec<&str> = answers.iter().filter(|(_, (a, _))| a.is_err()).map(|(s, _)| s.as_str()).collect();
    if silent.is_empty() {
        let value = |(store, (answer, took)): &(String, Answer)| {
            let server = answer.as_ref().ok().map(|p| p.server.as_str());
            let ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
            json!({ "store": store, "server": server, "waited_ms": ms })
        };
        let json = || {
            let stores: Vec<_> = answers.iter().map(value).collect();
            json!({ "stores": stores, "skipped": listener::skipped_value(&fleet.skipped) })
        };
        call.screen.answer(text, json);
        return Ok(End::Done);
    }
    call.screen.data(&text());
    let message = format!("{} did not answer within {}", list(&silent), elapsed(args.timeout));
    let details = answers.iter().filter_map(|(_, (a, _))| a.as_ref().err()).map(|f| f.message.clone());
    Err(Failure::unreachable(message).details(details).hint("`stepladder doctor` says more"))
}

fn poll(opened: &mut Opened, started: Instant, timeout: Duration) -> Answer {
    loop {
        let answer = opened.store.probe();
        let waited = started.elapsed();
        if answer.is_ok() || waited + PAUSE > timeout {
            return (answer, waited);
        }
        thread::sleep(PAUSE);
    }
}
