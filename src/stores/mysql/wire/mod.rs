//! The servers' own protocol: a connection that asks one thing at a time. Ledger and lease need text results and nothing
//! more, and the crates at hand bring thirty others along.
//!
//! Source: MySQL's and MariaDB's protocol manuals; handshake version 10, which every server since MySQL 4.1 speaks.

mod auth;
mod packet;
mod tls;

use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use self::auth::{Proof, prove};
use self::packet::{Reader, receive, send};
use super::endpoint::{Endpoint, Mode, Place};
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
    /// It is not who it should be, or what it wants would give the password away.
    Untrusted(String),
    /// It refused: its number and its words.
    Refused(u16, String),
}

/// What one statement came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its rows, values as text.
    pub rows: Vec<Vec<Option<String>>>,
    /// Rows that it found to change, whether or not they were changed.
    pub affected: u64,
}

/// A connection, logged in.
pub struct Connection {
    line: Box<dyn Line>,
    sequence: u8,
    /// The server's version, as it says it: `10.11.19-MariaDB`, `9.7.4`.
    pub version: String,
    /// The server's number of this connection.
    pub id: u64,
}

const LONG_PASSWORD: u32 = 1;
const FOUND_ROWS: u32 = 1 << 1;
const LONG_FLAG: u32 = 1 << 2;
const CONNECT_WITH_DB: u32 = 1 << 3;
const PROTOCOL_41: u32 = 1 << 9;
const SSL: u32 = 1 << 11;
const TRANSACTIONS: u32 = 1 << 13;
const SECURE_CONNECTION: u32 = 1 << 15;
const MULTI_STATEMENTS: u32 = 1 << 16;
const MULTI_RESULTS: u32 = 1 << 17;
const PLUGIN_AUTH: u32 = 1 << 19;

const COM_QUERY: u8 = 3;
const UTF8MB4: u8 = 45;
const MORE_RESULTS: u64 = 8;

/// What a server says first.
struct Greeting {
    version: String,
    id: u64,
    capabilities: u32,
    challenge: Vec<u8>,
    plugin: String,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Nobody there, another protocol, a login that is refused.
    pub fn open(endpoint: &Endpoint) -> Result<Self, Trouble> {
        match &endpoint.place {
            Place::Socket(path) => {
                let cannot = |e: std::io::Error| Trouble::Line(format!("{} cannot be reached: {e}", path.display()));
                let stream = UnixStream::connect(path).map_err(cannot)?;
                stream.set_read_timeout(Some(PATIENCE)).map_err(cannot)?;
                let (mut connection, greeting) = Self::greeted(Box::new(stream))?;
                connection.log_in(endpoint, &greeting, 0, true)?;
                Ok(connection)
            }
            Place::Port(host, port) if endpoint.tls.mode == Mode::Local => Self::within(endpoint, host, *port),
            Place::Port(host, port) => Self::over_tcp(endpoint, host, *port, endpoint.tls.mode),
        }
    }

    /// Within this machine: a login that is refused may be one that wants TLS.
    fn within(endpoint: &Endpoint, host: &str, port: u16) -> Result<Self, Trouble> {
        if endpoint.tls.needed.get() != Some(&true) {
            let plain = Self::over_tcp(endpoint, host, port, Mode::Disabled);
            if !matches!(plain, Err(Trouble::Refused(..) | Trouble::Untrusted(_))) {
                return plain;
            }
        }
        let encrypted = Self::over_tcp(endpoint, host, port, Mode::Preferred)?;
        endpoint.tls.needed.get_or_init(|| true);
        Ok(encrypted)
    }

    fn over_tcp(endpoint: &Endpoint, host: &str, port: u16, mode: Mode) -> Result<Self, Trouble> {
        let stream = connect(host, port)?;
        let cannot = |e: std::io::Error| Trouble::Line(format!("{host}:{port} cannot be reached: {e}"));
        let (mut connection, greeting) = Self::greeted(Box::new(stream.try_clone().map_err(cannot)?))?;
        let offered = greeting.capabilities & SSL != 0;
        match mode {
            Mode::Disabled => connection.log_in(endpoint, &greeting, 0, false)?,
            Mode::Preferred if !offered => connection.log_in(endpoint, &greeting, 0, false)?,
            _ if !offered => return Err(Trouble::Untrusted(format!("{host} has no TLS, and ssl-mode asks for it"))),
            _ => {
                let request = head(endpoint, SSL);
                send(&mut connection.line, &mut connection.sequence, &request).map_err(gone)?;
                connection.line = tls::wrap(&endpoint.tls, host, stream)?;
                connection.log_in(endpoint, &greeting, SSL, true)?;
            }
        }
        Ok(connection)
    }

    fn greeted(line: Box<dyn Line>) -> Result<(Self, Greeting), Trouble> {
        let mut connection = Self { line, sequence: 0, version: String::new(), id: 0 };
        let packet = connection.receive()?;
        let greeting = greeting(&packet)
            .ok_or_else(|| Trouble::Line("what answers does not speak MySQL's protocol".to_owned()))?;
        (connection.version, connection.id) = (greeting.version.clone(), greeting.id);
        Ok((connection, greeting))
    }

    /// `safe` is a line that nobody can listen to.
    fn log_in(&mut self, endpoint: &Endpoint, greeting: &Greeting, tls: u32, safe: bool) -> Result<(), Trouble> {
        let password = endpoint.password.as_ref().map_or("", |p| p.reveal());
        // Servers whose default cannot be used here still say which way this user goes.
        let proof = match prove(&greeting.plugin, password, &greeting.challenge) {
            Proof::Bytes(bytes) => bytes,
            _ => Vec::new(),
        };
        let mut response = head(endpoint, tls);
        response.extend_from_slice(endpoint.user.as_bytes());
        response.push(0);
        response.push(u8::try_from(proof.len()).unwrap_or(0));
        response.extend_from_slice(&proof);
        if let Some(database) = &endpoint.database {
            response.extend_from_slice(database.as_bytes());
            response.push(0);
        }
        response.extend_from_slice(greeting.plugin.as_bytes());
        response.push(0);
        self.send(&response)?;
        let mut plugin = greeting.plugin.clone();
        loop {
            let packet = self.receive()?;
            match packet.as_slice() {
                [0, ..] => return Ok(()),
                [0xfe, rest @ ..] => {
                    let mut reader = Reader(rest);
                    plugin = String::from_utf8_lossy(reader.until_zero()).into_owned();
                    let challenge = reader.0.strip_suffix(&[0]).unwrap_or(reader.0);
                    self.prove(&plugin, password, challenge, safe)?;
                }
                // The server has the password in its cache.
                [1, 3] => {}
                [1, 4] => self.tell(&plugin, password, safe)?,
                _ => return Err(Trouble::Line("the server's answer to the login cannot be understood".to_owned())),
            }
        }
    }

    fn prove(&mut self, plugin: &str, password: &str, challenge: &[u8], safe: bool) -> Result<(), Trouble> {
        match prove(plugin, password, challenge) {
            Proof::Bytes(bytes) => self.send(&bytes),
            Proof::Password => self.tell(plugin, password, safe),
            Proof::Unknown => Err(Trouble::Untrusted(format!(
                "the server wants the login `{plugin}`, which is not known here: use caching_sha2_password or mysql_native_password"
            ))),
        }
    }

    /// Says the password itself.
    fn tell(&mut self, plugin: &str, password: &str, safe: bool) -> Result<(), Trouble> {
        if !safe {
            return Err(Trouble::Untrusted(format!(
                "the login `{plugin}` wants the password itself, and this connection is not encrypted: ssl-mode=REQUIRED encrypts it"
            )));
        }
        let mut bytes = password.as_bytes().to_vec();
        bytes.push(0);
        self.send(&bytes)
    }

    /// Runs statements, apart by semicolons; an answer for each. The first one that is refused ends them.
    ///
    /// # Errors
    /// The server's refusal; a connection that is lost.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Answer>, Trouble> {
        self.sequence = 0;
        let mut packet = vec![COM_QUERY];
        packet.extend_from_slice(sql.as_bytes());
        self.send(&packet)?;
        let mut answers = Vec::new();
        loop {
            let (answer, status) = self.answer()?;
            answers.push(answer);
            if status & MORE_RESULTS == 0 {
                return Ok(answers);
            }
        }
    }

    fn answer(&mut self) -> Result<(Answer, u64), Trouble> {
        let strange = || Trouble::Line("the server's answer cannot be understood".to_owned());
        let packet = self.receive()?;
        let mut reader = Reader(&packet);
        let first = reader.length().ok_or_else(strange)?;
        match first {
            Some(0) => {
                let affected = reader.length().flatten().ok_or_else(strange)?;
                reader.length().ok_or_else(strange)?;
                let status = reader.number(2).ok_or_else(strange)?;
                Ok((Answer { rows: Vec::new(), affected }, status))
            }
            // LOAD DATA LOCAL: we never ask for it.
            None => Err(strange()),
            Some(columns) => {
                // What the columns are called and are, and the end of that: we know what we asked for.
                for _ in 0..=columns {
                    self.receive()?;
                }
                let mut rows = Vec::new();
                loop {
                    let packet = self.receive()?;
                    if packet.len() < 9 && packet.first() == Some(&0xfe) {
                        let status = Reader(packet.get(3..).unwrap_or_default()).number(2).ok_or_else(strange)?;
                        return Ok((Answer { rows, affected: 0 }, status));
                    }
                    let mut reader = Reader(&packet);
                    let row: Option<Vec<_>> = (0..columns).map(|_| reader.value()).collect();
                    rows.push(row.ok_or_else(strange)?);
                }
            }
        }
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        send(&mut self.line, &mut self.sequence, payload).map_err(gone)
    }

    /// A packet; a refusal is trouble wherever it comes.
    fn receive(&mut self) -> Result<Vec<u8>, Trouble> {
        let packet = receive(&mut self.line, &mut self.sequence).map_err(gone)?;
        match packet.as_slice() {
            [0xff, low, high, words @ ..] => {
                // Before the login a server does not say its SQL state.
                let words = if words.first() == Some(&b'#') { words.get(6..).unwrap_or_default() } else { words };
                Err(Trouble::Refused(u16::from_le_bytes([*low, *high]), String::from_utf8_lossy(words).into_owned()))
            }
            _ => Ok(packet),
        }
    }
}

/// What a response to the greeting begins with, and all that is said before TLS.
fn head(endpoint: &Endpoint, more: u32) -> Vec<u8> {
    let database = if endpoint.database.is_some() { CONNECT_WITH_DB } else { 0 };
    let capabilities = LONG_PASSWORD
        | FOUND_ROWS
        | LONG_FLAG
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | MULTI_STATEMENTS
        | MULTI_RESULTS
        | PLUGIN_AUTH
        | database
        | more;
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend_from_slice(&(64u32 << 20).to_le_bytes());
    head.push(UTF8MB4);
    head.extend_from_slice(&[0; 23]);
    head
}

fn greeting(packet: &[u8]) -> Option<Greeting> {
    let mut reader = Reader(packet);
    if reader.number(1)? != 10 {
        return None;
    }
    let version = String::from_utf8_lossy(reader.until_zero()).into_owned();
    let id = reader.number(4)?;
    let mut challenge = reader.bytes(8)?.to_vec();
    reader.bytes(1)?;
    let low = reader.number(2)?;
    reader.bytes(3)?;
    let high = reader.number(2)?;
    let length = usize::try_from(reader.number(1)?).ok()?;
    reader.bytes(10)?;
    let rest = reader.bytes(length.saturating_sub(8).max(13))?;
    challenge.extend_from_slice(rest.strip_suffix(&[0]).unwrap_or(rest));
    let plugin = String::from_utf8_lossy(reader.until_zero()).into_owned();
    let capabilities = u32::try_from(low | (high << 16)).ok()?;
    // A proxy may have kept MariaDB's ancient prefix, by which replicas told it from MySQL 5.
    let version = version.strip_prefix("5.5.5-").unwrap_or(&version).to_owned();
    Some(Greeting { version, id, capabilities, challenge, plugin })
}

fn connect(host: &str, port: u16) -> Result<TcpStream, Trouble> {
    let cannot = |why: String| Trouble::Line(format!("{host}:{port} cannot be reached: {why}"));
    let mut last = "the name has no address".to_owned();
    for one in (host, port).to_socket_addrs().map_err(|e| cannot(e.to_string()))? {
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

#[allow(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn gone(error: std::io::Error) -> Trouble {
    Trouble::Line(format!("the connection was lost: {error}"))
}
