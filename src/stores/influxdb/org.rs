//! Organisations and their buckets and other things: what InfluxDB 2 has instead of databases.

use serde_json::{Value, json};

use super::api::Api;
use crate::domain::Failure;
use crate::stores::http::escaped;

/// Things asked for at once: servers give no more in one answer.
const PAGE: usize = 100;

/// A bucket of an InfluxDB 2, or a database of an InfluxDB 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// What it is deleted by.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A person's words.
    pub description: String,
    /// Whether it is the server's own.
    pub is_system: bool,
    /// How long it keeps data: seconds, 0 for ever.
    pub seconds: u64,
}

impl Api {
    /// The organisation's id.
    ///
    /// # Errors
    /// None is named, or there is none of this name.
    pub fn org_id(&self) -> Result<String, Failure> {
        if let Some(known) = self.org.get() {
            return Ok(known.clone());
        }
        let path = match &self.endpoint.org {
            Some(name) => format!("/api/v2/orgs?org={}", escaped(name)),
            None => "/api/v2/orgs?limit=2".to_owned(),
        };
        let answer = self.ask("GET", &path, None)?;
        let found = if answer.status == 404 { Value::Null } else { self.expect(answer)?.json() };
        let all: Vec<&str> = found["orgs"].as_array().into_iter().flatten().filter_map(|o| o["id"].as_str()).collect();
        match (all.as_slice(), &self.endpoint.org) {
            ([id], _) => Ok(self.org.get_or_init(|| (*id).to_owned()).clone()),
            (_, Some(name)) => {
                Err(Failure::unreachable(format!("{} has no organisation {name}", self.agent().shown()))
                    .hint("`influx org list` shows them; the token must be of this organisation"))
            }
            (_, None) => Err(Failure::usage(format!("the organisation on {} is not named", self.agent().shown()))
                .hint("set INFLUXDB_ORG, or `org` under the store's section, or `?org=` in its URL")),
        }
    }

    /// Buckets of the organisation: that with this name, or all.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn buckets(&self, name: Option<&str>) -> Result<Vec<Bucket>, Failure> {
        let name = name.map(|n| format!("&name={}", escaped(n))).unwrap_or_default();
        let found = self.listed("buckets", "buckets", &name)?;
        Ok(found.iter().map(Bucket::of).collect())
    }

    /// All things of a sort, page by page: their path, and the list's name in the answer.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn listed(&self, path: &str, list: &str, filter: &str) -> Result<Vec<Value>, Failure> {
        let org = self.org_id()?;
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = match (path, all.last().and_then(|t| t["id"].as_str())) {
                ("tasks", Some(last)) => format!("&after={last}"),
                ("tasks", None) => String::new(),
                _ => format!("&offset={}", all.len()),
            };
            let path = format!("/api/v2/{path}?orgID={}&limit={PAGE}{after}{filter}", escaped(&org));
            let answer = self.ask("GET", &path, None)?;
            if answer.status == 404 {
                return Ok(all);
            }
            let page = self.expect(answer)?.json();
            let found = page[list].as_array().cloned().unwrap_or_default();
            let last = found.len() < PAGE;
            all.extend(found);
            if last {
                return Ok(all);
            }
        }
    }

    /// Creates a bucket that keeps what is in it; false when the name is taken. Of many who try at once one gets it.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn make_bucket(&self, name: &str, description: &str) -> Result<bool, Failure> {
        let body = json!({ "orgID": self.org_id()?, "name": name, "description": description, "retentionRules": [] });
        let answer = self.ask("POST", "/api/v2/buckets", Some(&body))?;
        match answer.status {
            422 if answer.body.contains("conflict") => Ok(false),
            _ => self.expect(answer).map(|_| true),
        }
    }

    /// Deletes a thing by its id; nothing when it is gone.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn delete(&self, sort: &str, id: &str) -> Result<(), Failure> {
        let answer = self.ask("DELETE", &format!("/api/v2/{sort}/{}", escaped(id)), None)?;
        if answer.status == 404 { Ok(()) } else { self.expect(answer).map(drop) }
    }
}

impl Bucket {
    fn of(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let seconds = value["retentionRules"][0]["everySeconds"].as_u64().unwrap_or(0);
        Self {
            id: text("id"),
            name: text("name"),
            description: text("description"),
            is_system: value["type"] == "system",
            seconds,
        }
    }
}
