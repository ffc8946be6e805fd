//! A connection that is made when it is needed and made again when it was lost.

use std::sync::Arc;
use std::time::Instant;

use super::endpoint::Endpoint;
use super::wire::{Answer, Connection, Trouble};
use crate::domain::Failure;
use crate::stores::FRESH;

/// Under what our own connection runs its statements.
pub const SQL_MODE: &str = "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION";

/// What our own connection is told first. Texts mean the same whatever the server's defaults are, and nothing is waited for
/// that somebody else has locked.
const FIRST: &str = "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION autocommit = 1, SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 10";

/// Rows of values.
pub type Rows = Vec<Vec<Option<String>>>;

/// Speaks to one database.
pub struct Session {
    endpoint: Arc<Endpoint>,
    connection: Option<Connection>,
    /// When the connection was last of use.
    used: Instant,
}

impl Session {
    /// Not yet connected.
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, connection: None, used: Instant::now() }
    }

    /// One more to the same place.
    pub fn another(&self) -> Self {
        Self::new(Arc::clone(&self.endpoint))
    }

    /// Where it leads.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The server's version, as it says it.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn version(&mut self) -> Result<String, Failure> {
        match self.connected() {
            Ok(connection) => Ok(connection.version.clone()),
            Err(trouble) => Err(self.failure(trouble)),
        }
    }

    /// Asks; a connection that was lost meanwhile is made anew.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub fn read(&mut self, sql: &str) -> Result<Rows, Failure> {
        let had_one = self.connection.is_some();
        let answers = match self.run(sql) {
            Err(Trouble::Line(_)) if had_one => self.run(sql),
            other => other,
        };
        let answers = answers.map_err(|trouble| self.failure(trouble))?;
        Ok(answers.into_iter().next_back().unwrap_or_default().rows)
    }

    /// Writes: statements apart by semicolons, an answer for each. What was lost on its way is not sent twice.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub fn write(&mut self, sql: &str) -> Result<Vec<Answer>, Failure> {
        self.run(sql).map_err(|trouble| self.failure(trouble))
    }

    /// Runs statements; a transaction that one of them left open is taken back when they are refused.
    ///
    /// # Errors
    /// The trouble as it came.
    pub fn run(&mut self, sql: &str) -> Result<Vec<Answer>, Trouble> {
        let connection = self.connected()?;
        let answers = connection.query(sql);
        match &answers {
            Ok(_) => {}
            Err(Trouble::Refused(..)) if connection.query("ROLLBACK").is_ok() => {}
            Err(_) => self.connection = None,
        }
        answers
    }

    fn connected(&mut self) -> Result<&mut Connection, Trouble> {
        if self.used.elapsed() > FRESH {
            self.connection.take_if(|connection| connection.query("DO 0").is_err());
        }
        self.used = Instant::now();
        if self.connection.is_none() {
            let mut connection = Connection::open(&self.endpoint)?;
            connection.query(&format!("{FIRST}, SESSION sql_mode = '{SQL_MODE}'"))?;
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or_else(|| Trouble::Line("there is no connection".to_owned()))
    }

    /// A trouble as a person is told it.
    pub fn failure(&self, trouble: Trouble) -> Failure {
        let at = &self.endpoint;
        match trouble {
            Trouble::Line(what) => Failure::unreachable(what)
                .hint("is the server running, and is this its address? `stepladder wait` waits for it"),
            Trouble::Untrusted(what) => Failure::unreachable(what)
                .hint("`?ssl-ca=FILE` names the roots, `?ssl-mode=REQUIRED` encrypts without looking at certificates"),
            // Login, host, account, TLS wanted.
            Trouble::Refused(1045 | 1698 | 1130 | 3118 | 3159 | 3955, words) => {
                Failure::unreachable(format!("{at} refuses the login: {words}"))
                    .hint("put user and password into the URL, mysql://user:password@host/database, or set MYSQL_PWD")
            }
            Trouble::Refused(1049, words) => {
                Failure::unreachable(words).hint("the database is the URL's path; `CREATE DATABASE` makes it once")
            }
            Trouble::Refused(1044 | 1142 | 1227, words) => Failure::failed(words).hint(
                "the ledger is three tables in this database: the user needs CREATE, SELECT, INSERT, UPDATE and DELETE",
            ),
            Trouble::Refused(number, words) => Failure::failed(words).detail(format!("error {number}")),
        }
    }
}
