//! The few requests of Chroma's API v2 that the ledger, the lease and `fresh` need.

use serde_json::{Map, Value, json};

use super::endpoint::Endpoint;
use crate::domain::Failure;
use crate::stores::http::{Agent, Answer, escaped};

/// Collections and records asked for at once: hosted servers give no more in one answer.
const PAGE: usize = 300;

/// Speaks to one database. Clones share their connections.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    /// `/api/v2/tenants/t/databases/d`.
    path: String,
    /// As a person would write it.
    place: String,
    tenant: String,
    database: String,
}

/// A collection, as far as we care.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collection {
    /// The server's own name for it, which no other collection ever gets.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its metadata.
    pub metadata: Map<String, Value>,
}

/// A record of the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Unique in its collection: the first to write it wins.
    pub id: String,
    /// Flat: texts, numbers.
    pub metadata: Map<String, Value>,
    /// A longer text, which is asked for apart.
    pub uri: Option<String>,
}

impl Collection {
    fn of(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let metadata = value["metadata"].as_object().cloned().unwrap_or_default();
        Self { id: text("id"), name: text("name"), metadata }
    }

    /// A text of its metadata; empty where there is none.
    pub fn text(&self, key: &str) -> String {
        self.metadata.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// A number of its metadata; 0 where there is none.
    pub fn number(&self, key: &str) -> i64 {
        self.metadata.get(key).and_then(Value::as_i64).unwrap_or(0)
    }
}

impl Api {
    /// Does not connect.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self {
            agent: endpoint.agent(),
            path: endpoint.path(),
            place: endpoint.to_string(),
            tenant: endpoint.tenant.clone(),
            database: endpoint.database.clone(),
        }
    }

    /// What carries the requests.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The server's clock, in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// The server does not answer, or refuses us.
    pub fn now_ms(&self) -> Result<i64, Failure> {
        let answer = self.expect(self.agent.send("GET", "/api/v2/heartbeat", None)?)?;
        let now = answer.json()["nanosecond heartbeat"].as_i64().map(|ns| ns / 1_000_000);
        now.ok_or_else(|| self.strange("its heartbeat", &answer))
    }

    /// The server's version, as it says it: of its API, not of the product.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn version(&self) -> Result<String, Failure> {
        let answer = self.expect(self.agent.send("GET", "/api/v2/version", None)?)?;
        answer.json().as_str().map(str::to_owned).ok_or_else(|| self.strange("its version", &answer))
    }

    /// Fails when the database is not there.
    ///
    /// # Errors
    /// As [`Api::now_ms`]; there is no such database.
    pub fn check_database(&self) -> Result<(), Failure> {
        let answer = self.agent.send("GET", &self.path, None)?;
        if answer.status != 404 {
            return self.expect(answer).map(drop);
        }
        Err(Failure::unreachable(format!("{} is not there: {}", self.place, self.words(&answer))).hint(format!(
            "create it, for example with chromadb.AdminClient().create_database({:?}, tenant={:?}), or correct the URL",
            self.database, self.tenant
        )))
    }

    /// The collection with this name.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn find(&self, name: &str) -> Result<Option<Collection>, Failure> {
        let answer = self.ask("GET", &format!("/collections/{}", escaped(name)), None)?;
        match answer.status {
            404 => Ok(None),
            _ => Ok(Some(Collection::of(&self.expect(answer)?.json()))),
        }
    }

    /// Creates a collection; none when the name is taken. Of many who try at once exactly one gets it.
    ///
    /// # Errors
    /// As [`Api::now_ms`]; what the server refuses.
    pub fn create(&self, name: &str, metadata: &Map<String, Value>) -> Result<Option<Collection>, Failure> {
        let body = json!({ "name": name, "metadata": metadata, "get_or_create": false });
        let answer = self.ask("POST", "/collections", Some(&body))?;
        match answer.status {
            409 => Ok(None),
            _ => Ok(Some(Collection::of(&self.expect(answer)?.json()))),
        }
    }

    /// Changes the collection with this id, whatever its name is by now; false when it has gone.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub fn change(&self, id: &str, change: &Value) -> Result<bool, Failure> {
        let answer = self.ask("PUT", &format!("/collections/{}", escaped(id)), Some(change))?;
        Ok(answer.status != 404 && self.expect(answer).map(|_| true)?)
    }

    /// Drops the collection that has this name now; false when there is none.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub fn drop(&self, name: &str) -> Result<bool, Failure> {
        let answer = self.ask("DELETE", &format!("/collections/{}", escaped(name)), None)?;
        Ok(answer.status != 404 && self.expect(answer).map(|_| true)?)
    }

    /// All collections of the database.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn collections(&self) -> Result<Vec<Collection>, Failure> {
        let mut all = Vec::new();
        loop {
            let page = self.ask("GET", &format!("/collections?limit={PAGE}&offset={}", all.len()), None)?;
            let page = self.expect(page)?.json();
            let found: Vec<Collection> = page.as_array().into_iter().flatten().map(Collection::of).collect();
            let last = found.len() < PAGE;
            all.extend(found);
            if last {
                return Ok(all);
            }
        }
    }

    /// How many records a collection has.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn count(&self, id: &str) -> Result<u64, Failure> {
        let answer = self.expect(self.ask("GET", &format!("/collections/{id}/count"), None)?)?;
        Ok(answer.json().as_u64().unwrap_or(0))
    }

    /// Adds records. A record whose id is taken is left as it was, and the server says nothing of it: read back.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub fn add(&self, id: &str, records: &[Record]) -> Result<(), Failure> {
        let column = |of: &dyn Fn(&Record) -> Value| Value::Array(records.iter().map(of).collect());
        let body = json!({
            "ids": column(&|r| r.id.clone().into()),
            // Every record must have an embedding.
            "embeddings": column(&|_| json!([0.0])),
            "metadatas": column(&|r| r.metadata.clone().into()),
            "uris": column(&|r| r.uri.clone().into()),
        });
        self.expect(self.ask("POST", &format!("/collections/{id}/add"), Some(&body))?).map(drop)
    }

    /// Changes fields of one record's metadata, and leaves the others.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub fn update(&self, id: &str, record: &str, metadata: &Value) -> Result<(), Failure> {
        let body = json!({ "ids": [record], "metadatas": [metadata] });
        self.expect(self.ask("POST", &format!("/collections/{id}/update"), Some(&body))?).map(drop)
    }

    /// Records without their longer texts: those with these ids, or all; none when the collection has gone.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn records(&self, id: &str, ids: Option<&[String]>) -> Result<Option<Vec<Record>>, Failure> {
        let mut all = Vec::new();
        loop {
            let body = json!({ "ids": ids, "include": ["metadatas"], "limit": PAGE, "offset": all.len() });
            let answer = self.ask("POST", &format!("/collections/{id}/get"), Some(&body))?;
            if answer.status == 404 {
                return Ok(None);
            }
            let page = records(&self.expect(answer)?.json());
            let last = page.len() < PAGE;
            all.extend(page);
            if last {
                return Ok(Some(all));
            }
        }
    }

    /// The longer text of one record.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn uri(&self, id: &str, record: &str) -> Result<Option<String>, Failure> {
        let body = json!({ "ids": [record], "include": ["uris"] });
        let answer = self.expect(self.ask("POST", &format!("/collections/{id}/get"), Some(&body))?)?;
        Ok(answer.json()["uris"][0].as_str().map(str::to_owned))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.agent.send(method, &format!("{}{path}", self.path), body)
    }

    fn expect(&self, answer: Answer) -> Result<Answer, Failure> {
        if answer.is_fine() {
            return Ok(answer);
        }
        let words = self.words(&answer);
        if answer.is_refusal() {
            return Err(Failure::unreachable(format!("{} refuses us: {words}", self.place)).hint(
                "put the token into the URL (chroma://TOKEN@host/database) or into CHROMA_TOKEN, and see that it is the right one",
            ));
        }
        if [502, 503, 504].contains(&answer.status) {
            return Err(Failure::unreachable(format!("{} does not answer: {words}", self.place)));
        }
        Err(Failure::failed(format!("{} refused a request: {words}", self.place)))
    }

    /// The server's own words.
    fn words(&self, answer: &Answer) -> String {
        let said = answer.json();
        let message = said["message"].as_str().unwrap_or(answer.body.trim());
        let message: String = message.chars().take(400).collect();
        self.agent.scrub(format!("{message} (HTTP {})", answer.status).trim())
    }

    fn strange(&self, what: &str, answer: &Answer) -> Failure {
        Failure::unreachable(format!("{} is no Chroma server: {what} is {}", self.place, self.words(answer)))
            .hint("Chroma 1.0 or later is needed: its API is v2")
    }
}

fn records(page: &Value) -> Vec<Record> {
    let ids = page["ids"].as_array().into_iter().flatten();
    let record = |(at, id): (usize, &Value)| Record {
        id: id.as_str().unwrap_or_default().to_owned(),
        metadata: page["metadatas"][at].as_object().cloned().unwrap_or_default(),
        uri: None,
    };
    ids.enumerate().map(record).collect()
}
