//! What `fresh` drops. Of an InfluxDB 1 the databases that the configuration names; of an InfluxDB 2 the organisation's
//! buckets and tasks. The server's own and every ledger stay.

use super::api::Api;
use super::org::Bucket;
use crate::domain::Failure;
use crate::domain::influxql::quoted;
use crate::domain::plan::count;

/// Something that `fresh` drops.
enum Thing {
    Database(String),
    Bucket(Bucket),
    Task { id: String, name: String },
}

fn things(api: &Api) -> Result<Vec<Thing>, Failure> {
    if !api.is_second()? {
        let rows = api.rows(None, "SHOW DATABASES")?;
        let names = rows.columns(["name"]).filter_map(|[name]| name.as_str().map(str::to_owned));
        return Ok(names.filter(|name| api.endpoint.may_drop(name)).map(Thing::Database).collect());
    }
    let tasks = api.listed("tasks", "tasks", "")?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let mut things: Vec<Thing> =
        tasks.iter().map(|task| Thing::Task { id: text(&task["id"]), name: text(&task["name"]) }).collect();
    let ledger = &api.endpoint.ledger;
    let ours = |name: &str| {
        let lease = name.strip_prefix(ledger).and_then(|rest| rest.strip_prefix(".lease_"));
        name == ledger || lease.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    things.extend(api.buckets(None)?.into_iter().filter(|b| !b.is_system && !ours(&b.name)).map(Thing::Bucket));
    Ok(things)
}

/// One line for each thing.
///
/// # Errors
/// The server does not answer.
pub fn inventory(api: &Api) -> Result<Vec<String>, Failure> {
    things(api)?.iter().map(|thing| shown(api, thing)).collect()
}

fn shown(api: &Api, thing: &Thing) -> Result<String, Failure> {
    Ok(match thing {
        Thing::Database(name) => {
            let found = api.rows(Some(name), &format!("SHOW MEASUREMENTS ON {}", quoted(name)))?;
            format!("database {name} ({})", count(found.columns(["name"]).count(), "measurement"))
        }
        Thing::Bucket(bucket) => match bucket.seconds {
            0 => format!("bucket {}", bucket.name),
            seconds => format!("bucket {} (keeps data for {})", bucket.name, time(seconds)),
        },
        Thing::Task { name, .. } => format!("task {name}"),
    })
}

/// `30 days`, `90 minutes`.
fn time(seconds: u64) -> String {
    let (each, unit) = match seconds {
        s if s % 86400 == 0 => (86400, "day"),
        s if s % 3600 == 0 => (3600, "hour"),
        s if s % 60 == 0 => (60, "minute"),
        _ => (1, "second"),
    };
    count(usize::try_from(seconds / each).unwrap_or(usize::MAX), unit)
}

/// Drops everything, asking before each thing whether it may.
///
/// # Errors
/// What the server refuses.
pub fn wipe(api: &Api, may: &dyn Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    for thing in things(api)? {
        may()?;
        match thing {
            Thing::Database(name) => api.rows(None, &format!("DROP DATABASE {}", quoted(&name))).map(drop)?,
            Thing::Bucket(bucket) => api.delete("buckets", &bucket.id)?,
            Thing::Task { id, .. } => api.delete("tasks", &id)?,
        }
    }
    Ok(())
}
