//! InfluxDB 2: a trial has an organisation of its own. Scripts are requests of its API.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stepladder::stores::Card;

use super::{LEASE, Server, entries, escaped, field, open};
use crate::subject::{Source, Subject, random_name};

const VARIABLE: &str = "STEPLADDER_TEST_INFLUXDB2_URL";

pub const SECOND: Source =
    Source { name: "influxdb2", kind: "influxdb", variable: Some(VARIABLE), make: || Box::new(Second::make()) };

const JSON: &str = "application/json";
const LEDGER: &str = "stepladder";

struct Second {
    /// With the token that may everything.
    server: Server,
    /// With one of the organisation's own, as InfluxQL needs it.
    reader: Server,
    token: String,
    name: String,
    org: String,
    other: String,
}

impl Second {
    fn make() -> Self {
        let url = std::env::var(VARIABLE).expect("it was looked for before");
        let place = url.split_once("://").expect("a URL").1.trim_end_matches('/').to_owned();
        let token = std::env::var("STEPLADDER_TEST_INFLUXDB2_TOKEN").expect("a token is needed");
        let server = Server { place, login: format!("Token {token}") };
        let name = random_name();
        let org = |name: &str| {
            let body = json!({ "name": name }).to_string();
            server.json("POST", "/api/v2/orgs", JSON, &body)["id"].as_str().unwrap().to_owned()
        };
        let (id, other) = (org(&name), org(&format!("other_{name}")));
        let may = |action: &str| json!({ "action": action, "resource": { "type": "buckets", "orgID": id } });
        let body = json!({ "orgID": id, "permissions": [may("read"), may("write")] }).to_string();
        let made = server.json("POST", "/api/v2/authorizations", JSON, &body);
        let login = format!("Token {}", made["token"].as_str().unwrap());
        let reader = Server { place: server.place.clone(), login };
        Self { server, reader, token, name, org: id, other }
    }

    fn at(&self, token: &str, place: &str) -> String {
        format!("http://{token}@{place}?org={}", self.name)
    }

    fn get(&self, path: &str) -> Value {
        self.server.json("GET", path, JSON, "")
    }

    fn post(&self, path: &str, body: &Value) {
        self.server.json("POST", path, JSON, &body.to_string());
    }

    /// The results of a query in a bucket: rows of values; none without the bucket.
    fn rows(&self, bucket: &str, query: &str) -> Option<Vec<Value>> {
        let path = format!("/query?epoch=ns&db={}", escaped(bucket));
        let answer =
            self.reader.json("POST", &path, "application/x-www-form-urlencoded", &format!("q={}", escaped(query)));
        let result = &answer["results"][0];
        if result["error"].is_string() {
            return None;
        }
        let series = result["series"].as_array().cloned().unwrap_or_default();
        Some(series.iter().flat_map(|s| s["values"].as_array().cloned().unwrap_or_default()).collect())
    }

    fn write(&self, bucket: &str, points: &str) {
        let path = format!("/api/v2/write?bucket={}&orgID={}&precision=ns", escaped(bucket), self.org);
        self.server.json("POST", &path, "text/plain", points);
    }

    fn buckets(&self) -> Vec<Value> {
        let found = self.get(&format!("/api/v2/buckets?orgID={}&limit=100", self.org));
        found["buckets"].as_array().unwrap().iter().filter(|b| b["type"] == "user").cloned().collect()
    }

    fn tasks(&self) -> Vec<Value> {
        self.get(&format!("/api/v2/tasks?orgID={}", self.org))["tasks"].as_array().cloned().unwrap_or_default()
    }

    fn records(&self) -> Vec<(i64, Value)> {
        let rows = self.rows(LEDGER, "SELECT record FROM entries").unwrap_or_default();
        let read = |text: &Value| serde_json::from_str(text.as_str().unwrap()).unwrap();
        rows.iter().map(|row| (row[0].as_i64().unwrap(), read(&row[1]))).collect()
    }

    fn append(&self, place: i64, record: &str) {
        self.write(LEDGER, &format!("entries record={} {place}", field(record)));
    }

    /// The highest claim: its number, its mark and its bucket.
    fn claim(&self) -> Option<(i64, String, String)> {
        let text = |b: &Value, key: &str| b[key].as_str().unwrap_or_default().to_owned();
        let one = |bucket: &Value| {
            let number = text(bucket, "name").strip_prefix("stepladder.lease_")?.parse().ok()?;
            Some((number, text(bucket, "description"), text(bucket, "id")))
        };
        self.buckets().iter().filter_map(one).max()
    }

    /// What is known of a claim's holder.
    fn owner(&self, mark: &str) -> Option<Value> {
        let rows = self.rows(LEDGER, &format!("SELECT owner FROM leases WHERE mark = '{mark}'"))?;
        serde_json::from_str(rows.first()?[1].as_str()?).ok()
    }

    fn request(head: &str, content_type: &str, body: &str) -> String {
        format!("###\n{head}\nContent-Type: {content_type}\n\n{body}\n###")
    }

    fn flux(query: &str) -> String {
        Self::request("POST /api/v2/query", "application/vnd.flux", query)
    }
}

/// A page that answers after so many milliseconds as its path says: what a query may hang on.
fn slow_page() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut request = [0; 4096];
                    let length = stream.read(&mut request).unwrap_or(0);
                    let text = String::from_utf8_lossy(&request[..length]).into_owned();
                    let path = text.split(' ').nth(1).unwrap_or_default();
                    thread::sleep(Duration::from_millis(path.trim_start_matches('/').parse().unwrap_or(0)));
                    _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                });
            }
        });
        port
    })
}

impl Drop for Second {
    fn drop(&mut self) {
        if !thread::panicking() {
            for bucket in self.buckets() {
                self.server.ask("DELETE", &format!("/api/v2/buckets/{}", bucket["id"].as_str().unwrap()), JSON, "");
            }
            for org in [&self.org, &self.other] {
                self.server.ask("DELETE", &format!("/api/v2/orgs/{org}"), JSON, "");
            }
        }
    }
}

impl Subject for Second {
    fn url(&self) -> String {
        self.at(&self.token, &self.server.place)
    }

    fn card(&self) -> &'static Card {
        SECOND.card()
    }

    fn extension(&self) -> &'static str {
        "http"
    }

    fn create(&self, thing: &str) -> String {
        Self::request("POST /api/v2/buckets", JSON, &json!({ "name": thing }).to_string())
    }

    fn remove(&self, thing: &str) -> String {
        format!("###\nDELETE /api/v2/buckets?name={thing}\n###")
    }

    fn notebook(&self) -> String {
        self.create("notes")
    }

    fn note(&self, word: &str) -> String {
        Self::request("POST /api/v2/write?bucket=notes", "text/plain", &format!("notes word={}", field(word)))
    }

    fn reject(&self) -> String {
        "DELETE /api/v2/buckets?name=no_such_thing".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        let url = format!("http://127.0.0.1:{}/{}", slow_page(), time.as_millis());
        Self::flux(&format!(
            "import \"array\"\nimport \"http/requests\"\nanswer = requests.get(url: \"{url}\")\n\
             array.from(rows: [{{_value: answer.statusCode}}])"
        ))
    }

    fn shelf(&self) -> String {
        self.create("shelf")
    }

    fn keep(&self, name: &str, text: &str) -> String {
        // A field takes a mebibyte at most.
        let characters: Vec<char> = text.chars().collect();
        let fields = characters.chunks(200_000).enumerate().map(|(at, some)| {
            let some: String = some.iter().collect();
            format!("text_{at}={}", field(&some))
        });
        let point = format!("shelf,name={name} {} 1", fields.collect::<Vec<_>>().join(","));
        Self::request("POST /api/v2/write?bucket=shelf&precision=ns", "text/plain", &point)
    }

    fn noise(&self, bytes: usize) -> String {
        // An answer of so many bytes: that of a variable which holds them.
        let body = json!({
            "orgID": self.org, "name": "noise",
            "arguments": { "type": "constant", "values": ["noise ".repeat(bytes / 6 + 1)] },
        });
        self.server.ask("POST", "/api/v2/variables", JSON, &body.to_string());
        "###\nGET /api/v2/variables\n###".to_owned()
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        let mut picture = self.dump();
        for thing in self.buckets().iter().chain(&self.tasks()) {
            _ = writeln!(picture, "{thing}");
        }
        picture
    }

    fn things(&self) -> Vec<String> {
        let name = |thing: &Value| thing["name"].as_str().unwrap().to_owned();
        let mut things: Vec<String> = self.buckets().iter().chain(&self.tasks()).map(name).collect();
        let lease = |name: &str| name.strip_prefix("stepladder.lease_").is_some_and(|n| n.parse::<i64>().is_ok());
        things.retain(|name| ![LEDGER, "notes", "shelf"].contains(&name.as_str()) && !lease(name));
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        let rows = self.rows("notes", "SELECT word FROM notes");
        rows.unwrap_or_default().iter().map(|row| row[1].as_str().unwrap().to_owned()).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        let rows = self.rows("shelf", &format!("SELECT /text_/ FROM shelf WHERE \"name\" = '{name}'"))?;
        Some(rows.first()?.as_array()?[1..].iter().filter_map(Value::as_str).collect())
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        entries(self.records())
    }

    fn dump(&self) -> String {
        let mut dump = String::new();
        for bucket in self.buckets() {
            let name = bucket["name"].as_str().unwrap();
            for row in self.rows(name, "SELECT * FROM /.*/").unwrap_or_default() {
                _ = writeln!(dump, "{name}: {row}");
            }
        }
        dump
    }

    fn lease_pid(&self) -> Option<u32> {
        let owner = self.owner(&self.claim()?.1)?;
        owner["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    fn give_lease_away(&self, time: Duration) {
        let (number, mark, id) = self.claim().expect("somebody should hold the lease");
        let mut owner = self.owner(&mark).expect("the holder should be known");
        owner["host"] = json!("elsewhere");
        owner["token"] = json!("somebody-else");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = (now + time).as_millis();
        let number = number + 1;
        let known =
            format!("owner={},renewed=\"{}\",expires=\"{expires}\"", field(&owner.to_string()), now.as_millis());
        self.write(LEDGER, &format!("leases,mark=somebody-else {known} {number}"));
        let name = format!("stepladder.lease_{number}");
        let bucket = json!({ "orgID": self.org, "name": name, "description": "somebody-else", "retentionRules": [] });
        self.post("/api/v2/buckets", &bucket);
        let last = self.records().iter().map(|(place, _)| *place).max().unwrap_or(0);
        self.append(number * LEASE + 1, &open(last));
        self.server.ask("DELETE", &format!("/api/v2/buckets/{id}"), JSON, "");
    }

    fn delete_lease(&self) {
        let Some((_, _, id)) = self.claim() else { return };
        self.server.ask("DELETE", &format!("/api/v2/buckets/{id}"), JSON, "");
    }

    fn move_lease_elsewhere(&self) {
        let (number, mark, _) = self.claim().expect("somebody should hold the lease");
        let mut owner = self.owner(&mark).expect("the holder should be known");
        owner["host"] = json!("elsewhere");
        self.write(LEDGER, &format!("leases,mark={mark} owner={} {number}", field(&owner.to_string())));
    }

    fn raise_format(&self) {
        let last = self.records().iter().map(|(place, _)| *place).max().unwrap_or(0);
        self.append(last + 1, &json!({ "format": 99, "token": "", "op": "foretell" }).to_string());
    }

    fn litter(&self) {
        for name in ["litter", "it's a thing; 🪜", "stepladder.lease_x", "stepladder_litter"] {
            let rules = json!([{ "type": "expire", "everySeconds": 86400 }]);
            self.post("/api/v2/buckets", &json!({ "orgID": self.org, "name": name, "retentionRules": rules }));
            self.write(name, "m,tag=a v=1\nm,tag=b v=2");
        }
        let flux = "option task = {name: \"litter task\", every: 1h}\nfrom(bucket: \"litter\") |> range(start: -1h)";
        self.post("/api/v2/tasks", &json!({ "orgID": self.org, "flux": flux }));
    }

    fn plant_foreign(&self) {
        self.post("/api/v2/buckets", &json!({ "orgID": self.other, "name": "foreign" }));
    }

    fn foreign_is_there(&self) -> bool {
        let names = |org: &str| {
            let found = self.get(&format!("/api/v2/buckets?orgID={org}&limit=100"));
            found["buckets"].as_array().unwrap().iter().map(|b| b["name"].clone()).collect::<Vec<_>>()
        };
        let own = names(&self.org);
        names(&self.other).contains(&json!("foreign"))
            && own.contains(&json!("_monitoring"))
            && own.contains(&json!("_tasks"))
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let secret = "wrong-secret-8472".to_owned();
        Some((self.at(&secret, &self.server.place), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(&secret, "127.0.0.1:1"), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        Some(self.token.clone())
    }
}
