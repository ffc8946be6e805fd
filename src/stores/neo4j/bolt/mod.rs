//! Bolt, the server's own protocol: a connection that asks one thing at a time. Ledger and lease need no more of it, and the
//! drivers at hand bring cmake or an executor along.
//!
//! Source: the Bolt manual; versions 4.2 to 4.4 and 5.0 to 5.4, which Neo4j 4.4, 5 and the calendar versions all speak.

mod pack;
mod tls;

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

pub use pack::Value;
pub use tls::Trust;

use crate::stores::tls::Line;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long it may take to answer anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such server, or it went away.
    Line(String),
    /// It refused: its code (`Neo.ClientError.Security.Unauthorized`) and its words.
    Refused(String, String),
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A connection, logged in.
pub struct Connection {
    line: Box<dyn Line>,
    version: (u8, u8),
    /// The server's name and version: `Neo4j/5.26.0`.
    pub server: String,
}

const HELLO: u8 = 0x01;
const RESET: u8 = 0x0F;
const RUN: u8 = 0x10;
const BEGIN: u8 = 0x11;
const ROLLBACK: u8 = 0x13;
const PULL: u8 = 0x3F;
const ROUTE: u8 = 0x66;
const LOGON: u8 = 0x6A;
const SUCCESS: u8 = 0x70;
const RECORD: u8 = 0x71;
const IGNORED: u8 = 0x7E;
const FAILURE: u8 = 0x7F;

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Nobody there, no Bolt, a login that is refused.
    pub fn open(address: &Address, trust: Trust<'_>, login: Option<(&str, &str)>) -> Result<Self, Trouble> {
        let stream = connect(address)?;
        let line: Box<dyn Line> = match trust {
            Trust::Plain => Box::new(stream),
            _ => tls::wrap(trust, &address.host, stream)?,
        };
        let mut connection = Self { line, version: (0, 0), server: String::new() };
        connection.shake_hands(address)?;
        connection.log_in(login)?;
        Ok(connection)
    }

    fn shake_hands(&mut self, address: &Address) -> Result<(), Trouble> {
        let mut hello = vec![0x60, 0x60, 0xB0, 0x17];
        // Each: nothing, how many minor versions below are fine too, minor, major.
        hello.extend_from_slice(&[0, 4, 4, 5, 0, 2, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.line.write_all(&hello).and_then(|()| self.line.flush()).map_err(gone)?;
        let mut answer = [0u8; 4];
        let no_bolt = |what: &str| Trouble::Line(format!("what answers at {address} {what}"));
        self.line
            .read_exact(&mut answer)
            .map_err(|_| no_bolt("hangs up: it may speak Bolt over TLS only, or no Bolt"))?;
        match answer {
            [0, 0, 0, 0] => Err(no_bolt("speaks no Bolt of the versions 4.2 to 4.4 or 5")),
            [0, 0, minor, major @ 4..=5] => {
                self.version = (major, minor);
                Ok(())
            }
            _ => Err(no_bolt("speaks no Bolt: Neo4j's port for it is 7687")),
        }
    }

    fn log_in(&mut self, login: Option<(&str, &str)>) -> Result<(), Trouble> {
        let agent = concat!("stepladder/", env!("CARGO_PKG_VERSION"));
        let auth = match login {
            None => vec![("scheme", Value::text("none"))],
            Some((user, password)) => vec![
                ("scheme", Value::text("basic")),
                ("principal", Value::text(user)),
                ("credentials", Value::text(password)),
            ],
        };
        let map = |pairs: Vec<(&str, Value)>| Value::Map(pairs.into_iter().map(|(n, v)| (n.to_owned(), v)).collect());
        let mut hello = vec![("user_agent", Value::text(agent))];
        let apart = self.version >= (5, 1);
        if self.version >= (5, 3) {
            hello.push(("bolt_agent", Value::map([("product", Value::text(agent))])));
        }
        if !apart {
            hello.extend(auth.clone());
        }
        let said = self.ask(HELLO, vec![map(hello)])?;
        self.server = said.get("server").and_then(Value::as_text).unwrap_or("Neo4j").to_owned();
        if apart {
            self.ask(LOGON, vec![map(auth)])?;
        }
        Ok(())
    }

    /// Runs a statement in a transaction of its own; its rows.
    ///
    /// # Errors
    /// The server's refusal; a connection that is lost.
    pub fn run(
        &mut self,
        statement: &str,
        parameters: Value,
        database: Option<&str>,
    ) -> Result<Vec<Vec<Value>>, Trouble> {
        let rows = self.rows(statement, parameters, within(database));
        self.reset_after(rows)
    }

    /// Has the server plan a statement as one of a transaction that has changed something, which it plans apart.
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub fn plan_behind_change(
        &mut self,
        statement: &str,
        parameters: Value,
        database: Option<&str>,
    ) -> Result<(), Trouble> {
        let planned = self.plan_and_roll_back(statement, parameters, database);
        self.reset_after(planned)
    }

    fn plan_and_roll_back(
        &mut self,
        statement: &str,
        parameters: Value,
        database: Option<&str>,
    ) -> Result<(), Trouble> {
        self.ask(BEGIN, vec![within(database)])?;
        self.rows("CREATE ()", Value::map([]), Value::map([]))?;
        self.rows(&format!("EXPLAIN {statement}"), parameters, Value::map([]))?;
        self.ask(ROLLBACK, vec![]).map(drop)
    }

    fn rows(&mut self, statement: &str, parameters: Value, extra: Value) -> Result<Vec<Vec<Value>>, Trouble> {
        self.send(RUN, vec![Value::text(statement), parameters, extra])?;
        self.send(PULL, vec![Value::map([("n", Value::Int(-1))])])?;
        let mut rows = Vec::new();
        let begun = self.answer(&mut rows);
        let pulled = self.answer(&mut rows);
        begun.and(pulled).map(|_| rows)
    }

    /// Behind a refusal the server hears nothing until it is reset.
    fn reset_after<T>(&mut self, outcome: Result<T, Trouble>) -> Result<T, Trouble> {
        if matches!(outcome, Err(Trouble::Refused(..))) {
            self.ask(RESET, vec![])?;
        }
        outcome
    }

    /// The servers that take writes for a database, as a cluster says.
    ///
    /// # Errors
    /// As [`Connection::run`].
    pub fn writers(&mut self, database: Option<&str>, own: &Address) -> Result<Vec<Address>, Trouble> {
        let name = database.map_or(Value::Null, Value::text);
        let third = match self.version >= (4, 4) {
            true => within(database),
            false => name,
        };
        let context = Value::map([("address", Value::text(own.to_string()))]);
        let answer = self.ask(ROUTE, vec![context, Value::List(vec![]), third]);
        let answer = self.reset_after(answer)?;
        let servers = answer.get("rt").and_then(|rt| rt.get("servers")).cloned().unwrap_or(Value::Null);
        let writers = servers.as_list().iter().filter(|s| s.get("role").and_then(Value::as_text) == Some("WRITE"));
        let addresses = writers.filter_map(|s| s.get("addresses")).flat_map(Value::as_list).filter_map(Value::as_text);
        Ok(addresses.filter_map(address).collect())
    }

    fn ask(&mut self, tag: u8, fields: Vec<Value>) -> Result<Value, Trouble> {
        self.send(tag, fields)?;
        self.answer(&mut Vec::new())
    }

    fn send(&mut self, tag: u8, fields: Vec<Value>) -> Result<(), Trouble> {
        let mut message = Vec::new();
        Value::Struct(tag, fields).pack(&mut message);
        let mut framed = Vec::with_capacity(message.len() + 8);
        for chunk in message.chunks(usize::from(u16::MAX)) {
            framed.extend_from_slice(&u16::try_from(chunk.len()).unwrap_or(u16::MAX).to_be_bytes());
            framed.extend_from_slice(chunk);
        }
        framed.extend_from_slice(&[0, 0]);
        self.line.write_all(&framed).and_then(|()| self.line.flush()).map_err(gone)
    }

    /// Reads rows until the summary.
    fn answer(&mut self, rows: &mut Vec<Vec<Value>>) -> Result<Value, Trouble> {
        loop {
            let Some(Value::Struct(tag, mut fields)) = Value::unpack(&self.message()?) else {
                return Err(Trouble::Line("the server's answer cannot be understood".to_owned()));
            };
            let first = if fields.is_empty() { Value::Null } else { fields.swap_remove(0) };
            match (tag, first) {
                (RECORD, Value::List(row)) => rows.push(row),
                (SUCCESS, summary) => return Ok(summary),
                (IGNORED, _) => return Err(Trouble::Line("the server ignored a message".to_owned())),
                (FAILURE, ref failure) => {
                    let text = |name: &str| failure.get(name).and_then(Value::as_text).unwrap_or_default().to_owned();
                    return Err(Trouble::Refused(text("code"), text("message")));
                }
                _ => return Err(Trouble::Line("the server's answer cannot be understood".to_owned())),
            }
        }
    }

    fn message(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut message = Vec::new();
        loop {
            let mut size = [0u8; 2];
            self.line.read_exact(&mut size).map_err(gone)?;
            match usize::from(u16::from_be_bytes(size)) {
                // Empty chunks before a message keep the line alive.
                0 if message.is_empty() => {}
                0 => return Ok(message),
                size => {
                    let start = message.len();
                    message.resize(start + size, 0);
                    self.line.read_exact(&mut message[start..]).map_err(gone)?;
                }
            }
        }
    }
}

/// The database that a transaction is for.
fn within(database: Option<&str>) -> Value {
    database.map_or(Value::map([]), |name| Value::map([("db", Value::text(name))]))
}

fn connect(address: &Address) -> Result<TcpStream, Trouble> {
    let cannot = |why: String| Trouble::Line(format!("{address} cannot be reached: {why}"));
    let found = (address.host.as_str(), address.port).to_socket_addrs().map_err(|e| cannot(e.to_string()))?;
    let mut last = "the name has no address".to_owned();
    for one in found {
        match TcpStream::connect_timeout(&one, CONNECT) {
            Ok(stream) => {
                let limits = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
                limits.and_then(|()| stream.set_write_timeout(Some(PATIENCE))).map_err(|e| cannot(e.to_string()))?;
                return Ok(stream);
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(cannot(last))
}

/// `host:port`, the host perhaps in brackets.
pub fn address(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Address { host: host.to_owned(), port: port.parse().ok()? })
}

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn gone(error: std::io::Error) -> Trouble {
    Trouble::Line(format!("the connection was lost: {error}"))
}
