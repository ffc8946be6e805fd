//! Elasticsearch and OpenSearch, looked at over plain HTTP. A trial's indices begin with a prefix of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use serde_json::{Value, json};
use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

pub const ELASTICSEARCH: Source = Source {
    name: "elasticsearch",
    kind: "elasticsearch",
    variable: Some("STEPLADDER_TEST_ELASTICSEARCH_URL"),
    make: || Elastic::make("STEPLADDER_TEST_ELASTICSEARCH_URL"),
};

pub const OPENSEARCH: Source = Source {
    name: "opensearch",
    kind: "elasticsearch",
    variable: Some("STEPLADDER_TEST_OPENSEARCH_URL"),
    make: || Elastic::make("STEPLADDER_TEST_OPENSEARCH_URL"),
};

/// An index with one document of a megabyte.
const NOISE: &str = "stepladder-test-noise";

struct Elastic {
    /// `tester:secret`
    login: Option<String>,
    /// `127.0.0.1:21500`
    server: String,
    name: String,
}

impl Elastic {
    fn make(variable: &str) -> Box<dyn Subject> {
        let url = std::env::var(variable).expect("it was looked for before");
        let rest = url.split_once("://").expect("a URL").1.trim_end_matches('/');
        let (login, server) = rest.rsplit_once('@').map_or((None, rest), |(l, s)| (Some(l.to_owned()), s));
        Box::new(Self { login, server: server.to_owned(), name: random_name() })
    }

    fn at(&self, login: Option<&str>, server: &str) -> String {
        let login = login.map(|l| format!("{l}@")).unwrap_or_default();
        format!("http://{login}{server}?prefix={0}.&ledger={0}-ledger", self.name)
    }

    fn index(&self, thing: &str) -> String {
        format!("{}.{thing}", self.name)
    }

    fn ledger_index(&self) -> String {
        format!("{}-ledger", self.name)
    }

    /// One request: status and body.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let login = self.login.as_ref().map(|l| base64::engine::general_purpose::STANDARD.encode(l));
        let login = login.map(|l| format!("authorization: Basic {l}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{login}content-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            self.server,
            body.len()
        );
        let mut stream = TcpStream::connect(&self.server).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
            true => whole(body),
            false => body.to_owned(),
        };
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    fn must(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// The documents of an index in the order of their writes: id, sequence number and contents; none without it.
    fn documents(&self, index: &str) -> Option<Vec<(String, i64, Value)>> {
        if self.ask("POST", &format!("/{index}/_refresh"), None).0 == 404 {
            return None;
        }
        let body = json!({ "size": 1000, "seq_no_primary_term": true });
        let found = self.must("POST", &format!("/{index}/_search"), Some(&body));
        let hits = found["hits"]["hits"].as_array().unwrap().iter();
        let one = |hit: &Value| {
            (hit["_id"].as_str().unwrap().to_owned(), hit["_seq_no"].as_i64().unwrap(), hit["_source"].clone())
        };
        let mut documents: Vec<_> = hits.map(one).collect();
        documents.sort_by_key(|(_, seq_no, _)| *seq_no);
        Some(documents)
    }

    /// All of this trial's indices, closed and hidden ones too.
    fn indices(&self) -> Vec<String> {
        let all = self.must("GET", "/_cat/indices?format=json&h=index&expand_wildcards=all", None);
        let names = all.as_array().unwrap().iter().map(|i| i["index"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.filter(|n| n.contains(&self.name)).collect();
        names.sort();
        names
    }

    /// Everything else that has a name: `index template x`.
    fn others(&self) -> Vec<String> {
        let mut others = Vec::new();
        for (sort, path, list) in [
            ("index template", "/_index_template", "index_templates"),
            ("component template", "/_component_template", "component_templates"),
        ] {
            let found = self.must("GET", path, None);
            let names = found[list].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned());
            others.extend(names.map(|name| (sort, name)));
        }
        for (sort, path) in [("legacy template", "/_template"), ("ingest pipeline", "/_ingest/pipeline")] {
            let (_, found) = self.ask("GET", path, None);
            let names = found.as_object().unwrap().keys().cloned();
            others.extend(names.map(|name| (sort, name)));
        }
        let mut others: Vec<String> = others
            .into_iter()
            .filter(|(_, n)| n.contains(&self.name))
            .map(|(sort, name)| format!("{sort} {name}"))
            .collect();
        others.sort();
        others
    }

    fn lease(&self) -> Option<Value> {
        let (status, found) = self.ask("GET", &format!("/{}/_doc/lease", self.ledger_index()), None);
        (status == 200).then(|| found["_source"]["lease"].clone()).filter(|lease| lease["token"].is_string())
    }

    /// Changes fields of the lease in its place, as nobody but a meddler does.
    fn change_lease(&self, changes: &[(&str, Value)]) {
        let mut lease = self.lease().expect("somebody should hold the lease");
        for (key, value) in changes {
            lease[*key] = value.clone();
        }
        self.must("PUT", &format!("/{}/_doc/lease", self.ledger_index()), Some(&json!({ "lease": lease })));
    }

    /// A statement between separators: bodies have no other end.
    fn apart(request: &str) -> String {
        format!("###\n{request}\n###")
    }

    fn make_index(&self, thing: &str, properties: &Value) -> String {
        let body = json!({
            "settings": { "number_of_shards": 1, "number_of_replicas": 0 },
            "mappings": { "dynamic": false, "properties": properties },
        });
        Self::apart(&format!("PUT /{}\n\n{body}", self.index(thing)))
    }

    fn put_index(&self, name: &str, settings: &Value) {
        let mut settings = settings.clone();
        settings["number_of_replicas"] = 0.into();
        self.must("PUT", &format!("/{name}"), Some(&json!({ "settings": { "index": settings } })));
    }
}

/// A body that came in chunks.
fn whole(mut chunks: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = chunks.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        chunks = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

impl Drop for Elastic {
    fn drop(&mut self) {
        let indices = self.indices().join(",");
        if !indices.is_empty() {
            self.ask("DELETE", &format!("/{indices}"), None);
        }
        for other in self.others() {
            let (sort, name) = other.rsplit_once(' ').unwrap();
            let path = match sort {
                "index template" => "_index_template",
                "component template" => "_component_template",
                "legacy template" => "_template",
                _ => "_ingest/pipeline",
            };
            self.ask("DELETE", &format!("/{path}/{name}"), None);
        }
    }
}

impl Subject for Elastic {
    fn url(&self) -> String {
        self.at(self.login.as_deref(), &self.server)
    }

    fn card(&self) -> &'static Card {
        ELASTICSEARCH.card()
    }

    fn create(&self, thing: &str) -> String {
        self.make_index(thing, &json!({}))
    }

    fn remove(&self, thing: &str) -> String {
        Self::apart(&format!("DELETE /{}", self.index(thing)))
    }

    fn notebook(&self) -> String {
        self.make_index("notes", &json!({ "word": { "type": "keyword" } }))
    }

    fn note(&self, word: &str) -> String {
        Self::apart(&format!("POST /{}/_doc\n\n{}", self.index("notes"), json!({ "word": word })))
    }

    fn reject(&self) -> String {
        format!("DELETE /{}", self.index("no_such_thing"))
    }

    fn sleep(&self, time: Duration) -> String {
        let path = format!("/_cluster/health?wait_for_nodes=%3E99&timeout={}ms", time.as_millis());
        Self::apart(&format!("# @expect 408\nGET {path}"))
    }

    fn shelf(&self) -> String {
        self.make_index("shelf", &json!({}))
    }

    fn keep(&self, name: &str, text: &str) -> String {
        Self::apart(&format!("PUT /{}/_doc/{name}\n\n{}", self.index("shelf"), json!({ "text": text })))
    }

    fn noise(&self, bytes: usize) -> String {
        if self.ask("HEAD", &format!("/{NOISE}"), None).0 == 404 {
            let settings = json!({ "settings": { "number_of_replicas": 0 }, "mappings": { "enabled": false } });
            self.ask("PUT", &format!("/{NOISE}"), Some(&settings));
        }
        let path = format!("/{NOISE}/_doc/{bytes}");
        self.must("PUT", &path, Some(&json!({ "noise": "noise ".repeat(bytes / 6) })));
        Self::apart(&format!("GET {path}"))
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        let mut picture = Vec::new();
        for name in self.indices() {
            let about = self.must("GET", &format!("/{name}"), None);
            picture.push(format!("{name} {} {:?}", about[&name], self.documents(&name)));
        }
        picture.extend(self.others());
        picture.join("\n")
    }

    fn things(&self) -> Vec<String> {
        let prefix = self.index("");
        let indices = self.indices();
        let own = indices.iter().filter_map(|name| name.strip_prefix(&prefix));
        let mut things: Vec<String> =
            own.filter(|name| !["notes", "shelf"].contains(name)).map(str::to_owned).collect();
        things.extend(self.others().into_iter().filter(|other| other.contains(&prefix)));
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        let documents = self.documents(&self.index("notes")).unwrap_or_default();
        documents.into_iter().map(|(_, _, note)| note["word"].as_str().unwrap().to_owned()).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        let (status, found) = self.ask("GET", &format!("/{}/_doc/{name}", self.index("shelf")), None);
        (status == 200).then(|| found["_source"]["text"].as_str().unwrap().to_owned())
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let mut documents = self.documents(&self.ledger_index()).unwrap_or_default();
        documents.retain(|(_, _, document)| document["seq"].is_number());
        documents.sort_by_key(|(_, _, document)| document["seq"].as_i64());
        let mut entries = Vec::new();
        for (_, _, document) in documents {
            if document.get("wipe").is_some() {
                entries.clear();
            }
            for entry in document["entries"].as_array().into_iter().flatten() {
                let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                entries.push((text("event"), text("direction"), text("label")));
            }
        }
        entries
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        self.lease()?["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    fn give_lease_away(&self, time: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = u64::try_from((now + time).as_millis()).unwrap();
        let changes = [("host", "elsewhere".into()), ("token", "somebody-else".into()), ("expires_ms", expires.into())];
        self.change_lease(&changes);
    }

    fn delete_lease(&self) {
        self.ask("DELETE", &format!("/{}/_doc/lease", self.ledger_index()), None);
    }

    fn move_lease_elsewhere(&self) {
        self.change_lease(&[("host", "elsewhere".into())]);
    }

    fn raise_format(&self) {
        self.must("PUT", &format!("/{}/_doc/ledger", self.ledger_index()), Some(&json!({ "format": 99 })));
    }

    fn litter(&self) {
        self.put_index(&self.index("litter"), &json!({}));
        self.must("PUT", &format!("/{}/_doc/1?refresh=true", self.index("litter")), Some(&json!({ "a": 1 })));
        self.must("PUT", &format!("/{}/_alias/{}", self.index("litter"), self.index("alias")), None);
        self.put_index(&self.index("hidden-litter"), &json!({ "hidden": true }));
        self.put_index(&self.index("closed-litter"), &json!({}));
        self.must("POST", &format!("/{}/_close", self.index("closed-litter")), None);
        self.must("PUT", &format!("/_component_template/{}", self.index("part")), Some(&json!({ "template": {} })));
        let template = json!({ "index_patterns": [self.index("made-*")], "composed_of": [self.index("part")] });
        self.must("PUT", &format!("/_index_template/{}", self.index("whole")), Some(&template));
        let legacy = json!({ "index_patterns": [self.index("old-*")] });
        self.must("PUT", &format!("/_template/{}", self.index("old")), Some(&legacy));
        self.must("PUT", &format!("/_ingest/pipeline/{}", self.index("pipe")), Some(&json!({ "processors": [] })));
    }

    fn plant_foreign(&self) {
        self.put_index(&format!("other-{}", self.name), &json!({}));
        self.put_index(&format!(".other-{}", self.name), &json!({ "hidden": true }));
        let template = json!({ "index_patterns": [format!("other-{}-*", self.name)] });
        self.must("PUT", &format!("/_index_template/other-{}", self.name), Some(&template));
    }

    fn foreign_is_there(&self) -> bool {
        let there = |path: String| self.ask("GET", &path, None).0 == 200;
        let name = &self.name;
        there(format!("/other-{name}"))
            && there(format!("/.other-{name}"))
            && there(format!("/_index_template/other-{name}"))
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let user = self.login.as_ref()?.split(':').next()?.to_owned();
        let secret = "wrong-secret-8472".to_owned();
        Some((self.at(Some(&format!("{user}:{secret}")), &self.server), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(Some(&format!("tester:{secret}")), "127.0.0.1:1"), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        self.login.as_ref()?.split_once(':').map(|(_, secret)| secret.to_owned())
    }
}
