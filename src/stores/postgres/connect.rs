//! Making a connection, and what is said where there is none.

use postgres::Client;
use postgres::config::TargetSessionAttrs;
use postgres::error::SqlState;

use super::endpoint::{Endpoint, Server};
use super::tls::Wanted;
use crate::config::scrub;
use crate::domain::{Failure, FailureKind};

const CONSOLE: &str = "this is PgBouncer's console, which takes no SQL: name a database behind it";

/// Makes a connection to the first server that will have us, in the ways that `sslmode` allows.
///
/// # Errors
/// [`FailureKind::Unreachable`] with the driver's words.
pub fn connect(endpoint: &Endpoint) -> Result<Client, Failure> {
    let wanted = Wanted::of(endpoint)?;
    let mut refused: Vec<(&Server, postgres::Error)> = Vec::new();
    for attributes in endpoint.attributes()? {
        // What the last round met says as much as what the first one did.
        refused.clear();
        for server in &endpoint.servers {
            match one(endpoint, server, &wanted, *attributes)? {
                Ok(client) => return Ok(client),
                Err(error) if leads_on(&error) => refused.push((server, error)),
                Err(error) => return Err(endpoint.refusal(FailureKind::Unreachable, &error)),
            }
        }
    }
    let Some((_, last)) = refused.last() else {
        return Err(Failure::unreachable(format!("{endpoint} cannot be reached")));
    };
    let mut failure = endpoint.refusal(FailureKind::Unreachable, last);
    if refused.len() > 1 {
        failure.message = format!("none of the servers of {endpoint} can be reached");
        failure.details = refused.iter().map(|(server, error)| format!("{server}: {}", words(error))).collect();
    }
    Err(failure)
}

/// Tries one server. The outer error is one of ours: a file that cannot be read.
fn one(
    endpoint: &Endpoint,
    server: &Server,
    wanted: &Wanted,
    attributes: TargetSessionAttrs,
) -> Result<Result<Client, postgres::Error>, Failure> {
    let connector = wanted.connector()?;
    let mut first = None;
    for mode in wanted.tries(server) {
        let mut config = endpoint.config(server)?;
        config.ssl_mode(*mode).target_session_attrs(attributes);
        config.notice_callback(|_| {});
        match config.connect(connector.clone()) {
            Ok(client) => return Ok(Ok(client)),
            Err(error) => {
                // A wrong password is as wrong over the other kind of line, and who is not there is not there twice.
                let settled = error.code() == Some(&SqlState::INVALID_PASSWORD) || leads_on(&error);
                first.get_or_insert(error);
                if settled {
                    break;
                }
            }
        }
    }
    Ok(Err(first.ok_or_else(|| Failure::unreachable(format!("{endpoint} cannot be reached")))?))
}

/// Whether the next server is tried, as in libpq: where there is none, or one that is not ready or not of the wanted
/// kind; one that turns us away, or that is not to be trusted, has the last word.
fn leads_on(error: &postgres::Error) -> bool {
    match error.code() {
        Some(state) => *state == SqlState::CANNOT_CONNECT_NOW,
        None => {
            let text = error.to_string();
            !["error performing TLS", "invalid configuration", "authentication error", "unsupported"]
                .iter()
                .any(|settled| text.starts_with(settled))
        }
    }
}

impl Endpoint {
    /// The driver's words without secrets. Its own message hides the cause, which is what a person needs.
    pub fn refusal(&self, kind: FailureKind, error: &postgres::Error) -> Failure {
        let mut failure = match error.as_db_error() {
            Some(db) => {
                let mut failure = Failure::new(kind, format!("{self} says: {}", db.message()));
                failure.details.extend(db.detail().map(str::to_owned));
                failure.hints.extend(db.hint().map(str::to_owned));
                failure.hints.extend(advice(db, self));
                failure
            }
            None => self.silence(kind, &causes(error)),
        };
        let secrets = self.secrets();
        failure.message = scrub(&failure.message, &secrets);
        failure.details.iter_mut().for_each(|d| *d = scrub(d, &secrets));
        failure
    }

    /// What is said where the server itself said nothing.
    fn silence(&self, kind: FailureKind, causes: &str) -> Failure {
        if causes.contains("password missing") {
            let failure = Failure::unreachable(format!("{self} wants a password, and there is none"))
                .hint("put it into the URL, into PGPASSWORD or into ~/.pgpass");
            let unused = self.passfile.as_ref().and_then(|file| file.unused());
            return failure.details(unused.map(str::to_owned));
        }
        let lost = if kind == FailureKind::Unreachable { "cannot be reached" } else { "did not answer" };
        let failure = Failure::unreachable(format!("{self} {lost}: {causes}"));
        failure.hint(if self.get("dbname") == Some("pgbouncer") {
            CONSOLE
        } else if causes.contains("certificate") || causes.contains("TLS") {
            "sslmode and sslrootcert say how the server's certificate is verified"
        } else if causes.contains("database does not allow writes") || causes.contains("database is not read only") {
            "target_session_attrs says which servers will do"
        } else {
            "is the server running, and is this its address? `stepladder wait` waits for it"
        })
    }
}

/// What the server said, or what the driver met.
fn words(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| causes(error), |db| db.message().to_owned())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.iter().any(|t| t.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts.join(": ")
}

fn advice(error: &postgres::error::DbError, endpoint: &Endpoint) -> Option<String> {
    let get = |keyword: &str| endpoint.get(keyword).unwrap_or_default().to_owned();
    match *error.code() {
        _ if error.message().contains("SHOW HELP") => Some(CONSOLE.to_owned()),
        SqlState::INVALID_CATALOG_NAME => Some(format!("create it: `createdb {}`", get("dbname"))),
        SqlState::INVALID_PASSWORD => Some(match &endpoint.passfile {
            Some(file) => format!("check the password of {} in {}", get("user"), file.path.display()),
            None => format!("check the password of {}", get("user")),
        }),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION if error.message().contains("pg_hba.conf") => Some(
            "the server's pg_hba.conf says who may come in from where, and whether over TLS: see `sslmode`".to_owned(),
        ),
        SqlState::READ_ONLY_SQL_TRANSACTION => Some("this server takes no writes: connect to the primary".to_owned()),
        // Another schema would mean a second ledger, which knows nothing of what is applied.
        SqlState::INSUFFICIENT_PRIVILEGE if error.message().contains("stepladder_") => Some(format!(
            "the ledger is another role's: come in as that role, or have its rights granted to {}",
            get("user")
        )),
        SqlState::INSUFFICIENT_PRIVILEGE => Some(format!(
            "{} may not do that here: grant it the right, or set `schema` to one that it owns",
            get("user")
        )),
        _ => None,
    }
}
