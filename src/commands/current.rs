//! `current`.

use serde_json::json;

use super::End;
use super::call::Call;
use crate::domain::{Failure, Record};
use crate::report::words::{instant, moment, short_run};
use crate::report::{Cell, Style, Table, listener};

/// Shows the newest applied migration of every store.
pub(super) fn current(call: &Call) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let records = fleet.look()?.1;
    let newest: Vec<(&String, Option<&Record>)> = records
        .iter()
        .filter(|(name, _)| fleet.chosen.contains(*name))
        .map(|(name, records)| (name, records.values().filter(|r| r.is_applied()).max_by_key(|r| r.position)))
        .collect();
    let text = || {
        let mut table = Table::new();
        for (store, record) in &newest {
            let store = Cell::new(store.as_str(), Style::Strong);
            match record {
                None => table.row([store, Cell::from("nothing applied")]),
                Some(r) => table.row([
                    store,
                    Cell::from(r.label.as_str()),
                    Cell::from(moment(r.at_ms, call.screen.local_times)),
                    Cell::from(format!("run {}", short_run(&r.run))),
                ]),
            }
        }
        table.text("", call.screen.paint)
    };
    let value = |(store, record): &(&String, Option<&Record>)| {
        json!({
            "store": store,
            "migration": record.map(|r| &r.label),
            "version": record.map(|r| r.version),
            "applied_at": record.map(|r| instant(r.at_ms)),
            "run": record.map(|r| &r.run),
        })
    };
    let json = || {
        json!({
            "stores": newest.iter().map(value).collect::<Vec<_>>(),
            "skipped": listener::skipped_value(&fleet.skipped),
        })
    };
    call.screen.answer(text, json);
    Ok(End::Done)
}
