//! What a database holds of the user's, and dropping it.

use rusqlite::Connection;

use super::ledger::{Trouble, is_own};

/// A thing in the main schema.
struct Thing {
    kind: Kind,
    name: String,
}

/// In the order in which they are dropped: a virtual table takes its shadow tables with it, and triggers and views
/// may name tables that are gone by then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Trigger,
    View,
    Virtual,
    Table,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::View => "view",
            Self::Virtual => "virtual table",
            Self::Table => "table",
        }
    }

    const fn drop(self) -> &'static str {
        match self {
            Self::Trigger => "drop trigger",
            Self::View => "drop view",
            Self::Virtual | Self::Table => "drop table",
        }
    }
}

/// The user's things. Indexes go with their tables; shadow tables with their virtual ones.
fn things(connection: &Connection) -> rusqlite::Result<Vec<Thing>> {
    let mut found = Vec::new();
    let mut tables = connection.prepare("select name, type from pragma_table_list where schema = 'main'")?;
    let mut rows = tables.query([])?;
    while let Some(row) = rows.next()? {
        let (name, kind): (String, String) = (row.get(0)?, row.get(1)?);
        let kind = match kind.as_str() {
            "view" => Kind::View,
            "virtual" => Kind::Virtual,
            "table" => Kind::Table,
            _ => continue,
        };
        found.push(Thing { kind, name });
    }
    let mut triggers = connection.prepare("select name from main.sqlite_schema where type = 'trigger'")?;
    let names = triggers.query_map([], |row| row.get(0))?;
    for name in names {
        found.push(Thing { kind: Kind::Trigger, name: name? });
    }
    found.retain(|t| !is_own(&t.name) && !is_internal(&t.name));
    found.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    Ok(found)
}

/// `sqlite_schema` and `sqlite_sequence` cannot be dropped; the statistics of ANALYZE can.
fn is_internal(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("sqlite_") && !name.starts_with("sqlite_stat")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// One line for each thing, tables with their rows.
pub(super) fn inventory(connection: &Connection) -> Result<Vec<String>, Trouble> {
    let line = |thing: &Thing| -> rusqlite::Result<String> {
        let Thing { kind, name } = thing;
        if *kind != Kind::Table {
            return Ok(format!("{} {name}", kind.word()));
        }
        let count = format!("select count(*) from main.{}", quoted(name));
        let rows: i64 = connection.query_row(&count, [], |row| row.get(0))?;
        Ok(format!("table {name} ({rows} {})", if rows == 1 { "row" } else { "rows" }))
    };
    let mut found = things(connection)?;
    // Tables first: they are what a person looks for.
    found.sort_by_key(|t| std::cmp::Reverse(t.kind));
    Ok(found.iter().map(line).collect::<rusqlite::Result<_>>()?)
}

/// Drops all of it and empties the ledger, in the transaction that is open.
pub(super) fn wipe(connection: &Connection) -> Result<(), Trouble> {
    for Thing { kind, name } in things(connection)? {
        connection.execute_batch(&format!("{} main.{}", kind.drop(), quoted(&name)))?;
    }
    connection.execute_batch(
        "delete from main.stepladder_ledger; pragma main.user_version = 0; pragma main.application_id = 0",
    )?;
    // The counters of dropped tables are gone with them; what is left was put there by hand.
    let counters = "select exists (select 1 from main.sqlite_schema where name = 'sqlite_sequence')";
    if connection.query_row(counters, [], |row| row.get(0))? {
        connection.execute_batch("delete from main.sqlite_sequence")?;
    }
    Ok(())
}
