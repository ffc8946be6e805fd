//! ChromaDB: a database of its own for each trial, looked at over plain HTTP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

const VARIABLE: &str = "STEPLADDER_TEST_CHROMADB_URL";

pub const SOURCE: Source =
    Source { name: "chromadb", kind: "chromadb", variable: Some(VARIABLE), make: || Box::new(Chroma::make()) };

struct Chroma {
    token: Option<String>,
    /// `127.0.0.1:21800`.
    server: String,
    database: String,
}

const OURS: [&str; 2] = ["stepladder_ledger", "stepladder_lease"];

impl Chroma {
    /// `chroma://TOKEN@host:port` is what the variable says.
    fn make() -> Self {
        let url = std::env::var(VARIABLE).expect("it was looked for before");
        let rest = url.split_once("://").expect("a URL").1.trim_end_matches('/');
        let (token, server) = rest.rsplit_once('@').map_or((None, rest), |(t, s)| (Some(t.to_owned()), s));
        let made = Self { token, server: server.to_owned(), database: random_name() };
        made.must("POST", "/databases", Some(json!({ "name": made.database })));
        made
    }

    fn at(&self, token: Option<&str>, server: &str) -> String {
        let login = token.map(|t| format!("{t}@")).unwrap_or_default();
        format!("chroma://{login}{server}/{}", self.database)
    }

    /// One request of HTTP 1.0: status and body.
    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        let token = self.token.as_ref().map(|t| format!("x-chroma-token: {t}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} /api/v2/tenants/default_tenant{path} HTTP/1.0\r\nhost: {}\r\n{token}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.server,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn must(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    fn collections(&self, path: &str) -> String {
        format!("/databases/{}/collections{path}", self.database)
    }

    fn find(&self, name: &str) -> Option<Value> {
        let (status, found) = self.ask("GET", &self.collections(&format!("/{name}")), None);
        assert!([200, 404].contains(&status), "{name}: {status} {found}");
        (status == 200).then_some(found)
    }

    /// All records of a collection, whole.
    fn records(&self, name: &str) -> Option<Value> {
        let id = self.find(name)?["id"].as_str().unwrap().to_owned();
        let body = json!({ "include": ["metadatas", "documents", "uris", "embeddings"] });
        let (status, records) = self.ask("POST", &self.collections(&format!("/{id}/get")), Some(body));
        (status == 200).then_some(records)
    }

    fn names(&self) -> Vec<String> {
        let all = self.must("GET", &self.collections("?limit=1000"), None);
        all.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    }

    fn create_collection(&self, name: &str) {
        self.must("POST", &self.collections(""), Some(json!({ "name": name })));
    }

    /// Changes fields of the lease in their place, as nobody but a meddler does.
    fn change_lease(&self, changes: &[(&str, Value)]) {
        let Some(lease) = self.find("stepladder_lease") else { return };
        let mut metadata = lease["metadata"].clone();
        for (key, value) in changes {
            metadata[*key] = value.clone();
        }
        let id = lease["id"].as_str().unwrap();
        self.must("PUT", &self.collections(&format!("/{id}")), Some(json!({ "new_metadata": metadata })));
    }
}

impl Drop for Chroma {
    fn drop(&mut self) {
        for name in [self.database.clone(), format!("{}_other", self.database)] {
            self.ask("DELETE", &format!("/databases/{name}"), None);
        }
    }
}

/// JSON with the keys of its objects in order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{key}: {}", sorted(value))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A text as a literal of Python's, in one line.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap().replace('\u{7f}', "\\u007f")
}

impl Subject for Chroma {
    fn url(&self) -> String {
        self.at(self.token.as_deref(), &self.server)
    }

    fn section(&self) -> String {
        let python = std::env::var("STEPLADDER_TEST_CHROMADB_PYTHON").ok().filter(|p| !p.is_empty());
        python.map(|p| format!("client = {}", quoted(&p))).unwrap_or_default()
    }

    fn card(&self) -> &'static Card {
        &stepladder::stores::kind("chromadb").unwrap().card
    }

    /// Nobody sees the parts of a script in Python; those in requests are journalled.
    fn journals(&self) -> bool {
        false
    }

    fn create(&self, thing: &str) -> String {
        format!("client.create_collection({}, embedding_function=None)", quoted(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("client.delete_collection({})", quoted(thing))
    }

    fn notebook(&self) -> String {
        self.create("notes")
    }

    fn note(&self, word: &str) -> String {
        format!(
            "import time, uuid; client.get_collection('notes', embedding_function=None).add(ids=[str(uuid.uuid4())], \
             embeddings=[[0.0]], metadatas=[{{'word': {}, 'at': time.time_ns()}}])",
            quoted(word)
        )
    }

    fn reject(&self) -> String {
        "client.delete_collection('no_such_thing')".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        format!("import time; time.sleep({})", time.as_secs_f64())
    }

    fn shelf(&self) -> String {
        self.create("shelf")
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!(
            "client.get_collection('shelf', embedding_function=None).upsert(ids=['{name}'], embeddings=[[0.0]], \
             metadatas=[{{'text': {}}}])",
            quoted(text)
        )
    }

    fn noise(&self, bytes: usize) -> String {
        format!("import sys; print('noise ' * {}); sys.stderr.write('noise ' * {})", bytes / 12, bytes / 12)
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        let mut names = self.names();
        names.sort();
        // The server writes a schema's keys in another order each time.
        let picture = |name: &String| {
            let found = self.find(name).unwrap_or_default();
            let fields = ["id", "name", "metadata", "configuration_json", "dimension"].map(|key| sorted(&found[key]));
            format!("{fields:?} {:?}", self.records(name).map(|records| sorted(&records)))
        };
        names.iter().map(picture).collect::<Vec<_>>().join("\n")
    }

    fn things(&self) -> Vec<String> {
        let mut things = self.names();
        things.retain(|name| !OURS.contains(&name.as_str()) && name != "notes" && name != "shelf");
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        let Some(records) = self.records("notes") else { return Vec::new() };
        let mut notes: Vec<(i64, String)> = records["metadatas"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (m["at"].as_i64().unwrap(), m["word"].as_str().unwrap().to_owned()))
            .collect();
        notes.sort();
        notes.into_iter().map(|(_, word)| word).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        let records = self.records("shelf")?;
        let at = records["ids"].as_array().unwrap().iter().position(|id| id == name)?;
        records["metadatas"][at]["text"].as_str().map(str::to_owned)
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let Some(records) = self.records("stepladder_ledger") else { return Vec::new() };
        let mut entries: Vec<&Value> = records["metadatas"].as_array().unwrap().iter().collect();
        entries.sort_by_key(|e| e["seq"].as_i64());
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries.into_iter().map(|e| (text(e, "event"), text(e, "direction"), text(e, "label"))).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        let lease = self.find("stepladder_lease")?;
        lease["metadata"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    fn give_lease_away(&self, time: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = u64::try_from((now + time).as_millis()).unwrap();
        let changes = [("host", "elsewhere".into()), ("token", "somebody-else".into()), ("expires_ms", expires.into())];
        self.change_lease(&changes);
    }

    fn delete_lease(&self) {
        self.ask("DELETE", &self.collections("/stepladder_lease"), None);
    }

    fn move_lease_elsewhere(&self) {
        self.change_lease(&[("host", "elsewhere".into())]);
    }

    fn raise_format(&self) {
        let id = self.find("stepladder_ledger").unwrap()["id"].as_str().unwrap().to_owned();
        let body = json!({ "new_metadata": { "format": 99 } });
        self.must("PUT", &self.collections(&format!("/{id}")), Some(body));
    }

    fn litter(&self) {
        for name in ["litter", "litter.with-dots_and-dashes", "stepladder_litter", "stepladder_gone_litter", "Litter9"]
        {
            self.create_collection(name);
        }
        let id = self.find("litter").unwrap()["id"].as_str().unwrap().to_owned();
        let body = json!({ "ids": ["a", "b"], "embeddings": [[1.0, 2.0], [3.0, 4.0]], "documents": ["x", "y"] });
        self.must("POST", &self.collections(&format!("/{id}/add")), Some(body));
    }

    fn plant_foreign(&self) {
        let other = format!("{}_other", self.database);
        self.must("POST", "/databases", Some(json!({ "name": other })));
        self.must("POST", &format!("/databases/{other}/collections"), Some(json!({ "name": "foreign_thing" })));
    }

    fn foreign_is_there(&self) -> bool {
        let path = format!("/databases/{}_other/collections/foreign_thing", self.database);
        self.ask("GET", &path, None).0 == 200
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let secret = "wrong-secret-8472".to_owned();
        self.token.as_ref().map(|_| (self.at(Some(&secret), &self.server), secret.clone()))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(Some(&secret), "127.0.0.1:1"), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        self.token.clone()
    }
}
