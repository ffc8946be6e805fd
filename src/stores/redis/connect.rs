//! Connects: to the server that the settings name, or to the master that sentinels name.

use std::thread;
use std::time::Duration;

use redis::{Client, ClientTlsConfig, Connection, ConnectionLike, ErrorKind, RedisError, TlsCertificates, Value, cmd};

use super::endpoint::{Endpoint, Sentinels, read};
use super::words::{items, text};
use crate::config::scrub;
use crate::domain::Failure;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// The same of a sentinel: there are others to ask.
const SENTINEL: Duration = Duration::from_secs(2);
/// How often, and how far apart, sentinels are asked while a failover is under way.
const ASKED: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Connects.
///
/// # Errors
/// Nobody answers, or lets us in; no sentinel knows a master that is one.
pub fn connect(endpoint: &Endpoint) -> Result<Connection, Failure> {
    let Some(sentinels) = &endpoint.sentinels else { return dial(endpoint, CONNECT) };
    let mut last = Failure::unreachable(format!("no sentinel of {endpoint} answers"));
    for round in 0..ASKED {
        if round > 0 {
            thread::sleep(PAUSE);
        }
        match through(endpoint, sentinels) {
            Ok(connection) => return Ok(connection),
            // Only a failover passes by waiting for it.
            Err((failure, false)) => return Err(failure),
            Err((failure, true)) => last = failure,
        }
    }
    Err(last.hint("a failover may be under way; `redis-cli -p 26379 SENTINEL MASTERS` shows what the sentinels see"))
}

/// Asks the sentinels in turn for their master, and makes sure that it is one; else whether asking again may help.
fn through(endpoint: &Endpoint, sentinels: &Sentinels) -> Result<Connection, (Failure, bool)> {
    let mut silent = Vec::new();
    for sentinel in &sentinels.endpoints(endpoint) {
        let asked = dial(sentinel, SENTINEL).map_err(|failure| failure.message).and_then(|mut connection| {
            let answer =
                cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&sentinels.master).query::<Value>(&mut connection);
            answer.map_err(|error| error.to_string())
        });
        let said = match asked {
            Ok(said) => said,
            Err(words) => {
                silent.push(scrub(&words, &endpoint.secrets()));
                continue;
            }
        };
        let place = match items(&said) {
            [host, port] => text(host).zip(text(port).and_then(|port| port.parse().ok())),
            _ => None,
        };
        let Some(place) = place else {
            let what = format!("the sentinel {sentinel} knows no master `{}`", sentinels.master);
            let hint = "the name is what `sentinel monitor NAME ...` of its configuration says";
            return Err((Failure::unreachable(what).hint(hint), false));
        };
        return master(&endpoint.at(&place));
    }
    Err((Failure::unreachable(format!("no sentinel of {endpoint} answers")).details(silent), false))
}

fn master(endpoint: &Endpoint) -> Result<Connection, (Failure, bool)> {
    let mut connection = dial(endpoint, CONNECT).map_err(|failure| {
        let again = !failure.message.contains("does not let us in");
        (failure, again)
    })?;
    // Not everybody may ask for a role; a replica then says so at the first write.
    let role = connection.req_command(&cmd("ROLE")).ok().and_then(|said| items(&said).first().and_then(text));
    match role.as_deref() {
        Some("slave") => Err((Failure::unreachable(format!("the sentinels' master {endpoint} is a replica")), true)),
        _ => Ok(connection),
    }
}

/// Connects to one server.
fn dial(endpoint: &Endpoint, within: Duration) -> Result<Connection, Failure> {
    let place = endpoint.to_string();
    let failed = |error: RedisError| {
        let words = scrub(&error.to_string(), &endpoint.secrets());
        let refused = error.kind() == ErrorKind::AuthenticationFailed || error.code().is_some();
        match refused {
            true if words.contains("not allowed in cluster mode") => {
                Failure::unreachable(format!("{place} is a cluster's node, and a cluster has database 0 alone"))
                    .hint("leave the database out of the connection; `prefix` keeps two ledgers apart")
            }
            true => Failure::unreachable(format!("{place} does not let us in: {words}"))
                .hint("check user, password and the database's number"),
            false if error.is_timeout() => Failure::unreachable(format!(
                "{place} cannot be reached: it has not answered within {} s",
                within.as_secs()
            )),
            false => {
                let failure = Failure::unreachable(format!("{place} cannot be reached: {words}"));
                // Where nobody wrote that name into a connection, a cluster's node did.
                match words.contains("not valid for name") {
                    true => failure.hint("name the server as its certificate does; nodes of a cluster name each other: `cluster-announce-hostname`, with `cluster-preferred-endpoint-type hostname`"),
                    false => failure,
                }
            }
        }
    };
    let root_cert = endpoint.files.ca.as_deref().map(read).transpose()?;
    let own = endpoint.files.own.as_ref();
    let client_tls = own
        .map(|(cert, key)| Ok::<_, Failure>(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? }))
        .transpose()?;
    let client = match root_cert.is_some() || client_tls.is_some() {
        true => Client::build_with_tls(endpoint.info.clone(), TlsCertificates { client_tls, root_cert }),
        false => Client::open(endpoint.info.clone()),
    };
    client.and_then(|c| c.get_connection_with_timeout(within)).map_err(failed)
}
