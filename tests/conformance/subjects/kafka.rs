//! Kafka, through its own tools and built in, observed with kcat. A trial's topics begin with a prefix of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

const VARIABLE: &str = "STEPLADDER_TEST_KAFKA_URL";

pub const TOOLS: Source =
    Source { name: "kafka", kind: "kafka", variable: Some(VARIABLE), make: || Kafka::make(std::env::var(BIN).ok()) };

pub const BUILTIN: Source = Source {
    name: "kafka-builtin",
    kind: "kafka",
    variable: Some(VARIABLE),
    make: || Kafka::make(Some("builtin".to_owned())),
};

/// Where Kafka's tools are; without it they are looked for on PATH.
const BIN: &str = "STEPLADDER_TEST_KAFKA_BIN";
/// A listener without a login, for the observer.
const OPEN: &str = "STEPLADDER_TEST_KAFKA_OPEN_URL";

/// Longer texts are kept in few records: each costs the console producer a round trip.
const LONG: usize = 64 << 10;

struct Kafka {
    url: String,
    brokers: String,
    name: String,
    client: Option<String>,
}

/// A record as kcat shows it.
struct Seen {
    offset: i64,
    at_ms: i64,
    key: String,
    value: String,
}

impl Kafka {
    fn make(client: Option<String>) -> Box<dyn Subject> {
        let url = std::env::var(VARIABLE).expect("it was looked for before");
        let open = std::env::var(OPEN).unwrap_or_else(|_| url.clone());
        let brokers = open.rsplit(['/', '@']).next().unwrap().split('?').next().unwrap().to_owned();
        let url = url.split('?').next().unwrap().to_owned();
        Box::new(Self { url, brokers, name: random_name(), client })
    }

    fn with(&self, url: &str) -> String {
        let name = &self.name;
        let client = self.client.as_ref().map(|c| format!("&client={c}")).unwrap_or_default();
        format!("{url}?prefix={name}.&ledger={name}.ledger{client}")
    }

    fn topic(&self, thing: &str) -> String {
        format!("{}.{thing}", self.name)
    }

    fn kcat(&self, arguments: &[&str], input: &str) -> Option<String> {
        let mut child = Command::new("kcat")
            .args(["-b", &self.brokers, "-q", "-X", "fetch.wait.max.ms=10"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("kcat is needed to look from outside");
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The partitions of every topic.
    fn topics(&self) -> BTreeMap<String, usize> {
        let text = self.kcat(&["-L", "-J"], "").expect("the broker does not answer kcat");
        let all: Value = serde_json::from_str(&text).unwrap();
        let topics = all["topics"].as_array().unwrap().iter();
        topics.map(|t| (t["topic"].as_str().unwrap().to_owned(), t["partitions"].as_array().unwrap().len())).collect()
    }

    /// The records of a topic, in order; none without it.
    fn records(&self, topic: &str) -> Vec<Seen> {
        let Some(text) = self.kcat(&["-C", "-J", "-e", "-o", "beginning", "-t", topic], "") else { return Vec::new() };
        let one = |line: &str| {
            let seen: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| seen[name].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| seen[name].as_i64().unwrap();
            Seen { offset: number("offset"), at_ms: number("ts"), key: text("key"), value: text("payload") }
        };
        text.lines().map(one).collect()
    }

    fn append(&self, record: &Value) {
        let topic = self.topic("ledger");
        self.kcat(&["-P", "-t", &topic, "-p", "0"], &record.to_string()).expect("kcat could not write");
    }

    /// Runs one of Kafka's own tools.
    fn tool(&self, name: &str, arguments: &[&str]) {
        let program = std::env::var(BIN).map_or_else(|_| name.to_owned(), |bin| format!("{bin}/{name}"));
        let output =
            Command::new(program).args(["--bootstrap-server", &self.brokers]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    }

    /// Entries and lease, added up from the ledger's records by the rules of docs/stores.md.
    fn ledger_and_claim(&self) -> (Vec<(String, String, String)>, Option<Value>) {
        let mut entries = Vec::new();
        let mut claim: Option<(Value, i64)> = None;
        for seen in self.records(&self.topic("ledger")) {
            let record: Value = serde_json::from_str(&seen.value).unwrap();
            let holds =
                |claim: &Option<(Value, i64)>, token: &Value| claim.as_ref().is_some_and(|(c, _)| c["token"] == *token);
            let lease = seen.at_ms + record["lease_ms"].as_i64().unwrap_or(0);
            let ours = holds(&claim, &record["token"]);
            match record["op"].as_str().unwrap() {
                "claim" => {
                    let free = claim
                        .as_ref()
                        .is_none_or(|(c, expires)| *expires <= seen.at_ms || record["over"] == c["token"]);
                    if free && claim.is_some() {
                        entries.push(["unlocked", "up", ""].map(str::to_owned).into());
                    }
                    if free || ours {
                        claim = Some((record, lease));
                    }
                }
                "unlock" if holds(&claim, &record["seen"]) => claim = None,
                "renew" if ours => claim = claim.map(|(c, _)| (c, lease)),
                "release" if ours => claim = None,
                "wipe" if ours => entries.clear(),
                "entry" if ours => {
                    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                    entries.push((text("event"), text("direction"), text("label")));
                }
                _ => {}
            }
        }
        (entries, claim.map(|(claim, _)| claim))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.tool(
                "kafka-topics",
                &["--delete", "--if-exists", "--topic", &format!("(conf_other_)?{}.*", self.name)],
            );
        }
    }
}

impl Subject for Kafka {
    fn url(&self) -> String {
        self.with(&self.url)
    }

    fn card(&self) -> &'static Card {
        TOOLS.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("kafka-topics --create --topic {} --partitions 1 --replication-factor 1", self.topic(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("kafka-topics --delete --topic {}", self.topic(thing))
    }

    fn notebook(&self) -> String {
        self.create("notes")
    }

    fn note(&self, word: &str) -> String {
        format!("kafka-console-producer --topic {} <<< {}", self.topic("notes"), shell_words::quote(word))
    }

    fn reject(&self) -> String {
        format!("kafka-topics --alter --topic {} --partitions 3", self.topic("no_such_topic"))
    }

    fn sleep(&self, time: Duration) -> String {
        match time < Duration::from_secs(1) {
            true => format!("sleep {}", time.as_secs_f64()),
            // A tool, so that there is a client to be ended.
            false => format!(
                "kafka-console-consumer --topic stepladder-test-quiet --partition 0 --offset latest --timeout-ms {}",
                time.as_millis()
            ),
        }
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(if self.client.as_deref() == Some("builtin") { 2 } else { 8 })
    }

    fn shelf(&self) -> String {
        self.create("shelf")
    }

    fn keep(&self, name: &str, text: &str) -> String {
        let mut script = format!(
            "kafka-console-producer --topic {} --property parse.key=true --property key.separator=: <<'THE END'\n",
            self.topic("shelf")
        );
        if text.len() < LONG {
            text.split('\n').for_each(|line| _ = writeln!(script, "{name}:{line}"));
        } else {
            let lines: Vec<&str> = text.split_inclusive('\n').collect();
            for some in lines.chunks(2000) {
                _ = writeln!(script, "{name}*:{}", some.concat().replace('\\', "\\\\").replace('\n', "\\n"));
            }
        }
        script + "THE END"
    }

    fn noise(&self, _: usize) -> String {
        // A megabyte lies in there.
        "kafka-console-consumer --topic stepladder-test-noise --partition 0 --from-beginning --timeout-ms 500"
            .to_owned()
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        let topics = self.topics();
        let seen = topics.iter().filter(|(name, _)| name.starts_with(&self.name) || !name.starts_with("conf_"));
        let mut picture = String::new();
        for (name, partitions) in seen {
            _ = writeln!(picture, "{name} {partitions}");
        }
        picture + &self.dump()
    }

    fn things(&self) -> Vec<String> {
        let prefix = self.topic("");
        let topics = self.topics();
        let own = topics.keys().filter_map(|name| name.strip_prefix(&prefix));
        own.filter(|name| !["ledger", "notes", "shelf"].contains(name)).map(str::to_owned).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.records(&self.topic("notes")).into_iter().map(|seen| seen.value).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        let records = self.records(&self.topic("shelf"));
        let of =
            |key: String| records.iter().filter(move |s| s.key == key).map(|s| s.value.as_str()).collect::<Vec<_>>();
        let (lines, pieces) = (of(name.to_owned()), of(format!("{name}*")));
        match (lines.is_empty(), pieces.is_empty()) {
            (true, true) => None,
            (false, _) => Some(lines.join("\n")),
            (true, false) => {
                let text = pieces.concat();
                let parts = text.split("\\\\").map(|part| part.replace("\\n", "\n"));
                Some(parts.collect::<Vec<_>>().join("\\"))
            }
        }
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        self.ledger_and_claim().0
    }

    fn dump(&self) -> String {
        let prefix = self.topic("");
        let mut dump = String::new();
        for topic in self.topics().keys().filter(|name| name.starts_with(&prefix)) {
            for seen in self.records(topic) {
                _ = writeln!(dump, "{topic} {} {} {} {}", seen.offset, seen.at_ms, seen.key, seen.value);
            }
        }
        dump
    }

    fn lease_pid(&self) -> Option<u32> {
        u32::try_from(self.ledger_and_claim().1?["owner"]["pid"].as_u64()?).ok()
    }

    fn give_lease_away(&self, time: Duration) {
        let claim = self.ledger_and_claim().1.expect("somebody should hold the lease");
        let mut owner = claim["owner"].clone();
        owner["host"] = json!("elsewhere");
        self.append(&json!({
            "format": 1, "id": random_name(), "token": "somebody-else", "op": "claim", "owner": owner,
            "lease_ms": u64::try_from(time.as_millis()).unwrap(), "over": claim["token"],
        }));
    }

    fn delete_lease(&self) {
        let Some(claim) = self.ledger_and_claim().1 else { return };
        self.append(&json!({ "format": 1, "id": random_name(), "token": claim["token"], "op": "release" }));
    }

    fn move_lease_elsewhere(&self) {
        let mut claim = self.ledger_and_claim().1.expect("somebody should hold the lease");
        claim["owner"]["host"] = json!("elsewhere");
        claim["id"] = json!(random_name());
        self.append(&claim);
    }

    fn raise_format(&self) {
        self.append(&json!({ "format": 99, "id": random_name(), "token": "", "op": "foretell" }));
    }

    fn litter(&self) {
        let make = |name: &str, more: &[&str]| {
            self.tool("kafka-topics", &[&["--create", "--topic", &self.topic(name)], more].concat());
        };
        make("litter", &["--partitions", "3", "--config", "cleanup.policy=compact"]);
        make("_stepladder", &[]);
        make("litter.__of-a_kind", &[]);
    }

    fn plant_foreign(&self) {
        self.tool("kafka-topics", &["--create", "--topic", &format!("conf_other_{}", self.name)]);
    }

    fn foreign_is_there(&self) -> bool {
        let topics = self.topics();
        topics.contains_key(&format!("conf_other_{}", self.name)) && topics.contains_key("stepladder-test-quiet")
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let (login, place) = self.url.rsplit_once('@')?;
        let user = login.rsplit_once(':')?.0;
        let secret = "wrong-secret-8472".to_owned();
        Some((self.with(&format!("{user}:{secret}@{place}")), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.with(&format!("kafka://tester:{secret}@127.0.0.1:1")), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        let login = self.url.split_once("://")?.1.rsplit_once('@')?.0;
        login.split_once(':').map(|(_, secret)| secret.to_owned())
    }
}
