//! A connection to the server that takes writes, made when it is needed and made again when it was lost.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bson::{Document, doc};

use super::endpoint::Endpoint;
use super::ledger::Names;
use super::wire::{Connection, Trouble, Watch, number};
use crate::domain::Failure;

/// How long a replica set may take to agree on a server that takes writes.
const ELECTION: Duration = Duration::from_secs(15);
/// Between two looks at it.
const PAUSE: Duration = Duration::from_millis(250);
/// Commands that change something.
const WRITES: [&str; 6] = ["insert", "update", "delete", "findAndModify", "create", "drop"];
/// There is no such collection.
pub const NO_COLLECTION: i32 = 26;
/// Somebody else's document has this key.
pub const DUPLICATE: i32 = 11000;

/// Speaks to one database.
pub struct Session {
    endpoint: Arc<Endpoint>,
    connection: Option<Connection>,
}

impl Session {
    /// Not yet connected.
    pub fn new(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, connection: None }
    }

    /// One more to the same place.
    pub fn another(&self) -> Self {
        Self::new(Arc::clone(&self.endpoint))
    }

    /// Where it leads.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The collections of the ledger.
    pub fn names(&self) -> &Names {
        &self.endpoint.names
    }

    /// Asks the database something that may be asked twice.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses.
    pub fn run(&mut self, command: &Document) -> Result<Document, Failure> {
        self.attempt(command).map_err(|trouble| trouble.failure(&self.endpoint))
    }

    /// The same, with the server's no apart from everything else.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn attempt(&mut self, command: &Document) -> Result<Document, Trouble> {
        let database = self.endpoint.database.clone();
        self.repeated(&database, command)
    }

    /// Asks the server itself.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn admin(&mut self, command: &Document) -> Result<Document, Trouble> {
        self.repeated("admin", command)
    }

    /// Asks the database something that must not be asked twice, for as long as somebody waits.
    ///
    /// # Errors
    /// As [`Session::run`], or nobody waits any longer.
    pub fn watched(&mut self, command: Document, watch: Watch<'_>) -> Result<Document, Trouble> {
        let database = self.endpoint.database.clone();
        let answer = self.connected()?.watched(&database, command, watch);
        if matches!(answer, Err(Trouble::Line(_) | Trouble::Given)) {
            self.connection = None;
        }
        answer
    }

    fn repeated(&mut self, database: &str, command: &Document) -> Result<Document, Trouble> {
        let began = Instant::now();
        let mut had_one = self.connection.is_some();
        loop {
            let answer = self.once(database, command.clone());
            match &answer {
                Err(Trouble::Line(_)) if had_one => had_one = false,
                Err(Trouble::Said(refusal)) if refusal.is_passing() && began.elapsed() < ELECTION => {
                    self.connection = None;
                    thread::sleep(PAUSE);
                }
                _ => return answer,
            }
        }
    }

    fn once(&mut self, database: &str, mut command: Document) -> Result<Document, Trouble> {
        let connection = self.connected()?;
        let writes = command.keys().next().is_some_and(|name| WRITES.contains(&name.as_str()));
        if writes && has_replicas(&connection.hello) {
            command.insert("writeConcern", doc! { "w": "majority" });
        }
        let answer = connection.ask(database, command);
        if matches!(answer, Err(Trouble::Line(_))) {
            self.connection = None;
        }
        answer
    }

    fn connected(&mut self) -> Result<&mut Connection, Trouble> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => primary(self.endpoint.found()?)?,
        };
        Ok(self.connection.insert(connection))
    }

    /// What the server says of itself, now.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn hello(&mut self) -> Result<Document, Failure> {
        let name = match self.connected() {
            Ok(connection) if connection.hello.contains_key("isWritablePrimary") => "hello",
            Ok(_) => "isMaster",
            Err(trouble) => return Err(trouble.failure(&self.endpoint)),
        };
        self.run(&doc! { name: 1 })
    }

    /// The server's clock, in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn now_ms(&mut self) -> Result<i64, Failure> {
        let hello = self.hello()?;
        hello
            .get_datetime("localTime")
            .map(|t| t.timestamp_millis())
            .map_err(|_| Failure::unreachable(format!("{} does not say what time it is", self.endpoint)))
    }

    /// All documents of a collection that fit.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn find(&mut self, collection: &str, query: Document) -> Result<Vec<Document>, Failure> {
        self.all(&doc! { "find": collection, "filter": query, "sort": { "_id": 1 } })
    }

    /// All documents that a command's cursor leads to.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn all(&mut self, command: &Document) -> Result<Vec<Document>, Failure> {
        let odd = || Failure::failed("the server answered a search with no cursor");
        let mut answer = self.run(command)?;
        let mut found = Vec::new();
        loop {
            let cursor = answer.get_document("cursor").map_err(|_| odd())?;
            let batch = cursor.get_array("firstBatch").or_else(|_| cursor.get_array("nextBatch")).map_err(|_| odd())?;
            found.extend(batch.iter().filter_map(|item| item.as_document().cloned()));
            let id = number(cursor.get("id")).unwrap_or(0);
            if id == 0 {
                return Ok(found);
            }
            let space = cursor.get_str("ns").map_err(|_| odd())?;
            let collection = space.split_once('.').map_or(space, |(_, name)| name).to_owned();
            answer = self.run(&doc! { "getMore": id, "collection": collection })?;
        }
    }
}

/// Whether there is more than one copy of the data, and with that transactions.
pub fn has_replicas(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").or_else(|_| hello.get_bool("ismaster")).unwrap_or(false)
}

/// The first server that takes writes: of those that the URL names, then of those that these name.
fn primary(endpoint: &Endpoint) -> Result<Connection, Trouble> {
    let mut places = endpoint.hosts.clone();
    let mut trouble = Trouble::Line("no server was asked".to_owned());
    let mut at = 0;
    while let Some((host, port)) = places.get(at).cloned() {
        at += 1;
        let connection = match Connection::open(endpoint, &host, port) {
            Ok(connection) => connection,
            // Who is not let in by one is not let in by another.
            Err(refused @ Trouble::Refused(_)) => return Err(refused),
            Err(other) => {
                trouble = other;
                continue;
            }
        };
        let (set, sharded) = (connection.hello.get_str("setName").ok(), connection.hello.contains_key("msg"));
        if let Some(wanted) = endpoint.replica_set.as_deref().filter(|wanted| set != Some(*wanted) && !sharded) {
            let set = set.map_or_else(|| "no replica set".to_owned(), |set| format!("the replica set {set}"));
            trouble =
                Trouble::Line(format!("{} belongs to {set}, and the connection wants {wanted}", connection.place));
            continue;
        }
        if endpoint.direct || is_primary(&connection.hello) {
            return Ok(connection);
        }
        trouble = Trouble::Line(format!("{} takes no writes, and knows of no server that does", connection.place));
        let named = connection.hello.get_str("primary").ok().and_then(|place| place.rsplit_once(':'));
        if let Some((host, port)) = named.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
            && !places.contains(&(host.clone(), port))
        {
            places.insert(at, (host, port));
        }
    }
    Err(trouble)
}
