//! What `doctor` and `wait` learn from a server.

use super::ledger::{self, Home, literal, text};
use super::session::Session;
use crate::domain::Failure;
use crate::stores::Probe;

/// Asks the server what it is, and looks for what will make trouble.
///
/// # Errors
/// It cannot be reached.
pub fn probe(session: &mut Session, home: &Home) -> Result<Probe, Failure> {
    let version = session.version()?;
    let title = if version.contains("MariaDB") { "MariaDB" } else { "MySQL" };
    let number = version.split('-').next().unwrap_or(&version);
    let mut probe = Probe { server: format!("{title} {number}"), warnings: Vec::new() };
    let mut warn = |what: String, advice: String| probe.warnings.push((what, advice));
    let rows = session.read("SELECT @@global.read_only, CURRENT_USER()")?;
    let answer = |at: usize| rows.first().and_then(|row| text(row, at)).unwrap_or_default().to_owned();
    if matches!(answer(0).as_str(), "1" | "ON") {
        warn(
            "the server is a replica or read-only and takes no writes".to_owned(),
            "connect to the primary".to_owned(),
        );
    }
    if ledger::format(session, home)?.is_none() && !may_create(session, home)? {
        let (database, user) = (ledger::name(home.database()), answer(1));
        warn(
            format!("the ledger cannot be created: no privilege of {user} to create tables in {database} is seen"),
            format!("`GRANT ALL ON {database}.* TO` this user; a role must be its default role"),
        );
    }
    Ok(probe)
}

/// By the privileges that the server shows to this user. Patterns may stand for databases.
fn may_create(session: &mut Session, home: &Home) -> Result<bool, Failure> {
    let database = literal(home.database());
    let rows = session.read(&format!(
        "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'CREATE' \
         UNION SELECT 1 FROM information_schema.schema_privileges WHERE privilege_type = 'CREATE' AND {database} LIKE table_schema"
    ))?;
    Ok(!rows.is_empty())
}
