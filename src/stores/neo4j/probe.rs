//! What `doctor` and `wait` learn of a server and of the client.

use std::path::Path;
use std::process::Command;

use super::bolt::Value;
use super::session::Session;
use crate::domain::{Failure, FailureKind};
use crate::stores::Probe;

/// Asks the server what it is, and looks for what will make trouble.
///
/// # Errors
/// It cannot be reached.
pub fn probe(session: &mut Session) -> Result<Probe, Failure> {
    let rows = session.read(
        "CALL dbms.components() YIELD name, versions, edition WHERE name = 'Neo4j Kernel' RETURN versions[0], edition",
    );
    let server = match rows {
        Ok(rows) => {
            let text = |at: usize| rows.first().and_then(|r| r.get(at)).and_then(Value::as_text).unwrap_or_default();
            format!("Neo4j {} {}", text(0), text(1))
        }
        // A login that gets no further than this: a password that has to be changed first.
        Err(failure) if failure.kind == FailureKind::Unreachable => return Err(failure),
        // Who may not ask is still told what the handshake said.
        Err(_) => session.server()?.replace('/', " "),
    };
    let mut probe = Probe { server, warnings: Vec::new() };
    let rows =
        session.read("SHOW DATABASES YIELD name, access, currentStatus, home RETURN name, access, currentStatus, home");
    let wanted = session.endpoint().database.clone();
    for row in rows.unwrap_or_default() {
        let text = |at: usize| row.get(at).and_then(Value::as_text).unwrap_or_default();
        let is_ours =
            wanted.as_ref().map_or(row.get(3) == Some(&Value::Bool(true)), |w| w.eq_ignore_ascii_case(text(0)));
        if is_ours && text(1) == "read-only" {
            let what = format!("the database {} is read-only", text(0));
            probe.warnings.push((what, "scripts and the ledger write".to_owned()));
        }
    }
    Ok(probe)
}

/// The client's path and version. It starts a JVM to say it.
///
/// # Errors
/// It cannot be started, for instance because there is no Java.
pub fn client(program: &Path) -> Result<String, Failure> {
    let cannot = |why: String| Failure::unreachable(format!("`{}` cannot be started: {why}", program.display()));
    let output = Command::new(program).arg("--version").output().map_err(|e| cannot(e.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(format!("{} {said}", program.display()));
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let failure = cannot(if words.is_empty() { said } else { words });
    Err(match which::which("java") {
        Ok(_) => failure.hint("cypher-shell 5 needs Java 17 or 21, that of the calendar versions Java 21"),
        Err(_) => failure.hint(
            "Java was not found · Debian, Ubuntu: apt-get install default-jre-headless · macOS: brew install openjdk",
        ),
    })
}
