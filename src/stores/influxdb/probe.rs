//! What `doctor` and `wait` learn.

use serde_json::json;

use super::api::Api;
use super::query::Said;
use crate::domain::Failure;
use crate::stores::Probe;

/// Asks what the server is, and whether it lets us do what migrations need.
///
/// # Errors
/// It does not answer, or refuses us.
pub fn probe(api: &Api) -> Result<Probe, Failure> {
    let server = api.server()?;
    let build = Some(server.build.as_str()).filter(|b| !b.is_empty()).map(|b| format!(" ({b})")).unwrap_or_default();
    let shown = format!("InfluxDB {}{build}", server.version);
    let warnings = if server.major == 2 { second(api)? } else { first(api)? };
    Ok(Probe { server: shown.trim().to_owned(), warnings })
}

fn warning(what: &str, hint: &str) -> (String, String) {
    (what.to_owned(), hint.to_owned())
}

fn first(api: &Api) -> Result<Vec<(String, String)>, Failure> {
    let mut warnings = Vec::new();
    api.rows(None, "SHOW DATABASES")?;
    // Only an administrator may see the users.
    let refused = match api.query(None, "SHOW USERS") {
        Ok(Said::Rows(_)) => false,
        Ok(Said::Refused(_)) => true,
        Err(failure) if failure.message.contains("HTTP 403") => true,
        Err(failure) => return Err(failure),
    };
    if refused {
        warnings.push(warning(
            "this user is no administrator: databases, retention policies and the ledger cannot be made",
            "an administrator says: GRANT ALL PRIVILEGES TO <user>",
        ));
    }
    if api.endpoint.database.is_none() && api.endpoint.databases.is_empty() {
        warnings.push(warning(
            "no database is named: `fresh` has nothing that it may drop",
            "write it into the URL (http://host:8086/telemetry), and others under `databases`",
        ));
    }
    Ok(warnings)
}

fn second(api: &Api) -> Result<Vec<(String, String)>, Failure> {
    let mut warnings = Vec::new();
    api.buckets(None)?;
    // No bucket may be called so: nothing is made, and who has no right is told that before.
    let never = json!({ "orgID": api.org_id()?, "name": "_stepladder" });
    if api.ask("POST", "/api/v2/buckets", Some(&never))?.is_refusal() {
        warnings.push(warning(
            "this token may not make buckets: no run can begin",
            "`influx auth create --all-access` makes a token that may",
        ));
    }
    if api.listed("tasks", "tasks", "").is_err() {
        warnings.push(warning(
            "this token may not read tasks: they can be neither made nor dropped",
            "`influx auth create --all-access` makes a token that may",
        ));
    }
    Ok(warnings)
}
