//! `history`.

use serde_json::{Value, json};

use super::End;
use super::call::Call;
use crate::cli::HistoryArgs;
use crate::domain::{Direction, Entry, EntryEvent, Failure, guest};
use crate::report::words::{instant, moment, short_run, span};
use crate::report::{Cell, Style, Table, listener};
use crate::stores::Ledger;

/// Shows past events of all chosen stores, the oldest first.
pub(super) fn history(call: &Call, args: &HistoryArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let ledgers = fleet.look()?.0;
    let entries = merged(ledgers.iter().filter(|(name, _)| fleet.chosen.contains(*name)));
    let older = entries.len().saturating_sub(args.limit.unwrap_or(usize::MAX));
    let shown = &entries[older..];
    let text = || match shown {
        [] => "no events yet".to_owned(),
        shown => table(shown, call.screen.local_times).text("", call.screen.paint),
    };
    let json = || {
        json!({
            "entries": shown.iter().map(|(store, entry)| value(store, entry)).collect::<Vec<_>>(),
            "older": older,
            "skipped": listener::skipped_value(&fleet.skipped),
        })
    };
    call.screen.answer(text, json);
    Ok(End::Done)
}

/// The entries of all stores in one order: within a store the ledger's order rules, whatever its clock says.
fn merged<'a>(ledgers: impl Iterator<Item = (&'a String, &'a Ledger)>) -> Vec<(&'a str, &'a Entry)> {
    let mut keyed: Vec<(i64, &str, &Entry)> = Vec::new();
    for (store, ledger) in ledgers {
        let mut sorted: Vec<&Entry> = ledger.entries.iter().filter(|e| guest::of(e).is_none()).collect();
        sorted.sort_by_key(|e| e.seq);
        let mut at = i64::MIN;
        for entry in sorted {
            at = at.max(entry.at_ms);
            keyed.push((at, store, entry));
        }
    }
    keyed.sort_by_key(|(at, store, entry)| (*at, *store, entry.seq));
    keyed.into_iter().map(|(_, store, entry)| (store, entry)).collect()
}

fn table(entries: &[(&str, &Entry)], local: bool) -> Table {
    let mut table = Table::new();
    for (store, entry) in entries {
        let (word, style) = event_words(entry);
        let note = entry.note.as_deref().and_then(|n| n.lines().next()).unwrap_or_default();
        table.row([
            Cell::from(moment(entry.at_ms, local)),
            Cell::from(*store),
            Cell::from(entry.label.as_str()),
            Cell::new(word, style),
            Cell::from(entry.duration_ms.map(span).unwrap_or_default()).right(),
            Cell::from(format!("run {}", short_run(&entry.run))),
            Cell::from(entry.who.as_str()),
            Cell::from(note),
        ]);
    }
    table
}

fn event_words(entry: &Entry) -> (String, Style) {
    let way = entry.direction.word();
    match (entry.event, entry.direction) {
        (EntryEvent::Done, direction) => (direction.participle().to_owned(), Style::Good),
        (EntryEvent::Begun, _) => (format!("{way} begun"), Style::Dim),
        (EntryEvent::Failed, _) => (format!("{way} failed"), Style::Bad),
        (EntryEvent::Settled, Direction::Up) => ("settled as applied".to_owned(), Style::Waiting),
        (EntryEvent::Settled, Direction::Down) => ("settled as reverted".to_owned(), Style::Waiting),
        (EntryEvent::Baselined, _) => ("baselined".to_owned(), Style::Waiting),
        (EntryEvent::Unlocked, _) => ("unlocked".to_owned(), Style::Waiting),
    }
}

fn value(store: &str, entry: &Entry) -> Value {
    json!({
        "store": store,
        "seq": entry.seq,
        "event": entry.event,
        "direction": entry.direction,
        "migration": entry.version.map(|_| &entry.label),
        "version": entry.version,
        "at": instant(entry.at_ms),
        "duration_ms": entry.duration_ms,
        "run": entry.run,
        "ordinal": entry.ordinal,
        "by": entry.who,
        "tool": entry.tool,
        "checksum": entry.checksum,
        "down_checksum": entry.down_checksum,
        "parts_done": entry.parts_done,
        "parts_total": entry.parts_total,
        "note": entry.note,
    })
}
