//! What requests to an InfluxDB 2 may leave out: the organisation, and the ids of things that have a name.
//!
//! Ids are given out by the server, so that no file can know them: `DELETE /api/v2/buckets?name=telemetry` is sent as
//! `DELETE /api/v2/buckets/<its id>`, and `orgID` is put into what needs one.

use serde_json::Value;

use super::api::Api;
use crate::domain::Failure;
use crate::stores::http::{Call, Fault, escaped, unescaped};

/// Things that are found by name, and have an organisation: their path is their name in a list, too.
const NAMED: [&str; 8] =
    ["buckets", "tasks", "labels", "variables", "checks", "dashboards", "notificationRules", "notificationEndpoints"];
/// Other things whose JSON names their organisation.
const OWNED: [&str; 4] = ["dbrps", "authorizations", "telegrafs", "scrapers"];
/// What takes the organisation in its query.
const ASKED: [&str; 3] = ["query", "write", "delete"];

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self { message: failure.message, hints: failure.hints }
    }
}

/// A request with what it left out.
///
/// # Errors
/// There is no thing of this name, or there are several.
pub fn complete(api: &Api, call: &Call) -> Result<Call, Fault> {
    let (whole, mut call) = (call.path.clone(), call.clone());
    let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
    let Some(rest) = path.strip_prefix("/api/v2/") else { return Ok(call) };
    let (sort, below) = rest.split_once('/').map_or((rest, None), |(sort, below)| (sort, Some(below)));
    let pairs: Vec<(&str, &str)> =
        query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))).collect();
    let has_org = pairs.iter().any(|(key, _)| matches!(*key, "org" | "orgID"));
    let name = pairs.iter().find(|(key, _)| *key == "name").map(|(_, value)| *value);
    let lists = below.is_none() && call.method == "GET";
    match name {
        Some(name) if !lists && call.method != "POST" && NAMED.contains(&sort) && below.is_none() => {
            let wrong = |why: &str| Fault { message: format!("`name` cannot be read: {why}"), hints: Vec::new() };
            let id = find(api, sort, &unescaped(name).map_err(wrong)?)?;
            let others: Vec<String> =
                pairs.iter().filter(|(key, _)| *key != "name").map(|(k, v)| format!("{k}={v}")).collect();
            let others = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
            call.path = format!("/api/v2/{sort}/{id}{others}");
        }
        _ if !has_org && (ASKED.contains(&sort) || lists && (NAMED.contains(&sort) || OWNED.contains(&sort))) => {
            let join = if query.is_empty() { '?' } else { '&' };
            call.path = format!("{}{join}orgID={}", call.path, escaped(&api.org_id()?));
        }
        _ => {}
    }
    if call.method == "POST" && below.is_none() && (NAMED.contains(&sort) || OWNED.contains(&sort)) {
        add_org(api, &mut call)?;
    }
    Ok(call)
}

/// Puts the organisation into a JSON body that names none.
fn add_org(api: &Api, call: &mut Call) -> Result<(), Fault> {
    let Some((_, bytes)) = &mut call.body else { return Ok(()) };
    let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(bytes) else { return Ok(()) };
    if !body.contains_key("orgID") && !body.contains_key("org") {
        body.insert("orgID".to_owned(), api.org_id()?.into());
        *bytes = Value::Object(body).to_string().into_bytes();
    }
    Ok(())
}

fn find(api: &Api, sort: &str, name: &str) -> Result<String, Fault> {
    let filter = if sort == "buckets" { format!("&name={}", escaped(name)) } else { String::new() };
    let found = api.listed(sort, sort, &filter)?;
    let ids: Vec<&str> = found.iter().filter(|t| t["name"] == name).filter_map(|t| t["id"].as_str()).collect();
    match ids.as_slice() {
        [id] => Ok((*id).to_owned()),
        [] => Err(Fault {
            message: format!("there is no {} named {name} in the organisation", sort.trim_end_matches('s')),
            hints: vec!["names are written as they are, blanks as %20".to_owned()],
        }),
        many => Err(Fault {
            message: format!("there are {} {sort} named {name}: {}", many.len(), many.join(", ")),
            hints: vec![format!("name the one that is meant by its id: /api/v2/{sort}/<id>")],
        }),
    }
}
