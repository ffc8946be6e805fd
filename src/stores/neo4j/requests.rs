//! `.http` scripts: requests to the server's HTTP API, run by [`crate::stores::http`]; what the answers mean to Neo4j.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::bolt::Trust;
use super::endpoint::Endpoint;
use super::ledger::LABELS;
use super::session::Session;
use super::statement::{Guard, LEASE_LOST, Query};
use crate::config::Secret;
use crate::domain::Failure;
use crate::domain::http::Request;
use crate::stores::Owner;
use crate::stores::http::{Agent, Answer, Book, Call, Fault, Line, Manners, Unsendable};

/// Whether a script is one of these.
pub const EXTENSION: &str = "http";

/// Where requests go: what the section says, or the port beside Bolt's.
pub fn base(endpoint: &Endpoint) -> String {
    if let Some(said) = &endpoint.http {
        return said.trim_end_matches('/').to_owned();
    }
    let (scheme, port) = match endpoint.trust() {
        Trust::Plain => ("http", 7474),
        Trust::System(_) | Trust::Any => ("https", 7473),
    };
    let host = &endpoint.address.host;
    if host.contains(':') { format!("{scheme}://[{host}]:{port}") } else { format!("{scheme}://{host}:{port}") }
}

/// Speaks to it with the store's login.
pub fn agent(endpoint: &Endpoint) -> Agent {
    let base = base(endpoint);
    let login = endpoint.login.iter().map(|(user, password)| {
        let both = STANDARD.encode(format!("{user}:{}", password.reveal()));
        ("authorization", Secret::new(format!("Basic {both}")))
    });
    match endpoint.trust() {
        Trust::Any => Agent::trusting_anybody(&base, &base, login.collect()),
        Trust::Plain | Trust::System(_) => {
            Agent::trusting_these(&base, &base, login.collect(), endpoint.certificates())
        }
    }
}

/// Knows the store's database.
#[derive(Clone, Debug)]
pub struct Ways {
    database: String,
}

impl Ways {
    /// Of a store.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self { database: endpoint.database.clone().unwrap_or_else(|| "neo4j".to_owned()) }
    }
}

/// The first of the errors that an answer names.
fn error(answer: &Answer) -> Option<(String, String)> {
    let said = answer.json();
    let first = said["errors"].as_array()?.first()?.clone();
    let text = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
    Some((text("code"), text("message")))
}

impl Manners for Ways {
    /// `/query/v2` is of the store's database; what begins with `/db/` is anything of the server's.
    fn place(&self, path: String) -> String {
        if path.starts_with("/db/") { path } else { format!("/db/{}{path}", self.database) }
    }

    fn allow(&self, request: &Request, call: &Call) -> Result<(), Unsendable> {
        let path = call.path.split('?').next().unwrap_or_default();
        if path.split('/').any(|segment| segment == "tx") && !path.ends_with("/tx/commit") {
            return Err((
                "a transaction that stays open belongs to no request of its own".to_owned(),
                "put its statements into one request, to `/tx/commit` or `/query/v2`".to_owned(),
            ));
        }
        let body = request.body.as_ref().map_or("", |body| body.text.as_str());
        if !LABELS.iter().any(|label| body.contains(label)) {
            return Ok(());
        }
        Err((
            "names nodes of the ledger".to_owned(),
            "the ledger and the lease are not a script's to touch; give the nodes another label".to_owned(),
        ))
    }

    fn refusal(&self, request: &Request, answer: &Answer) -> Fault {
        let hint = match answer.status {
            401 | 403 => Some("user and password of the store's URL go with every request; are they right?"),
            404 | 405 => Some(
                "servers since 5.19 have `POST /query/v2`, older ones `POST /tx/commit`; `http` in the store's section names the HTTP port",
            ),
            _ => None,
        };
        let words = match error(answer) {
            Some((code, message)) => format!("HTTP {} {code}: {message}", answer.status),
            None => format!("HTTP {} {} {}", answer.status, request.method, answer.body.trim()),
        };
        Fault { message: words.trim_end().to_owned(), hints: hint.map(str::to_owned).into_iter().collect() }
    }

    /// `/tx/commit` answers 200 (201) and names what failed.
    fn hidden(&self, _: &Request, answer: &Answer) -> Option<Fault> {
        let (code, message) = error(answer)?;
        Some(Fault { message: format!("{code}: {message}"), hints: Vec::new() })
    }
}

/// The ledger, as the runner of requests writes it.
pub struct Writer<'a> {
    /// Speaks to the ledger.
    pub session: &'a mut Session,
    /// This run.
    pub owner: &'a Owner,
    /// Speaks to the HTTP API.
    pub agent: Agent,
}

impl Book for Writer<'_> {
    fn agent(&self) -> &Agent {
        &self.agent
    }

    fn write(&mut self, lines: &[Line]) -> Result<bool, Failure> {
        let guard = Guard { token: &self.owner.token, begins: false };
        let queries: Vec<Query> = match lines {
            [Line::Entry(done), Line::Entry(begun)] => vec![guard.turn(done, begun, self.owner)],
            lines => lines
                .iter()
                .map(|line| match line {
                    Line::Entry(entry) => guard.append(entry, self.owner, ""),
                    Line::Journal { version, done, total } => guard.journal(*version, *done, *total),
                })
                .collect(),
        };
        for query in &queries {
            match self.session.send(query) {
                Ok(_) => {}
                Err(failure) if failure.message.contains(LEASE_LOST) => return Ok(false),
                Err(failure) => return Err(failure),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::http::requests;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.to_owned(), ..Answer::default() }
    }

    #[test]
    fn paths_are_of_the_stores_database_unless_they_name_one() {
        let ways = Ways { database: "shop".to_owned() };
        assert_eq!(ways.place("/query/v2".to_owned()), "/db/shop/query/v2");
        assert_eq!(ways.place("/db/other/query/v2".to_owned()), "/db/other/query/v2");
    }

    #[test]
    fn the_ledger_and_open_transactions_are_not_a_scripts_to_touch() {
        let ways = Ways { database: "shop".to_owned() };
        for (text, fine) in [
            ("POST /query/v2\n\n{\"statement\": \"MATCH (n:StepladderLease) DELETE n\"}", false),
            ("POST /query/v2\n\n{\"statement\": \"CREATE (n:Mine)\"}", true),
            ("POST /tx", false),
            ("POST /tx/commit\n\n{\"statements\": []}", true),
        ] {
            let request = &requests(text).unwrap()[0];
            let call = Call::new(request, "http://h:1").unwrap();
            assert_eq!(ways.allow(request, &call).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn an_error_behind_a_200_is_found() {
        let ways = Ways { database: "shop".to_owned() };
        let request = &requests("POST /tx/commit\n\n{}").unwrap()[0];
        let said = r#"{"results":[],"errors":[{"code":"Neo.ClientError.Statement.SyntaxError","message":"no"}]}"#;
        assert_eq!(
            ways.hidden(request, &answer(200, said)).map(|f| f.message),
            Some("Neo.ClientError.Statement.SyntaxError: no".to_owned())
        );
        assert_eq!(ways.hidden(request, &answer(200, r#"{"results":[],"errors":[]}"#)), None);
        assert!(ways.refusal(request, &answer(400, said)).message.starts_with("HTTP 400 Neo.ClientError"));
    }
}
