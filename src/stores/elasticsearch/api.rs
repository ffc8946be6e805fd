//! The few requests that the ledger, the lease and `fresh` need.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::endpoint::Endpoint;
use super::login::Login;
use super::words;
use crate::domain::Failure;
use crate::stores::http::{Agent, Answer, escaped};

/// How often a read is tried again whose index is only just being made, by us or by another run.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);
/// What is said of such an index.
const NOT_YET: &str = "no_shard_available_action_exception";
/// What is said of an index that somebody has closed.
const CLOSED: &str = "index_closed_exception";

/// Speaks to one cluster. Clones share their connections.
#[derive(Clone)]
pub struct Api {
    /// Carries everything.
    pub agent: Agent,
    /// As a person would write it.
    pub place: String,
    /// The ledger's index.
    pub index: String,
    /// Who we are.
    login: Login,
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its contents.
    pub source: Value,
    /// Which write of it this is.
    pub at: At,
}

/// A write of a document: whoever writes next must have seen the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Grows with every write to the index.
    seq_no: i64,
    /// Grows when another copy of the index takes over.
    primary_term: i64,
}

impl At {
    fn of(value: &Value) -> Self {
        let number = |key: &str| value[key].as_i64().unwrap_or(-1);
        Self { seq_no: number("_seq_no"), primary_term: number("_primary_term") }
    }
}

impl Api {
    /// Does not connect.
    ///
    /// # Errors
    /// A `ca` that cannot be used.
    pub fn new(endpoint: &Endpoint) -> Result<Self, Failure> {
        Ok(Self {
            agent: endpoint.agent()?,
            place: endpoint.to_string(),
            index: endpoint.ledger.clone(),
            login: endpoint.login.clone(),
        })
    }

    /// The clock of the node that answers, in milliseconds since 1970-01-01 UTC; ours where we may not ask for it.
    ///
    /// # Errors
    /// The cluster does not answer, or refuses us.
    pub fn now_ms(&self) -> Result<i64, Failure> {
        let answer = self.agent.send("GET", "/_nodes/_local/stats/process?filter_path=nodes.*.timestamp", None)?;
        if answer.status == 401 || answer.status >= 500 {
            return self.expect(answer).map(|_| 0);
        }
        let said = answer.json();
        let node = said["nodes"].as_object().and_then(|nodes| nodes.values().next());
        let now = node.and_then(|node| node["timestamp"].as_i64());
        Ok(now.unwrap_or_else(|| jiff::Timestamp::now().as_millisecond()))
    }

    /// One document of the ledger's index; none where it or the index is missing.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn get(&self, id: &str) -> Result<Option<Document>, Failure> {
        let mut answer = self.agent.send("GET", &self.document("_doc", id), None)?;
        for _ in 0..TRIES {
            if answer.status != 503 || words::kind(&answer) != NOT_YET {
                break;
            }
            thread::sleep(PAUSE);
            answer = self.agent.send("GET", &self.document("_doc", id), None)?;
        }
        if answer.status == 404 {
            return Ok(None);
        }
        if answer.status == 503 && words::kind(&answer) == NOT_YET || words::kind(&answer) == CLOSED {
            return Err(self.unreadable(&words::kind(&answer), &words::of(&answer)));
        }
        let said = self.expect(answer)?.json();
        Ok(Some(Document { source: said["_source"].clone(), at: At::of(&said) }))
    }

    /// Documents of the ledger's index, without the texts of down scripts; none where there is no index. Reading by id
    /// sees every write that was answered, which a search does not.
    ///
    /// # Errors
    /// As [`Api::now_ms`]; an index that cannot be read.
    pub fn many(&self, ids: &[String]) -> Result<Option<Vec<Option<Value>>>, Failure> {
        let path = format!("/{}/_mget?_source_excludes=entries.down.text", escaped(&self.index));
        let body = serde_json::json!({ "ids": ids });
        let mut tries = 0;
        let mut said = loop {
            let answer = self.agent.send("POST", &path, Some(&body))?;
            if answer.status == 404 && words::kind(&answer) == "index_not_found_exception" {
                return Ok(None);
            }
            let said = self.expect(answer)?.json();
            if tries == TRIES || said["docs"][0]["error"]["type"] != NOT_YET {
                break said;
            }
            tries += 1;
            thread::sleep(PAUSE);
        };
        let mut found = Vec::with_capacity(ids.len());
        for document in said["docs"].as_array_mut().into_iter().flatten() {
            match document["error"]["type"].as_str() {
                Some("index_not_found_exception") => return Ok(None),
                Some(kind) => return Err(self.unreadable(kind, &words::of_error(&document["error"]))),
                None => {}
            }
            found.push((document["found"] == true).then(|| document["_source"].take()));
        }
        Ok(Some(found))
    }

    /// The ledger's index is there, and of no use.
    fn unreadable(&self, kind: &str, why: &str) -> Failure {
        let index = &self.index;
        let hint = match kind {
            CLOSED => format!("somebody has closed it: `POST /{index}/_open` opens it again"),
            _ => format!(
                "`GET _cluster/allocation/explain` with `{{\"index\": \"{index}\", \"shard\": 0, \"primary\": true}}` says what keeps its shard from working"
            ),
        };
        Failure::unreachable(format!("the ledger's index {index} cannot be read: {why}"))
            .detail("no run begins, or goes on, without its ledger")
            .hint(hint)
    }

    /// Creates a document; none when its id is taken. Of many who try at once exactly one succeeds.
    ///
    /// # Errors
    /// As [`Api::now_ms`]; what the cluster refuses.
    pub fn create(&self, id: &str, source: &Value) -> Result<Option<At>, Failure> {
        self.put(&(self.document("_create", id) + "?timeout=10s"), source)
    }

    /// Replaces a document if nobody has since it was read; none when somebody has.
    ///
    /// # Errors
    /// As [`Api::create`].
    pub fn replace(&self, id: &str, seen: At, source: &Value) -> Result<Option<At>, Failure> {
        let At { seq_no, primary_term } = seen;
        let path = self.document("_doc", id);
        self.put(&format!("{path}?timeout=10s&if_seq_no={seq_no}&if_primary_term={primary_term}"), source)
    }

    fn put(&self, path: &str, source: &Value) -> Result<Option<At>, Failure> {
        let answer = self.agent.send("PUT", path, Some(source))?;
        match answer.status {
            409 => Ok(None),
            _ => Ok(Some(At::of(&self.expect(answer)?.json()))),
        }
    }

    fn document(&self, verb: &str, id: &str) -> String {
        format!("/{}/{verb}/{}", escaped(&self.index), escaped(id))
    }

    /// Asks for something that older or smaller clusters may not have: null then.
    ///
    /// # Errors
    /// As [`Api::now_ms`].
    pub fn ask(&self, path: &str) -> Result<Value, Failure> {
        let answer = self.agent.send("GET", path, None)?;
        match answer.status {
            400 | 403 | 404 | 405 | 501 => Ok(Value::Null),
            _ => Ok(self.expect(answer)?.json()),
        }
    }

    /// Takes an answer that is none of a success apart.
    ///
    /// # Errors
    /// What the cluster said.
    pub fn expect(&self, answer: Answer) -> Result<Answer, Failure> {
        if answer.is_fine() {
            return Ok(answer);
        }
        let said = self.agent.scrub(&words::of(&answer));
        let kind = words::kind(&answer);
        let blocked = kind == "cluster_block_exception";
        let failure = match answer.status {
            401 | 403 if !blocked => Failure::unreachable(format!("{} refuses us: {said}", self.place)),
            502..=504 => Failure::unreachable(format!("{} cannot work: {said}", self.place)),
            300..=399 => Failure::unreachable(format!(
                "{} answers with a redirect to {}: {said}",
                self.place,
                answer.location.as_deref().unwrap_or("nowhere")
            )),
            _ => Failure::failed(format!("{} refused a request: {said}", self.place)),
        };
        if answer.status == 401 {
            return Err(failure.hint(self.login.advice(jiff::Timestamp::now().as_second())));
        }
        Err(words::hints(&kind, &said).into_iter().fold(failure, Failure::hint))
    }
}
