//! What `fresh` drops: everything of the user's in this database, and nothing that belongs to the server, to an
//! extension or to the ledger.

use postgres::error::SqlState;

use super::ledger::{ROUTINES, Schema, TABLES, VIEW};
use super::session::{Session, Trouble, literal};
use crate::domain::Failure;

/// One thing to drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// For a person: `table orders (12 rows)`.
    pub shown: String,
    /// The statement.
    pub drop: String,
}

/// Lists what would be dropped.
///
/// # Errors
/// The server's refusal.
pub fn things(session: &mut Session, schema: &Schema) -> Result<Vec<Thing>, Trouble> {
    let mut things = Vec::new();
    let timescale = "select to_regclass('timescaledb_information.continuous_aggregates') is not null";
    let has_timescale = session.read(timescale)?.first().and_then(|r| r.get(0)) == Some("t");
    if has_timescale {
        for row in session.read(TIMESCALE)? {
            let (what, name, drop) = (row.get(0).unwrap_or(""), row.get(1).unwrap_or(""), row.get(2).unwrap_or(""));
            things.push(Thing { shown: format!("{what} {name}"), drop: drop.to_owned() });
        }
    }
    for row in session.read(&query(schema, has_timescale))? {
        let (kind, identity) = (row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
        let shown = row.get(3).unwrap_or(identity);
        let rows: Option<i64> = row.get(2).and_then(|n| n.parse().ok()).filter(|n| kind == "table" && *n > 0);
        let rows = rows.map(|n| format!(" ({})", crate::domain::plan::count(usize::try_from(n).unwrap_or(0), "row")));
        let drop = match kind {
            "large object" => format!("select lo_unlink({identity})"),
            _ => format!("drop {kind} if exists {identity} cascade"),
        };
        things.push(Thing { shown: format!("{kind} {shown}{}", rows.unwrap_or_default()), drop });
    }
    Ok(things)
}

/// Most statements in one message when a single transaction is too much for the server's table of locks.
const BATCH: usize = 100;

/// Drops everything and empties the ledger, in one transaction where the server can hold it.
///
/// # Errors
/// What the server refused to drop; the lease is lost.
pub fn wipe(session: &mut Session, schema: &Schema, held: &str) -> Result<(), Failure> {
    let things = things(session, schema)?;
    let ledger = format!("truncate {}", schema.the("ledger"));
    let drops: Vec<&str> = things.iter().map(|t| t.drop.as_str()).collect();
    let message = |drops: &[&str], last: &str| {
        format!("{held}; {}{}{last}", drops.join("; "), if drops.is_empty() { "" } else { "; " })
    };
    match session.write(&message(&drops, &ledger)) {
        Ok(_) => return Ok(()),
        Err(trouble) if trouble.state == Some(SqlState::OUT_OF_MEMORY) => {}
        Err(trouble) => return Err(trouble.into()),
    }
    for batch in drops.chunks(BATCH) {
        session.write(&message(batch, "select 1"))?;
    }
    session.write(&message(&[], &ledger))?;
    Ok(())
}

/// Continuous aggregates are views that only their own statement drops; jobs are rows that nothing else deletes.
const TIMESCALE: &str = "
select 'continuous aggregate', format('%I.%I', view_schema, view_name),
  format('drop materialized view if exists %I.%I cascade', view_schema, view_name)
from timescaledb_information.continuous_aggregates
union all
select 'job', format('%I.%I (%s)', proc_schema, proc_name, job_id), format('select delete_job(%s)', job_id)
from timescaledb_information.jobs where job_id >= 1000 and proc_schema !~ '^_timescaledb'";

/// All things of the user's by the server's own names for them, which are what DROP takes.
///
/// A schema is dropped whole unless something in it has to stay: it is `public`, holds the ledger or an extension.
fn query(schema: &Schema, has_timescale: bool) -> String {
    let ours: Vec<String> = TABLES.iter().chain([&VIEW]).chain(&ROUTINES).map(|n| literal(n)).collect();
    let aggregates = match has_timescale {
        true => {
            "select format('%I.%I', view_schema, view_name)::regclass from timescaledb_information.continuous_aggregates"
        }
        false => "select null::oid where false",
    };
    include_str!("wipe.sql")
        .replace("@schema@", &literal(schema.name()))
        .replace("@ours@", &ours.join(", "))
        .replace("@aggregates@", aggregates)
}
