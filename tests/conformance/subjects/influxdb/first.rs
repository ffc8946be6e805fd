//! InfluxDB 1: a trial's databases begin with a name of its own.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use serde_json::{Value, json};
use stepladder::stores::Card;

use super::{LEASE, Server, entries, escaped, field, open};
use crate::subject::{Source, Subject, random_name};

const VARIABLE: &str = "STEPLADDER_TEST_INFLUXDB_URL";

pub const FIRST: Source =
    Source { name: "influxdb", kind: "influxdb", variable: Some(VARIABLE), make: || Box::new(First::make()) };

const FORM: &str = "application/x-www-form-urlencoded";
/// Holds a megabyte that every trial may read.
const NOISE: &str = "stepladder_test_noise";

struct First {
    server: Server,
    user: String,
    password: String,
    name: String,
}

/// The highest claim, as an outsider sees it.
struct Claim {
    number: i64,
    /// Its retention policy.
    policy: String,
    mark: String,
}

impl First {
    fn make() -> Self {
        let url = std::env::var(VARIABLE).expect("it was looked for before");
        let rest = url.split_once("://").expect("a URL").1.trim_end_matches('/');
        let (login, place) = rest.rsplit_once('@').expect("a login is needed");
        let (user, password) = login.split_once(':').expect("a password is needed");
        let basic = base64::engine::general_purpose::STANDARD.encode(login);
        let server = Server { place: place.to_owned(), login: format!("Basic {basic}") };
        Self { server, user: user.to_owned(), password: password.to_owned(), name: random_name() }
    }

    fn at(&self, password: &str, place: &str) -> String {
        let name = &self.name;
        format!("http://{}:{password}@{place}/{name}?databases={name}_*&ledger={}", self.user, self.ledger_name())
    }

    fn ledger_name(&self) -> String {
        self.database("ledger")
    }

    fn database(&self, thing: &str) -> String {
        format!("{}_{thing}", self.name)
    }

    /// The results of one statement: rows of values; none when it is refused.
    fn rows(&self, statement: &str) -> Option<Vec<Value>> {
        let answer = self.server.json("POST", "/query?epoch=ns", FORM, &format!("q={}", escaped(statement)));
        let result = &answer["results"][0];
        if result["error"].is_string() {
            return None;
        }
        let series = result["series"].as_array().cloned().unwrap_or_default();
        Some(series.iter().flat_map(|s| s["values"].as_array().cloned().unwrap_or_default()).collect())
    }

    fn must(&self, statement: &str) -> Vec<Value> {
        self.rows(statement).unwrap_or_else(|| panic!("{statement} was refused"))
    }

    fn write(&self, database: &str, points: &str) {
        self.server.json("POST", &format!("/write?db={}&precision=n", escaped(database)), "text/plain", points);
    }

    /// The trial's databases, and those of the server that are nobody's.
    fn databases(&self) -> Vec<String> {
        let rows = self.must("SHOW DATABASES");
        let names = rows.iter().map(|row| row[0].as_str().unwrap().to_owned());
        names.filter(|name| name.starts_with(&self.name)).collect()
    }

    fn records(&self) -> Vec<(i64, Value)> {
        let rows = self.rows(&format!("SELECT record FROM \"{}\"..entries", self.ledger_name())).unwrap_or_default();
        let read = |text: &Value| serde_json::from_str(text.as_str().unwrap()).unwrap();
        rows.iter().map(|row| (row[0].as_i64().unwrap(), read(&row[1]))).collect()
    }

    fn append(&self, place: i64, record: &str) {
        self.write(&self.ledger_name(), &format!("entries record={} {place}", field(record)));
    }

    fn claim(&self) -> Option<Claim> {
        let rows = self.rows(&format!("SHOW RETENTION POLICIES ON \"{}\"", self.ledger_name()))?;
        let mut claims: Vec<Claim> = rows
            .iter()
            .filter_map(|row| {
                let policy = row[0].as_str()?;
                let number = policy.strip_prefix("lease_")?.parse().ok()?;
                Some(Claim { number, policy: policy.to_owned(), mark: nanoseconds(row[1].as_str()?).to_string() })
            })
            .collect();
        claims.sort_by_key(|claim| claim.number);
        claims.pop()
    }

    /// What is known of a claim's holder.
    fn owner(&self, claim: &Claim) -> Option<Value> {
        let from = format!("SELECT owner FROM \"{}\"..leases WHERE mark = '{}'", self.ledger_name(), claim.mark);
        let rows = self.rows(&from)?;
        serde_json::from_str(rows.first()?[1].as_str()?).ok()
    }
}

/// `498611h6m40.123456789s`.
fn nanoseconds(duration: &str) -> u128 {
    let (hours, rest) = duration.split_once('h').unwrap_or(("0", duration));
    let (minutes, rest) = rest.split_once('m').unwrap_or(("0", rest));
    let (whole, part) = rest.trim_end_matches('s').split_once('.').unwrap_or((rest.trim_end_matches('s'), ""));
    let number = |text: &str| text.parse::<u128>().unwrap();
    (number(hours) * 3600 + number(minutes) * 60 + number(whole)) * 1_000_000_000 + number(&format!("{part:0<9}"))
}

impl Drop for First {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for name in self.databases() {
                self.must(&format!("DROP DATABASE \"{}\"", name.replace('"', "\\\"")));
            }
            self.must(&format!("DROP DATABASE \"other_{}\"", self.name));
        }
    }
}

impl Subject for First {
    fn url(&self) -> String {
        self.at(&self.password, &self.server.place)
    }

    fn card(&self) -> &'static Card {
        FIRST.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("CREATE DATABASE \"{}\";", self.database(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("DROP DATABASE \"{}\";", self.database(thing))
    }

    fn notebook(&self) -> String {
        self.create("notes")
    }

    fn note(&self, word: &str) -> String {
        format!("INSERT INTO \"{}\".autogen notes word={}", self.database("notes"), field(word))
    }

    fn reject(&self) -> String {
        format!("CREATE RETENTION POLICY p ON \"{}\" DURATION 1h REPLICATION 1;", self.database("no_such_thing"))
    }

    fn sleep(&self, time: Duration) -> String {
        format!("SLEEP {}s;", time.as_secs_f64())
    }

    fn shelf(&self) -> String {
        self.create("shelf")
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("INSERT INTO \"{}\".autogen shelf,name={name} text={} 1;", self.database("shelf"), field(text))
    }

    fn noise(&self, bytes: usize) -> String {
        self.must(&format!("CREATE DATABASE {NOISE}"));
        self.write(NOISE, &format!("noise text={} {bytes}", field(&"noise ".repeat(bytes / 6 + 1))));
        format!("SELECT text FROM {NOISE}..noise WHERE time = {bytes};")
    }

    fn comment(&self, text: &str) -> String {
        format!("-- {text}")
    }

    fn picture(&self) -> String {
        let mut picture = self.dump();
        for name in self.databases() {
            let policies = self.must(&format!("SHOW RETENTION POLICIES ON \"{}\"", name.replace('"', "\\\"")));
            _ = writeln!(picture, "{name}: {policies:?}");
        }
        picture
    }

    fn things(&self) -> Vec<String> {
        let prefix = self.database("");
        let bare = |name: String| name.strip_prefix(&prefix).map(str::to_owned).unwrap_or(name);
        let mut things: Vec<String> = self.databases().into_iter().map(bare).collect();
        things.retain(|name| !["ledger", "notes", "shelf"].contains(&name.as_str()));
        things.retain(|name| *name != format!("{}x", self.name));
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        let rows = self.rows(&format!("SELECT word FROM \"{}\"..notes", self.database("notes")));
        rows.unwrap_or_default().iter().map(|row| row[1].as_str().unwrap().to_owned()).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        let rows =
            self.rows(&format!("SELECT text FROM \"{}\"..shelf WHERE \"name\" = '{name}'", self.database("shelf")));
        rows?.first()?[1].as_str().map(str::to_owned)
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        entries(self.records())
    }

    fn dump(&self) -> String {
        let mut dump = String::new();
        for name in self.databases() {
            let from = name.replace('"', "\\\"");
            for row in self.must(&format!("SELECT * FROM \"{from}\"../.*/")) {
                _ = writeln!(dump, "{name}: {row}");
            }
        }
        dump + &format!("{:?}", self.must("SHOW CONTINUOUS QUERIES"))
    }

    fn lease_pid(&self) -> Option<u32> {
        let owner = self.owner(&self.claim()?)?;
        owner["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }

    fn give_lease_away(&self, time: Duration) {
        let claim = self.claim().expect("somebody should hold the lease");
        let mut owner = self.owner(&claim).expect("the holder should be known");
        owner["host"] = json!("elsewhere");
        owner["token"] = json!("somebody-else");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = (now + time).as_millis();
        let (number, mark) = (claim.number + 1, 7_200_000_000_001_u64);
        let ledger = self.ledger_name();
        let known =
            format!("owner={},renewed=\"{}\",expires=\"{expires}\"", field(&owner.to_string()), now.as_millis());
        self.write(&ledger, &format!("leases,mark={mark} {known} {number}"));
        self.must(&format!("CREATE RETENTION POLICY lease_{number} ON \"{ledger}\" DURATION {mark}ns REPLICATION 1"));
        let last = self.records().iter().map(|(place, _)| *place).max().unwrap_or(0);
        self.append(number * LEASE + 1, &open(last));
        self.must(&format!("DROP RETENTION POLICY {} ON \"{ledger}\"", claim.policy));
    }

    fn delete_lease(&self) {
        let Some(claim) = self.claim() else { return };
        self.must(&format!("DROP RETENTION POLICY {} ON \"{}\"", claim.policy, self.ledger_name()));
    }

    fn move_lease_elsewhere(&self) {
        let claim = self.claim().expect("somebody should hold the lease");
        let mut owner = self.owner(&claim).expect("the holder should be known");
        owner["host"] = json!("elsewhere");
        let known = field(&owner.to_string());
        self.write(&self.ledger_name(), &format!("leases,mark={} owner={known} {}", claim.mark, claim.number));
    }

    fn raise_format(&self) {
        let last = self.records().iter().map(|(place, _)| *place).max().unwrap_or(0);
        self.append(last + 1, &json!({ "format": 99, "token": "", "op": "foretell" }).to_string());
    }

    fn litter(&self) {
        for name in
            [self.name.clone(), self.database("litter"), self.database("it's a thing; 🪜"), self.database("stepladder")]
        {
            self.must(&format!("CREATE DATABASE \"{name}\""));
            self.must(&format!("CREATE RETENTION POLICY year ON \"{name}\" DURATION 52w REPLICATION 1"));
            self.must(&format!(
                "CREATE CONTINUOUS QUERY q ON \"{name}\" BEGIN SELECT mean(v) INTO \"{name}\".year.m FROM \"{name}\".autogen.m GROUP BY time(1h) END"
            ));
            self.write(&name, "m,tag=a v=1\nm,tag=b v=2");
        }
    }

    fn plant_foreign(&self) {
        for name in [format!("other_{}", self.name), format!("{}x", self.name)] {
            self.must(&format!("CREATE DATABASE \"{name}\""));
        }
    }

    fn foreign_is_there(&self) -> bool {
        let rows = self.must("SHOW DATABASES");
        let has = |name: String| rows.iter().any(|row| row[0] == name.as_str());
        has(format!("other_{}", self.name)) && has(format!("{}x", self.name))
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
        Some(self.password.clone())
    }
}
