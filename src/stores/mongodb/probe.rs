//! What `doctor` and `wait` learn of a server and of the client.

use std::path::Path;
use std::process::Command;

use bson::doc;

use super::mongosh::OLDEST;
use super::session::{Session, has_replicas};
use super::verdict;
use super::wire::Trouble;
use crate::domain::Failure;
use crate::stores::Probe;

/// Asks the server what it is, and looks for what will make trouble.
///
/// # Errors
/// It cannot be reached, or does not let us look.
pub fn probe(session: &mut Session) -> Result<Probe, Failure> {
    let hello = session.hello()?;
    let version = match session.admin(&doc! { "buildInfo": 1 }) {
        Ok(info) => info.get_str("version").unwrap_or("of an unknown version").to_owned(),
        // Who may not ask is still let in.
        Err(Trouble::Said(_)) => "of an unknown version".to_owned(),
        Err(trouble) => return Err(trouble.failure(session.endpoint())),
    };
    // The greeting is given to everybody; this one asks whether we are let in.
    session.run(&doc! { "listCollections": 1, "nameOnly": true })?;
    let sort = match hello.get_str("setName") {
        Ok(name) => format!("replica set {name}, has transactions"),
        Err(_) if has_replicas(&hello) => "sharded, has transactions".to_owned(),
        Err(_) => "standalone, no transactions".to_owned(),
    };
    let mut probe = Probe { server: format!("MongoDB {version} ({sort})"), warnings: Vec::new() };
    if hello.get_bool("readOnly").unwrap_or(false) {
        probe.warnings.push(("the server is read-only".to_owned(), "scripts and the ledger write".to_owned()));
    }
    probe.warnings.extend(missing_privileges(session));
    Ok(probe)
}

/// What the user may not do and the ledger has to. A server that does not tell is taken at its word later.
fn missing_privileges(session: &mut Session) -> Option<(String, String)> {
    let database = session.endpoint().database.clone();
    let entries = session.names().entries.clone();
    let status = session.admin(&doc! { "connectionStatus": 1, "showPrivileges": true }).ok()?;
    let privileges = status.get_document("authInfo").ok()?.get_array("authenticatedUserPrivileges").ok()?;
    if session.endpoint().login.is_none() || privileges.is_empty() {
        return None;
    }
    let reaches = |resource: &bson::Document| {
        let fits = |key: &str, wanted: &str| resource.get_str(key).is_ok_and(|said| said.is_empty() || said == wanted);
        resource.get_bool("anyResource").unwrap_or(false) || (fits("db", &database) && fits("collection", &entries))
    };
    let may: Vec<&str> = privileges
        .iter()
        .filter_map(|p| p.as_document())
        .filter(|p| p.get_document("resource").is_ok_and(reaches))
        .filter_map(|p| p.get_array("actions").ok())
        .flat_map(|actions| actions.iter().filter_map(|a| a.as_str()))
        .collect();
    let missing: Vec<&str> =
        ["find", "insert", "update", "remove"].into_iter().filter(|action| !may.contains(action)).collect();
    (!missing.is_empty()).then(|| {
        let what = format!("the user may not {} in the database {database}", missing.join(", "));
        (what, "grant it the role readWrite there; scripts that change indexes and validators want dbAdmin".to_owned())
    })
}

/// The client's path and version.
///
/// # Errors
/// It cannot be started, or is too old.
pub fn client(program: &Path) -> Result<String, Failure> {
    let cannot = |why: String| Failure::unreachable(format!("`{}` cannot be started: {why}", program.display()));
    let output = Command::new(program).arg("--version").output().map_err(|e| cannot(e.to_string()))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        return Err(cannot(String::from_utf8_lossy(&output.stderr).trim().to_owned())
            .hint("mongosh from npm runs on Node.js: is `node` on the path, and new enough?"));
    }
    let version = said.lines().next().unwrap_or_default().to_owned();
    match is_old(&version) {
        true => Err(verdict::too_old(&version)),
        false => Ok(format!("{} {version}", program.display())),
    }
}

fn is_old(version: &str) -> bool {
    let major = |text: &str| text.split('.').next().and_then(|n| n.parse::<u32>().ok());
    major(version).zip(major(OLDEST)).is_some_and(|(is, needed)| is < needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_shells_are_known_by_their_version() {
        assert!(is_old("1.10.6") && !is_old("2.0.0") && !is_old("2.12.0") && !is_old("odd"));
    }
}
