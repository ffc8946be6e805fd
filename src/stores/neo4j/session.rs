//! A connection that is made when it is needed and made again when it was lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bolt::{Connection, Trouble, Value};
use super::endpoint::Endpoint;
use super::statement::Query;
use crate::domain::Failure;
use crate::stores::FRESH;

/// How often a statement is tried again that the server was too busy for: deadlocks, elections.
const TRIES: u32 = 40;

/// Rows of values.
pub type Rows = Vec<Vec<Value>>;

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

    /// The server's name and version.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn server(&mut self) -> Result<String, Failure> {
        match self.connected() {
            Ok(connection) => Ok(connection.server.clone()),
            Err(trouble) => Err(self.failure(trouble)),
        }
    }

    /// Asks; a connection that was lost meanwhile is made anew.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub fn read(&mut self, statement: &str) -> Result<Rows, Failure> {
        self.read_with(statement, [])
    }

    /// Asks with parameters.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub fn read_with<const N: usize>(&mut self, text: &str, values: [(&str, Value); N]) -> Result<Rows, Failure> {
        let had_one = self.connection.is_some();
        let values = Value::map(values);
        match self.run_with(text, &values) {
            Err(Trouble::Line(_)) if had_one => self.run_with(text, &values),
            other => other,
        }
        .map_err(|trouble| self.failure(trouble))
    }

    /// Has the server plan a statement that somebody is about to run, behind a change in the same transaction or not.
    ///
    /// # Errors
    /// The trouble as it came.
    pub fn plan(&mut self, query: &Query, behind_change: bool) -> Result<(), Trouble> {
        let values = Value::map([("stepladder", Value::text(&query.parameter))]);
        if !behind_change {
            return self.run_with(&format!("EXPLAIN {}", query.text), &values).map(drop);
        }
        let database = self.endpoint.database.clone();
        self.connected()?.plan_behind_change(&query.text, values, database.as_deref())
    }

    /// Writes. What was lost on its way is not sent twice.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub fn write(&mut self, statement: &str) -> Result<Rows, Failure> {
        self.run(statement).map_err(|trouble| self.failure(trouble))
    }

    /// Runs a statement as often as the server asks to try again.
    ///
    /// # Errors
    /// The trouble as it came.
    pub fn run(&mut self, statement: &str) -> Result<Rows, Trouble> {
        self.run_with(statement, &Value::map([]))
    }

    /// Writes to the ledger.
    ///
    /// # Errors
    /// As [`Session::write`].
    pub fn send(&mut self, query: &Query) -> Result<Rows, Failure> {
        self.write_with(&query.text, [("stepladder", Value::text(&query.parameter))])
    }

    /// Writes with parameters: a statement of constant text is planned once by the server, which takes longer than it does.
    ///
    /// # Errors
    /// As [`Session::write`].
    pub fn write_with<const N: usize>(&mut self, text: &str, values: [(&str, Value); N]) -> Result<Rows, Failure> {
        self.run_with(text, &Value::map(values)).map_err(|trouble| self.failure(trouble))
    }

    fn run_with(&mut self, statement: &str, parameters: &Value) -> Result<Rows, Trouble> {
        let database = self.endpoint.database.clone();
        let mut tries = 0;
        loop {
            match self.connected()?.run(statement, parameters.clone(), database.as_deref()) {
                Err(Trouble::Refused(code, _)) if tries < TRIES && is_passing(&code) => {
                    tries += 1;
                    if code.contains("NotALeader") {
                        self.connection = None;
                    }
                    std::thread::sleep(Duration::from_millis(25));
                }
                Err(trouble) => {
                    if matches!(trouble, Trouble::Line(_)) {
                        self.connection = None;
                    }
                    return Err(trouble);
                }
                Ok(rows) => return Ok(rows),
            }
        }
    }

    fn connected(&mut self) -> Result<&mut Connection, Trouble> {
        let idle = std::mem::replace(&mut self.used, Instant::now()).elapsed();
        if self.connection.is_none() || idle > FRESH {
            self.connection = Some(self.connect()?);
        }
        self.connection.as_mut().ok_or_else(|| Trouble::Line("there is no connection".to_owned()))
    }

    fn connect(&self) -> Result<Connection, Trouble> {
        let endpoint = &self.endpoint;
        let login = endpoint.login.as_ref().map(|(user, password)| (user.as_str(), password.reveal()));
        let mut first = Connection::open(&endpoint.address, endpoint.trust(), login)?;
        if !endpoint.is_routed() {
            return Ok(first);
        }
        // A member of a cluster says who takes writes; a single server says that it does itself.
        let writers = first.writers(endpoint.database.as_deref(), &endpoint.address)?;
        match writers.first().filter(|_| !writers.contains(&endpoint.address)) {
            Some(writer) => Connection::open(writer, endpoint.trust(), login),
            None => Ok(first),
        }
    }

    /// A trouble as a person is told it.
    pub fn failure(&self, trouble: Trouble) -> Failure {
        let at = &self.endpoint;
        match trouble {
            Trouble::Line(what) => Failure::unreachable(what).hint(format!(
                "is Neo4j running, and is {} its Bolt port? Encrypted servers want neo4j+s:// or bolt+s://",
                at.address
            )),
            Trouble::Refused(code, words) if code.contains("AuthenticationRateLimit") => {
                Failure::unreachable(format!("{at} refuses logins for a while: {words}"))
                    .hint("Neo4j does so after three wrong passwords, for 5 s by default; wait, then try the right one")
            }
            Trouble::Refused(code, words) if code.contains("CredentialsExpired") => {
                let own = format!("cypher-shell --change-password --address {}", at.uri());
                Failure::unreachable(format!("{at} wants a new password before it does anything else: {words}"))
                    .hint(format!("`{own}` asks for both, or run `ALTER CURRENT USER SET PASSWORD FROM '...' TO '...'`"))
                    .hint("a new server's first login (neo4j/neo4j) is one of these: put the new password into the URL then")
            }
            Trouble::Refused(code, words) if code.contains(".Security.Unauthorized") => Failure::unreachable(format!(
                "{at} refuses the login: {words}"
            ))
            .hint("set NEO4J_USERNAME and NEO4J_PASSWORD, or put them into the URL: neo4j://user:password@host:7687"),
            Trouble::Refused(code, words)
                if code.contains("DatabaseNotFound") || code.contains("DatabaseUnavailable") =>
            {
                Failure::unreachable(words).hint(
                    "the database is the URL's path, `database` in the store's section, or NEO4J_DATABASE; \
                     Community servers have one, `neo4j`",
                )
            }
            Trouble::Refused(code, words) if code.contains("ReadOnly") || code.contains("NotALeader") => {
                Failure::failed(words)
                    .detail(code)
                    .hint(format!("{at} takes no writes: nothing was changed there"))
                    .hint("in a cluster, neo4j:// asks for the member that takes them, and bolt:// speaks to the one it names")
                    .hint("on one server it is `server.databases.read_only`, or `ALTER DATABASE ... SET ACCESS READ WRITE`")
            }
            Trouble::Refused(code, words) => Failure::failed(words).detail(code),
        }
    }
}

fn is_passing(code: &str) -> bool {
    (code.starts_with("Neo.TransientError") && !code.contains("Memory") && !code.contains(".Terminated"))
        || code.contains("Cluster.NotALeader")
}
