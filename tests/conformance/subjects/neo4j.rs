//! Neo4j, observed over its HTTP interface. A Community server has one database for users, so a trial has a whole server of the
//! pool to itself while it runs, and wipes it first.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

pub const SOURCE: Source =
    Source { name: "neo4j", kind: "neo4j", variable: Some("STEPLADDER_TEST_NEO4J_URL"), make: Neo4j::make };

struct Neo4j {
    user: String,
    password: String,
    host: String,
    bolt: u16,
    name: String,
    /// Holds the server for this trial; other processes of the suite respect it too.
    _lock: File,
}

/// How long a trial may wait for a server.
const PATIENCE: Duration = Duration::from_secs(600);

impl Neo4j {
    fn make() -> Box<dyn Subject> {
        let url = std::env::var("STEPLADDER_TEST_NEO4J_URL").expect("it was looked for before");
        let (login, place) = url.split_once("://").unwrap().1.rsplit_once('@').expect("a login is needed");
        let (user, password) = login.split_once(':').expect("a password is needed");
        let (host, port) = place.trim_end_matches('/').split_once(':').expect("a port is needed");
        // The HTTP port of each is its Bolt port plus one.
        let pool = std::env::var("STEPLADDER_TEST_NEO4J_POOL").unwrap_or_else(|_| port.to_owned());
        let ports: Vec<u16> = pool.split_whitespace().map(|p| p.parse().unwrap()).collect();
        let (bolt, lock) = claim(&ports);
        let subject = Self {
            user: user.to_owned(),
            password: password.to_owned(),
            host: host.to_owned(),
            bolt,
            name: random_name(),
            _lock: lock,
        };
        subject.clean();
        Box::new(subject)
    }

    fn at(&self, user: &str, password: &str, port: u16) -> String {
        format!("neo4j://{user}:{password}@{}:{port}", self.host)
    }

    fn clean(&self) {
        for name in self.names("SHOW CONSTRAINTS YIELD name RETURN name") {
            self.ask(&format!("DROP CONSTRAINT `{}`", name.replace('`', "``")));
        }
        for name in self.names("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name") {
            self.ask(&format!("DROP INDEX `{}`", name.replace('`', "``")));
        }
        self.ask("MATCH (n) DETACH DELETE n");
    }

    /// Rows of what a statement returns.
    fn ask(&self, statement: &str) -> Vec<Vec<Value>> {
        self.ask_in("neo4j", statement)
    }

    fn ask_in(&self, database: &str, statement: &str) -> Vec<Vec<Value>> {
        let mut tries = 0;
        loop {
            let answer = self.post(database, statement);
            let errors = answer["errors"].as_array().unwrap();
            let passing = errors.iter().any(|e| e["code"].as_str().unwrap().starts_with("Neo.TransientError"));
            if passing && tries < 50 {
                tries += 1;
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            assert!(errors.is_empty(), "{statement}: {errors:?}");
            let data = answer["results"][0]["data"].as_array().unwrap();
            return data.iter().map(|row| row["row"].as_array().unwrap().clone()).collect();
        }
    }

    /// HTTP 1.0, so that the answer ends with the connection.
    fn post(&self, database: &str, statement: &str) -> Value {
        let body = json!({ "statements": [{ "statement": statement }] }).to_string();
        let login = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut stream = TcpStream::connect((self.host.as_str(), self.bolt + 1)).expect("the HTTP port is needed");
        let head = format!(
            "POST /db/{database}/tx/commit HTTP/1.0\r\nAuthorization: Basic {login}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, json) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}: {answer}"))
    }

    fn names(&self, statement: &str) -> Vec<String> {
        self.ask(statement).iter().map(|row| row[0].as_str().unwrap().to_owned()).collect()
    }

    fn foreign(&self) -> String {
        format!("{}_foreign", self.name)
    }

    fn drop_user(&self, user: &str) {
        self.ask_in("system", &format!("DROP USER `{user}` IF EXISTS"));
    }
}

/// Waits for a server that no other trial uses.
fn claim(ports: &[u16]) -> (u16, File) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        for port in ports {
            let path = std::env::temp_dir().join(format!("stepladder-conformance-neo4j-{port}.lock"));
            let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
            // SAFETY: `flock` takes any descriptor, and this one is open.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return (*port, file);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no server became free; STEPLADDER_TEST_NEO4J_POOL needs the ports of two at least");
}

impl Drop for Neo4j {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.clean();
            self.drop_user(&self.foreign());
            self.drop_user(&self.name);
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

const NOW: &str = "datetime.realtime().epochMillis";
const OURS: [&str; 3] = ["StepladderMigration", "StepladderMeta", "StepladderLease"];

impl Subject for Neo4j {
    fn url(&self) -> String {
        self.at(&self.user, &self.password, self.bolt)
    }

    fn card(&self) -> &'static Card {
        SOURCE.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("CREATE CONSTRAINT `{thing}` FOR (n:`{thing}`) REQUIRE n.id IS UNIQUE;")
    }

    fn remove(&self, thing: &str) -> String {
        format!("DROP CONSTRAINT `{thing}`;")
    }

    fn notebook(&self) -> String {
        "CREATE INDEX notes FOR (n:Note) ON (n.at);".to_owned()
    }

    fn note(&self, word: &str) -> String {
        format!("OPTIONAL MATCH (o:Note) WITH count(o) AS at CREATE (:Note {{at: at, word: {}}});", quoted(word))
    }

    fn reject(&self) -> String {
        "MATCH (n) RETURN no_such_thing;".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        format!("CALL stepladder.sleep({});", time.as_millis())
    }

    fn shelf(&self) -> String {
        "CREATE INDEX shelf FOR (n:Shelf) ON (n.name);".to_owned()
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("CREATE (:Shelf {{name: '{name}', content: {}}});", quoted(text))
    }

    fn noise(&self, bytes: usize) -> String {
        format!("UNWIND range(1, {}) AS x RETURN '{}' + x AS noise;", bytes / 1000, "noise ".repeat(170))
    }

    fn comment(&self, text: &str) -> String {
        format!("// {text}")
    }

    fn picture(&self) -> String {
        let parts = [
            "MATCH (n) RETURN id(n), labels(n), properties(n) ORDER BY id(n)",
            "MATCH ()-[r]->() RETURN id(r), type(r), properties(r) ORDER BY id(r)",
            "SHOW CONSTRAINTS YIELD name, type, labelsOrTypes, properties RETURN name, type, labelsOrTypes, properties ORDER BY name",
            "SHOW INDEXES YIELD name, type, labelsOrTypes, properties RETURN name, type, labelsOrTypes, properties ORDER BY name",
            "CALL db.labels() YIELD label RETURN label ORDER BY label",
            "CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey ORDER BY propertyKey",
        ];
        parts.map(|part| format!("{:?}", self.ask(part))).join("\n")
    }

    fn things(&self) -> Vec<String> {
        let ours = "NOT name STARTS WITH 'stepladder_ledger_'";
        let mut things = self.names(&format!("SHOW CONSTRAINTS YIELD name WHERE {ours} RETURN name"));
        // An index that a constraint made has its name.
        let indexes = self.names(&format!(
            "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' AND {ours} AND NOT name IN ['notes', 'shelf'] RETURN name"
        ));
        let alone: Vec<String> = indexes.into_iter().filter(|name| !things.contains(name)).collect();
        things.extend(alone);
        let labels = self
            .names("MATCH (n) UNWIND CASE labels(n) WHEN [] THEN ['none'] ELSE labels(n) END AS l RETURN DISTINCT l");
        let other = |label: &String| !OURS.contains(&label.as_str()) && !["Note", "Shelf"].contains(&label.as_str());
        things.extend(labels.into_iter().filter(other).map(|label| format!(":{label}")));
        things.extend(self.names("MATCH ()-[r]->() RETURN DISTINCT '-' + type(r)"));
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        self.names("MATCH (n:Note) RETURN n.word ORDER BY n.at")
    }

    fn kept(&self, name: &str) -> Option<String> {
        self.names(&format!("MATCH (n:Shelf {{name: '{name}'}}) RETURN n.content")).pop()
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let rows = self.ask("MATCH (e:StepladderMigration) RETURN e.event, e.direction, e.label ORDER BY e.seq");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        rows.iter().map(|row| (text(&row[0]), text(&row[1]), text(&row[2]))).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        let rows = self.ask("MATCH (l:StepladderLease) RETURN l.pid");
        u32::try_from(rows.first()?[0].as_u64()?).ok()
    }

    fn at_work(&self) -> usize {
        let rows = self.ask(
            "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery STARTS WITH 'CALL stepladder' RETURN count(*)",
        );
        usize::try_from(rows[0][0].as_u64().unwrap()).unwrap()
    }

    fn give_lease_away(&self, time: Duration) {
        self.ask(&format!(
            "MATCH (l:StepladderLease) SET l.host = 'elsewhere', l.token = 'somebody-else', l.expires = {NOW} + {}",
            time.as_millis()
        ));
    }

    fn delete_lease(&self) {
        self.ask("MATCH (l:StepladderLease) DELETE l");
    }

    fn move_lease_elsewhere(&self) {
        self.ask("MATCH (l:StepladderLease) SET l.host = 'elsewhere'");
    }

    fn raise_format(&self) {
        self.ask("MATCH (m:StepladderMeta) SET m.format = 99");
    }

    fn litter(&self) {
        for statement in [
            "CREATE (a:Litter {n: 1})-[:DROPPED {at: date()}]->(:Litter:`it's a \"label\"; 🪜`), (), (a)-[:DROPPED]->(a)",
            "UNWIND range(1, 25000) AS n CREATE (:Many {n: n})",
            "CREATE INDEX `litter ``index``; DROP` FOR (n:Litter) ON (n.n, n.m)",
            "CREATE INDEX litter_relationship FOR ()-[r:DROPPED]-() ON (r.at)",
            "CREATE TEXT INDEX litter_text FOR (n:Litter) ON (n.t)",
            "CREATE POINT INDEX litter_point FOR (n:Litter) ON (n.p)",
            "CREATE FULLTEXT INDEX litter_words FOR (n:Litter|Many) ON EACH [n.t]",
            "CREATE CONSTRAINT stepladder_litter FOR (n:Litter) REQUIRE (n.a, n.b) IS UNIQUE",
            "CREATE (:StepladderLitter)",
        ] {
            self.ask(statement);
        }
    }

    fn plant_foreign(&self) {
        self.ask_in("system", &format!("CREATE USER `{}` SET PASSWORD 'foreign-4711'", self.foreign()));
    }

    fn foreign_is_there(&self) -> bool {
        let users = self.ask_in("system", "SHOW USERS YIELD user RETURN user");
        let lookups = self.names("SHOW INDEXES YIELD name, type WHERE type = 'LOOKUP' RETURN name");
        lookups.len() == 2 && users.iter().any(|row| row[0] == json!(self.foreign()))
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        // Three wrong ones lock a user out for a while, the observer too.
        self.ask_in("system", &format!("CREATE USER `{}` SET PASSWORD 'the-right-one' CHANGE NOT REQUIRED", self.name));
        let secret = "wrong-secret-8472".to_owned();
        Some((self.at(&self.name, &secret, self.bolt), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(&self.user, &secret, 1), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        Some(self.password.clone())
    }
}
