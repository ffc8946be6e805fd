//! A connection of the driver. It speaks the simple protocol only: no prepared statement, no session state, and one
//! message is one transaction, so that it holds behind a pooler that lends connections by transaction.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

use super::connect::connect;
use super::endpoint::Endpoint;
use crate::domain::{Failure, FailureKind};
use crate::stores::FRESH;

/// A connection that is made when it is first needed, and again when it was lost.
pub struct Session {
    endpoint: Arc<Endpoint>,
    client: Option<Client>,
    used: Instant,
}

/// A refused or failed statement.
#[derive(Debug)]
pub struct Trouble {
    /// The server's code; none when the connection failed.
    pub state: Option<SqlState>,
    /// For people.
    pub failure: Failure,
}

impl AsRef<Failure> for Trouble {
    fn as_ref(&self) -> &Failure {
        &self.failure
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        trouble.failure
    }
}

impl Session {
    /// A connection to be made.
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, client: None, used: Instant::now() }
    }

    /// Another one to the same place.
    pub fn another(&self) -> Self {
        Self::new(Arc::clone(&self.endpoint))
    }

    /// Where it goes.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks for rows, once more when the connection turns out to be lost.
    ///
    /// # Errors
    /// The server's refusal, or that it cannot be reached.
    pub fn read(&mut self, sql: &str) -> Result<Vec<SimpleQueryRow>, Trouble> {
        // Who could not be reached, or turned us away, is not asked twice: a wrong password counts each time.
        let was_there = self.client.is_some();
        match self.send(sql) {
            Err(_) if was_there && self.client.is_none() => self.send(sql),
            other => other,
        }
    }

    /// Changes something, once: whether a lost message got through is not known.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub fn write(&mut self, sql: &str) -> Result<Vec<SimpleQueryRow>, Trouble> {
        if self.used.elapsed() > FRESH
            && self.client.as_mut().is_some_and(|c| c.is_valid(Duration::from_secs(5)).is_err())
        {
            self.client = None;
        }
        self.send(&format!("{WRITE}{sql}"))
    }

    fn send(&mut self, sql: &str) -> Result<Vec<SimpleQueryRow>, Trouble> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => connect(&self.endpoint).map_err(|failure| Trouble { state: None, failure })?,
        };
        let answer = client.simple_query(sql);
        self.used = Instant::now();
        let ended = answer.as_ref().err().and_then(postgres::Error::code).is_some_and(is_the_end);
        if !client.is_closed() && !ended {
            self.client = Some(client);
        }
        let rows = answer.map_err(|error| Trouble {
            state: error.code().cloned(),
            failure: self.endpoint.refusal(FailureKind::Failed, &error),
        })?;
        Ok(rows
            .into_iter()
            .filter_map(|m| if let SimpleQueryMessage::Row(row) = m { Some(row) } else { None })
            .collect())
    }
}

/// Whether the server closes the connection after saying this.
fn is_the_end(state: &SqlState) -> bool {
    let ends = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
    ends.contains(state) || state.code().starts_with("08")
}

/// Stands before every message that writes: whatever the database's defaults are, a statement that waited for a row
/// sees it as it is then, and no wait lasts long.
const WRITE: &str = "set transaction isolation level read committed, read write; set local lock_timeout = '2s'; ";

/// A text as an SQL literal that means the same whatever `standard_conforming_strings` is.
pub fn literal(text: &str) -> String {
    // The server takes no NUL in any text.
    let doubled = text.replace('\0', "\u{fffd}").replace('\'', "''");
    if doubled.contains('\\') { format!(" E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// An optional literal, `null` without one.
pub fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), literal)
}

/// A name as an SQL identifier, quoted where it has to be.
pub fn identifier(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    // Keywords are few among schema names; quoting one too many does no harm.
    if plain && !matches!(name, "user" | "order" | "table" | "group" | "all" | "default" | "check" | "end") {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_identifiers_are_quoted() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
        assert_eq!(optional(None), "null");
        assert_eq!(identifier("public"), "public");
        assert_eq!(identifier("My \"schema\""), "\"My \"\"schema\"\"\"");
        assert_eq!(identifier("1a"), "\"1a\"");
    }
}
