//! What `doctor` and `wait` learn from a server.

use super::ledger::{Schema, is_complete};
use super::session::{Session, identifier, literal};
use crate::domain::Failure;
use crate::stores::Probe;

/// Asks the server what it is, and looks for what will make trouble.
///
/// # Errors
/// It cannot be reached.
pub fn probe(session: &mut Session, schema: &Schema, timescale: bool) -> Result<Probe, Failure> {
    let name = literal(schema.name());
    let sql = format!(
        "select split_part(version(), ' ', 1) || ' ' || split_part(version(), ' ', 2), pg_backend_pid(), pg_is_in_recovery(), \
         current_setting('default_transaction_read_only') = 'on', \
         case when exists (select from pg_catalog.pg_namespace where nspname = {name}) \
         then has_schema_privilege({name}, 'create') else has_database_privilege(current_database(), 'create') end, \
         (select extversion from pg_catalog.pg_extension where extname = 'timescaledb'), \
         (select default_version from pg_catalog.pg_available_extensions where name = 'timescaledb'), current_user"
    );
    let rows = session.read(&sql)?;
    let answer = |at: usize| rows.first().and_then(|r| r.get(at));
    let mut probe = Probe { server: answer(0).unwrap_or("PostgreSQL").to_owned(), warnings: Vec::new() };
    let mut warn = |what: String, advice: String| probe.warnings.push((what, advice));
    if answer(2) == Some("t") {
        warn("the server is a standby and takes no writes".to_owned(), "connect to the primary".to_owned());
    } else if answer(3) == Some("t") {
        warn(
            "transactions are read-only by default".to_owned(),
            "scripts run in transactions that may write".to_owned(),
        );
    }
    if answer(4) != Some("t") && !is_complete(session, schema)? {
        let user = identifier(answer(7).unwrap_or_default());
        let target = identifier(schema.name());
        warn(
            format!("the ledger cannot be created: {user} may not create anything in the schema {target}"),
            format!("`grant create on schema {target} to {user}`, or set `schema` to one of its own"),
        );
    }
    // A pooler that lends connections by transaction answers both of two clients over the same one.
    let second = session.another().read("select pg_backend_pid()")?;
    if second.first().and_then(|r| r.get(0)) == answer(1) {
        warn(
            "a pooler that lends connections by transaction stands before the server".to_owned(),
            "scripts without a transaction that set something for their session need a direct connection".to_owned(),
        );
    }
    if timescale {
        match (answer(5), answer(6)) {
            (Some(version), _) => probe.server.push_str(&format!(", TimescaleDB {version}")),
            (None, Some(version)) => warn(
                format!("the database does not have the extension; the server offers TimescaleDB {version}"),
                "`create extension timescaledb` in the database, or in a first migration".to_owned(),
            ),
            (None, None) => return Err(Failure::unreachable("the server has no TimescaleDB")),
        }
    }
    Ok(probe)
}
