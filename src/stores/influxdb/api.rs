//! The requests of InfluxDB's APIs that the ledger, the lease and `fresh` need. What the server is, it says itself.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::csv;
use super::endpoint::Endpoint;
use crate::domain::Failure;
use crate::domain::influxql::quoted;
use crate::stores::Stop;
use crate::stores::http::{Agent, Answer, Call, Limit, Trouble, escaped};

/// Things asked for at once: servers give no more in one answer.
const PAGE: usize = 100;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// 1 or 2.
    pub major: u8,
    /// As it says it: `1.6.7`.
    pub version: String,
    /// `OSS`, `ENT`, `Cloud`; may be empty.
    pub build: String,
}

/// Speaks to one server. Clones share their connections.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    server: Arc<OnceLock<Server>>,
    org: Arc<OnceLock<String>>,
    /// The server's clock, as its last answer told it.
    heard_ms: Arc<AtomicI64>,
}

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

/// A series of a query's answer: its rows, by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    columns: Vec<String>,
    values: Vec<Value>,
}

impl Rows {
    /// The values of some columns, row by row.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> impl Iterator<Item = [&Value; N]> {
        let at = names.map(|name| self.columns.iter().position(|c| c == name).unwrap_or(usize::MAX));
        self.values.iter().map(move |row| at.map(|at| row.get(at).unwrap_or(&Value::Null)))
    }
}

/// A field of a point of the ledger; all of them are texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its place in the log; no clock's.
    pub time: i64,
    /// The field.
    pub field: String,
    /// What it says.
    pub text: String,
}

/// What came of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It was done: its rows.
    Rows(Vec<Rows>),
    /// It was refused, in the server's words.
    Refused(String),
}

impl Api {
    /// Does not connect.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn new(endpoint: Endpoint) -> Result<Self, Failure> {
        let agent = endpoint.agent()?;
        Ok(Self {
            agent,
            endpoint: Arc::new(endpoint),
            server: Arc::default(),
            org: Arc::default(),
            heard_ms: Arc::default(),
        })
    }

    /// The agent itself.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// What the server is.
    ///
    /// # Errors
    /// It does not answer, or is none that we know.
    pub fn server(&self) -> Result<&Server, Failure> {
        if let Some(known) = self.server.get() {
            return Ok(known);
        }
        let answer = self.agent.send("GET", "/ping", None)?;
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let mut version = header("x-influxdb-version");
        if version.is_empty() {
            let said = answer.json();
            version = said["version"].as_str().unwrap_or_default().to_owned();
        }
        let build = header("x-influxdb-build");
        let version = version.trim_start_matches('v').to_owned();
        let major = match version.split('.').next().and_then(|m| m.parse().ok()) {
            Some(1) => 1,
            Some(2) => 2,
            Some(3) => return Err(self.third(&version)),
            // What is hosted has no number.
            _ if build == "Cloud" => 2,
            _ => return Err(self.strange(&answer)),
        };
        Ok(self.server.get_or_init(|| Server { major, version, build }))
    }

    fn third(&self, version: &str) -> Failure {
        Failure::unreachable(format!(
            "{} is an InfluxDB {version}, and stepladder's ledger needs one of version 1 or 2",
            self.agent.shown()
        ))
        .hint(
            "InfluxDB 3 Core keeps at most five databases and cannot change a retention; \
             `.sh` scripts in a store of the kind shell can call `influxdb3`",
        )
    }

    fn strange(&self, answer: &Answer) -> Failure {
        let hint = match answer.status {
            401 | 403 => {
                "if it is an InfluxDB 3, it is not served here; if it is another one, see that the token is the right one"
            }
            _ => "does the store's URL name its host and port? InfluxDB listens on 8086",
        };
        let status = answer.status;
        Failure::unreachable(format!("{} is no InfluxDB: GET /ping gives HTTP {status}", self.agent.shown())).hint(hint)
    }

    /// Whether it is an InfluxDB 2.
    ///
    /// # Errors
    /// As [`Api::server`].
    pub fn is_second(&self) -> Result<bool, Failure> {
        Ok(self.server()?.major == 2)
    }

    /// What the server is, when that is known already.
    pub fn known(&self) -> Option<&Server> {
        self.server.get()
    }

    /// The server's clock, in milliseconds since 1970-01-01 UTC. It tells whole seconds: up to one more has passed.
    ///
    /// # Errors
    /// It does not answer, or tells no time.
    pub fn now_ms(&self) -> Result<i64, Failure> {
        self.heard_ms.store(0, Ordering::SeqCst);
        self.ask("GET", "/ping", None)?;
        match self.heard_ms() {
            0 => Err(Failure::unreachable(format!("{} does not tell the time", self.agent.shown()))
                .hint("its answers need the header `Date`, by which leases expire; does a proxy take it away?")),
            heard => Ok(heard),
        }
    }

    /// The server's clock, as its last answer told it.
    pub fn heard_ms(&self) -> i64 {
        self.heard_ms.load(Ordering::SeqCst)
    }

    fn heard(&self, answer: Answer) -> Answer {
        let time = answer.header("date").and_then(|d| jiff::fmt::rfc2822::parse(d).ok());
        if let Some(time) = time {
            self.heard_ms.store(time.timestamp().as_millisecond(), Ordering::SeqCst);
        }
        answer
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.agent.send(method, path, body).map(|answer| self.heard(answer))
    }

    // --- InfluxQL ---------------------------------------------------------------------------------------------

    /// Sends statements of InfluxQL in a database; what came of each that was tried.
    ///
    /// # Errors
    /// No answer; a refusal of ourselves.
    pub fn query(&self, database: Option<&str>, statement: &str) -> Result<Said, Failure> {
        let answer = self.give(self.query_call(database, statement))?;
        if answer.is_refusal() {
            return Err(self.refused(&answer));
        }
        Ok(said(&answer))
    }

    /// The request of a statement.
    pub fn query_call(&self, database: Option<&str>, statement: &str) -> Call {
        let database = database.map(|d| format!("&db={}", escaped(d))).unwrap_or_default();
        let form = format!("q={}", escaped(statement));
        let body = Some(("application/x-www-form-urlencoded".to_owned(), form.into_bytes()));
        Call { method: "POST".to_owned(), path: format!("/query?epoch=ns{database}"), headers: Vec::new(), body }
    }

    /// The request that writes points into the ledger.
    fn write_call(&self, points: &str) -> Result<Call, Failure> {
        let name = escaped(&self.endpoint.ledger);
        let path = match self.is_second()? {
            true => format!("/api/v2/write?bucket={name}&orgID={}&precision=ns", escaped(&self.org_id()?)),
            false => format!("/write?db={name}&precision=n"),
        };
        let body = Some(("text/plain; charset=utf-8".to_owned(), points.as_bytes().to_vec()));
        Ok(Call { method: "POST".to_owned(), path, headers: Vec::new(), body })
    }

    /// A query whose refusal is a failure.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn rows(&self, database: Option<&str>, statement: &str) -> Result<Rows, Failure> {
        match self.query(database, statement)? {
            Said::Rows(rows) => Ok(rows.into_iter().next().unwrap_or_default()),
            Said::Refused(words) => Err(self.failed(&words)),
        }
    }

    /// Writes points into the ledger.
    ///
    /// # Errors
    /// The server's refusal; no answer, and then they may be there.
    pub fn write(&self, points: &str) -> Result<(), Failure> {
        let call = self.write_call(points)?;
        let answer = self.patiently(|| self.give(call.clone()))?;
        self.expect(answer).map(drop)
    }

    // --- the ledger's place -----------------------------------------------------------------------------------

    /// The fields of a measurement of the ledger, or of those of its points with this mark; none where there is no
    /// ledger.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn points(&self, measurement: &str, mark: Option<&str>) -> Result<Option<Vec<Point>>, Failure> {
        match self.is_second()? {
            true => self.points_by_flux(measurement, mark),
            false => self.points_by_influxql(measurement, mark),
        }
    }

    fn points_by_influxql(&self, measurement: &str, mark: Option<&str>) -> Result<Option<Vec<Point>>, Failure> {
        let ledger = &self.endpoint.ledger;
        let filter = mark.map(|m| format!(" WHERE \"mark\" = '{m}'")).unwrap_or_default();
        let found = self.query(Some(ledger), &format!("SELECT * FROM {}{filter}", quoted(measurement)))?;
        let rows = match found {
            Said::Rows(rows) => rows.into_iter().next().unwrap_or_default(),
            Said::Refused(words) if words.contains("database not found") => return Ok(None),
            Said::Refused(words) => return Err(self.failed(&words)),
        };
        let mut points = Vec::new();
        for row in &rows.values {
            let time = row[0].as_i64().unwrap_or(0);
            let fields = rows.columns.iter().zip(row.as_array().into_iter().flatten()).skip(1);
            let texts = fields.filter_map(|(field, value)| Some((field.clone(), value.as_str()?.to_owned())));
            points.extend(texts.map(|(field, text)| Point { time, field, text }));
        }
        Ok(Some(points))
    }

    fn points_by_flux(&self, measurement: &str, mark: Option<&str>) -> Result<Option<Vec<Point>>, Failure> {
        let filter = mark.map(|m| format!(" and r.mark == {}", Value::from(m))).unwrap_or_default();
        let flux = format!(
            "from(bucket: {}) |> range(start: 1970-01-01T00:00:00Z) \
             |> filter(fn: (r) => r._measurement == \"{measurement}\"{filter}) |> keep(columns: [\"_time\", \"_field\", \"_value\"])",
            Value::from(self.endpoint.ledger.as_str())
        );
        let call = self.flux_call(&flux)?;
        let answer = self.patiently(|| self.give(call.clone()))?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = self.expect(answer)?;
        let rows = csv::read(&answer.body);
        if let Some(words) = csv::error(&rows) {
            return Err(self.failed(words));
        }
        let points = csv::objects(&rows).into_iter().filter_map(|row| {
            let time: jiff::Timestamp = row.get("_time")?.parse().ok()?;
            let time = i64::try_from(time.as_nanosecond()).ok()?;
            Some(Point { time, field: row.get("_field")?.to_owned(), text: row.get("_value")?.to_owned() })
        });
        Ok(Some(points.collect()))
    }

    /// The request of a Flux script.
    ///
    /// # Errors
    /// As [`Api::org_id`].
    pub fn flux_call(&self, flux: &str) -> Result<Call, Failure> {
        let path = format!("/api/v2/query?orgID={}", escaped(&self.org_id()?));
        let headers = vec![("accept".to_owned(), "application/csv".to_owned())];
        let body = Some(("application/vnd.flux".to_owned(), flux.as_bytes().to_vec()));
        Ok(Call { method: "POST".to_owned(), path, headers, body })
    }

    /// Takes the points with a mark out of a measurement of the ledger.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn forget(&self, measurement: &str, mark: &str) -> Result<(), Failure> {
        let ledger = &self.endpoint.ledger;
        if !self.is_second()? {
            let drop = format!("DROP SERIES FROM {} WHERE \"mark\" = '{mark}'", quoted(measurement));
            return self.rows(Some(ledger), &drop).map(std::mem::drop);
        }
        let predicate = format!("_measurement={measurement:?} AND mark={mark:?}");
        let (start, stop) = ("1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z");
        let body = json!({ "start": start, "stop": stop, "predicate": predicate });
        let org = self.org_id()?;
        let path = format!("/api/v2/delete?bucket={}&orgID={}", escaped(ledger), escaped(&org));
        let answer = self.patiently(|| self.ask("POST", &path, Some(&body)))?;
        self.expect(answer).map(std::mem::drop)
    }

    /// Makes a database or a bucket, unless it is there.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn make_ledger(&self) -> Result<(), Failure> {
        let name = &self.endpoint.ledger;
        if !self.is_second()? {
            return self.rows(None, &format!("CREATE DATABASE {}", quoted(name))).map(drop);
        }
        if self.buckets(Some(name))?.is_empty() {
            self.make_bucket(name, "Stepladder's ledger: leave it alone")?;
        }
        Ok(())
    }

    // --- version 2 --------------------------------------------------------------------------------------------

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
            (_, Some(name)) => Err(Failure::unreachable(format!("{} has no organisation {name}", self.agent.shown()))
                .hint("`influx org list` shows them; the token must be of this organisation")),
            (_, None) => Err(Failure::usage(format!("the organisation on {} is not named", self.agent.shown()))
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

    // --- answers ----------------------------------------------------------------------------------------------

    /// Asks again for a moment: InfluxDB 2 shows a bucket before its storage is there, and says 500 until it is. What is
    /// asked here may be asked twice.
    fn patiently(&self, ask: impl Fn() -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        for _ in 0..20 {
            let answer = ask()?;
            if answer.status != 500 {
                return Ok(answer);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        ask()
    }

    fn give(&self, call: Call) -> Result<Answer, Failure> {
        let stop = Stop::default();
        let limit = Limit { started: std::time::Instant::now(), timeout: Some(ANSWER), stop: &stop };
        self.agent.call(&call, limit).map(|answer| self.heard(answer)).map_err(|trouble| {
            let words = match trouble {
                Trouble::NotSent(words) | Trouble::Unknown(words) => words,
                Trouble::Ended(_) => format!("no answer within {} s", ANSWER.as_secs()),
            };
            Failure::unreachable(format!("{} cannot be reached: {words}", self.agent.shown()))
                .hint("is the server running, and does the store's URL name its host and port?")
        })
    }

    /// An answer that is fine, or why it is not.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn expect(&self, answer: Answer) -> Result<Answer, Failure> {
        if answer.is_fine() {
            Ok(answer)
        } else if answer.is_refusal() {
            Err(self.refused(&answer))
        } else if [502, 503, 504].contains(&answer.status) {
            Err(Failure::unreachable(format!("{} does not answer: {}", self.agent.shown(), self.words(&answer))))
        } else {
            Err(self.failed(&self.words(&answer)))
        }
    }

    fn failed(&self, words: &str) -> Failure {
        Failure::failed(format!("{} refused a request: {}", self.agent.shown(), self.agent.scrub(words)))
    }

    /// It does not let us in, or do this.
    pub fn refused(&self, answer: &Answer) -> Failure {
        let words = self.words(answer);
        let hint = match self.server.get().is_some_and(|s| s.major == 2) {
            true if !self.endpoint.has_token() => "an InfluxDB 2 wants a token: set INFLUXDB_TOKEN, and INFLUXDB_ORG",
            true => "see that INFLUXDB_TOKEN is the right one: it must read and write all buckets of the organisation",
            false => {
                "see that user and password in the URL are right; the user must be an administrator (`GRANT ALL PRIVILEGES TO ...`)"
            }
        };
        Failure::unreachable(format!("{} refuses us: {words}", self.agent.shown())).hint(hint)
    }

    /// The server's own words.
    pub fn words(&self, answer: &Answer) -> String {
        let said = answer.json();
        let message = said["message"].as_str().or_else(|| said["error"].as_str()).unwrap_or(answer.body.trim());
        let message: String = message.chars().take(2000).collect();
        self.agent.scrub(format!("{message} (HTTP {})", answer.status).trim())
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

/// What an answer to a query says: InfluxDB 1 hides errors behind the status 200.
pub fn said(answer: &Answer) -> Said {
    let found = answer.json();
    let results = found["results"].as_array().cloned().unwrap_or_default();
    let wrong = results.iter().find_map(|r| r["error"].as_str()).or_else(|| found["error"].as_str());
    if let Some(words) = wrong.or_else(|| found["message"].as_str().filter(|_| !answer.is_fine())) {
        return Said::Refused(words.to_owned());
    }
    if !answer.is_fine() || found["results"].is_null() {
        return Said::Refused(format!("{} (HTTP {})", answer.body.trim(), answer.status));
    }
    // A result may come in pieces.
    if let Some(partial) = results.iter().flat_map(|r| r["series"].as_array()).flatten().find(|s| s["partial"] == true)
    {
        let name = partial["name"].as_str().unwrap_or_default();
        return Said::Refused(format!("the answer about {name} is not whole"));
    }
    let series = results.iter().flat_map(|r| r["series"].as_array()).flatten();
    let names = |s: &Value| {
        s["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Said::Rows(
        series
            .map(|s| Rows { columns: names(s), values: s["values"].as_array().cloned().unwrap_or_default() })
            .collect(),
    )
}

/// A text as a field of line protocol.
pub fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
