//! Speaks to a server. What it is, it says itself.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::Value;

use super::endpoint::Endpoint;
use crate::domain::Failure;
use crate::stores::Stop;
use crate::stores::http::{Agent, Answer, Call, Limit, Trouble};

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
    pub(super) org: Arc<OnceLock<String>>,
    /// The server's clock, as its last answer told it.
    heard_ms: Arc<AtomicI64>,
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

    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.agent.send(method, path, body).map(|answer| self.heard(answer))
    }

    /// Asks again for a moment: InfluxDB 2 shows a bucket before its storage is there, and says 500 until it is. What is
    /// asked here may be asked twice.
    pub(super) fn patiently(&self, ask: impl Fn() -> Result<Answer, Failure>) -> Result<Answer, Failure> {
        for _ in 0..20 {
            let answer = ask()?;
            if answer.status != 500 {
                return Ok(answer);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        ask()
    }

    pub(super) fn give(&self, call: Call) -> Result<Answer, Failure> {
        let stop = Stop::default();
        let limit = Limit { started: std::time::Instant::now(), timeout: Some(ANSWER), stop: &stop };
        self.agent.call(&call, limit).map(|answer| self.heard(answer)).map_err(|trouble| {
            let words = match trouble {
                Trouble::NotSent(words) | Trouble::Unknown(words) => words,
                Trouble::Ended(_) => format!("no answer within {} s", ANSWER.as_secs()),
            };
            self.agent.unreached(&words)
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

    pub(super) fn failed(&self, words: &str) -> Failure {
        Failure::failed(format!("{} refused a request: {}", self.agent.shown(), self.agent.scrub(words)))
    }

    /// It does not let us in, or do this.
    pub fn refused(&self, answer: &Answer) -> Failure {
        let words = self.words(answer);
        let second = self.server.get().is_some_and(|s| s.major == 2);
        let hint = match (second, answer.status) {
            (true, _) if !self.endpoint.has_token() => {
                "an InfluxDB 2 wants a token: set INFLUXDB_TOKEN, and INFLUXDB_ORG"
            }
            (true, _) if words.contains("is unauthorized") => {
                "the token may not do that: it must read and write all buckets of the organisation, and tasks (`influx auth create --all-access`)"
            }
            (true, _) => {
                "the server does not know this token, or does not any more: was it deleted, or made for another server? INFLUXDB_TOKEN holds it"
            }
            (false, _) if !self.endpoint.has_login() => {
                "no login was given: put it into the URL (http://USER:PASSWORD@HOST:8086/DATABASE)"
            }
            (false, 403) => "the user must be an administrator (`GRANT ALL PRIVILEGES TO ...`)",
            (false, _) => "see that user and password in the URL are right",
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
