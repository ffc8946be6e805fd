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
        let mut all = self.ids(&path, "orgs", "id")?;
        if let (true, Some(name)) = (all.is_empty(), &self.endpoint.org) {
            // A token may see the buckets of an organisation, and not the organisation.
            all = self.ids(&format!("/api/v2/buckets?org={}&limit={PAGE}", escaped(name)), "buckets", "orgID")?;
            all.dedup();
        }
        match (all.as_slice(), &self.endpoint.org) {
            ([id], _) => Ok(self.org.get_or_init(|| id.clone()).clone()),
            (_, Some(name)) => {
                Err(Failure::unreachable(format!("{} has no organisation {name}", self.agent().shown()))
                    .hint("`influx org list` shows them; a token of another organisation, or one that was made inactive (`influx auth list`), sees none"))
            }
            (_, None) => Err(Failure::usage(format!("the organisation on {} is not named", self.agent().shown()))
                .hint("set INFLUXDB_ORG, or `org` under the store's section, or `?org=` in its URL")),
        }
    }

    /// A field of the things in a list; none where the server finds nothing.
    fn ids(&self, path: &str, list: &str, field: &str) -> Result<Vec<String>, Failure> {
        let answer = self.ask("GET", path, None)?;
        let found = if answer.status == 404 { Value::Null } else { self.expect(answer)?.json() };
        let things = found[list].as_array().into_iter().flatten();
        Ok(things.filter_map(|thing| thing[field].as_str().map(str::to_owned)).collect())
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
        let mut offset = 0;
        loop {
            let after = match (path, all.last().and_then(|t| t["id"].as_str())) {
                ("tasks", Some(last)) => format!("&after={last}"),
                ("tasks", None) => String::new(),
                _ => format!("&offset={offset}"),
            };
            let path = format!("/api/v2/{path}?orgID={}&limit={PAGE}{after}{filter}", escaped(&org));
            let answer = self.ask("GET", &path, None)?;
            if answer.status == 404 {
                return Ok(all);
            }
            let page = self.expect(answer)?.json();
            let found = page[list].as_array().cloned().unwrap_or_default();
            // What a token may not see is taken out of a page, which is short then.
            let last = found.len() < PAGE / 2;
            offset += PAGE;
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
