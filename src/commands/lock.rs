//! `lock`.

use serde_json::json;

use super::End;
use super::call::Call;
use crate::domain::Failure;
use crate::process::identity;
use crate::report::words::{clock, short_run, span};
use crate::report::{Cell, Style, Table, listener};
use crate::stores::{Holder, Owner};

/// Shows who holds the leases.
pub(super) fn lock(call: &Call) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let chosen = fleet.chosen.clone();
    let mut holders = Vec::new();
    for (name, holder) in fleet.each(|_, opened| opened.store.holder()) {
        if chosen.contains(&name) {
            holders.push((name, holder?));
        }
    }
    let here = identity::owner("");
    let text = || {
        let mut table = Table::new();
        for (store, holder) in &holders {
            let (words, style) = holder_words(holder.as_ref(), &here);
            table.row([Cell::new(store.as_str(), Style::Strong), Cell::new(words, style)]);
        }
        table.text("", call.screen.paint)
    };
    let json = || {
        let store = |(store, holder): &(String, Option<Holder>)| {
            json!({
                "store": store,
                "held": holder.is_some(),
                "stale": holder.as_ref().map(|h| h.is_stale(&here)),
                "holder": holder,
            })
        };
        json!({
            "stores": holders.iter().map(store).collect::<Vec<_>>(),
            "skipped": listener::skipped_value(&fleet.skipped),
        })
    };
    call.screen.answer(text, json);
    Ok(End::Done)
}

/// `free`, or who holds it, since when, and whether there is life in it.
pub(super) fn holder_words(holder: Option<&Holder>, here: &Owner) -> (String, Style) {
    let Some(holder) = holder else { return ("free".to_owned(), Style::Good) };
    let stale = holder.is_stale(here);
    let state = match stale {
        true if holder.expires_in_ms <= 0 => format!("expired {} ago", span(-holder.expires_in_ms)),
        true => "its process is gone".to_owned(),
        false => format!("expires in {}", span(holder.expires_in_ms)),
    };
    let words = format!(
        "held by {} · run {} · since {} · last sign of life {} ago · {state}",
        holder.who(),
        short_run(&holder.run),
        clock(holder.since_ms),
        span(holder.idle_ms),
    );
    (words, if stale { Style::Bad } else { Style::Waiting })
}
