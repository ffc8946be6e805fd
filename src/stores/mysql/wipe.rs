//! What `fresh` drops: everything of the user's in this database, and nothing of the server's, of other databases or of
//! the ledger.

use super::ledger::{Home, TABLES, literal, name, text};
use super::session::{SQL_MODE, Session};
use crate::domain::Failure;

/// One thing to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// For a person: `table orders`.
    pub shown: String,
    /// The statement.
    pub drop: String,
}

/// Lists what would be dropped: first what uses other things. Triggers go with their tables.
///
/// # Errors
/// The server's refusal.
pub fn things(session: &mut Session, home: &Home) -> Result<Vec<Thing>, Failure> {
    let ours: Vec<String> = TABLES.iter().map(|table| literal(table)).collect();
    let database = literal(home.database());
    let rows = session.read(&format!(
        "SELECT 'EVENT', event_name, 1 AS place FROM information_schema.events WHERE event_schema = {database} \
         UNION ALL SELECT routine_type, routine_name, IF(routine_type = 'PACKAGE', 3, 2) FROM information_schema.routines \
         WHERE routine_schema = {database} AND routine_type <> 'PACKAGE BODY' \
         UNION ALL SELECT CASE table_type WHEN 'VIEW' THEN 'VIEW' WHEN 'SEQUENCE' THEN 'SEQUENCE' ELSE 'TABLE' END, table_name, \
         CASE table_type WHEN 'VIEW' THEN 4 WHEN 'SEQUENCE' THEN 6 ELSE 5 END FROM information_schema.tables \
         WHERE table_schema = {database} AND table_name NOT IN ({}) ORDER BY place, 2",
        ours.join(", ")
    ))?;
    let thing = |row: &Vec<Option<String>>| {
        let (kind, thing) = (text(row, 0)?, text(row, 1)?);
        let whole = format!("{}.{}", name(home.database()), name(thing));
        let drop = format!("DROP {kind} IF EXISTS {whole}");
        let drop = match kind {
            // Its body goes with it. MariaDB reads the word under this mode alone.
            "PACKAGE" => format!("SET SESSION sql_mode = 'ORACLE'; {drop}; SET SESSION sql_mode = '{SQL_MODE}'"),
            _ => drop,
        };
        Some(Thing { shown: format!("{} {thing}", kind.to_lowercase()), drop })
    };
    Ok(rows.iter().filter_map(thing).collect())
}

/// Drops everything. The ledger first: a crash in between leaves things that nothing claims to have applied, and not claims
/// that are not true.
///
/// # Errors
/// What the server refused to drop; the lease is lost.
pub fn wipe(session: &mut Session, home: &Home, token: &str) -> Result<(), Failure> {
    let held = format!("SELECT 1 {}", home.guard(token));
    let guard = |session: &mut Session| match session.read(&held)?.is_empty() {
        true => Err(Failure::failed("the lease was lost, so nothing more was dropped")
            .hint("`stepladder lock` shows who holds it; `stepladder status` shows where things stand")),
        false => Ok(()),
    };
    guard(session)?;
    session.write(&format!("DELETE FROM {} WHERE EXISTS (SELECT 1 {})", home.the("ledger"), home.guard(token)))?;
    for thing in things(session, home)? {
        guard(session)?;
        // In one message: a connection that was made anew would look at foreign keys again.
        session.write(&format!("SET SESSION foreign_key_checks = 0; {}", thing.drop))?;
    }
    Ok(())
}
