//! One connection to one server: messages, the greeting, logging in.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};

use super::{scram, tls};
use crate::domain::Failure;
use crate::stores::mongodb::endpoint::Endpoint;
use crate::stores::tls::Line;

/// How long each answer may take while TLS is being set up: a server without it may wait for more, for ever.
const SECRECY: Duration = Duration::from_secs(10);
/// How long a server may take to be connected to.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a server may take to answer what is ours.
const ANSWER: Duration = Duration::from_secs(40);
/// How often a wait is interrupted to look whether it is to go on.
const GLANCE: Duration = Duration::from_millis(50);
/// No answer is longer.
const LONGEST: usize = 64 << 20;
/// The one kind of message that is spoken, OP_MSG: every server since 3.6 knows it.
const MESSAGE: i32 = 2013;
/// The server does not know the command.
const UNKNOWN_COMMAND: i32 = 59;

/// Why a command has no answer.
#[derive(Debug)]
pub enum Trouble {
    /// The line is broken: another connection may do.
    Line(String),
    /// There is no way in: another try will not help.
    Refused(Failure),
    /// The server says no.
    Said(Refusal),
    /// Whoever waited did not want to any longer.
    Given,
}

/// The server's no.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Its number.
    pub code: i32,
    /// Its words.
    pub message: String,
}

/// Looks whether a wait is to go on.
pub type Watch<'a> = &'a mut dyn FnMut() -> bool;

impl Trouble {
    /// As a failure of this endpoint.
    pub fn failure(self, endpoint: &Endpoint) -> Failure {
        match self {
            Self::Refused(failure) => failure,
            Self::Line(why) => Failure::unreachable(format!("{endpoint} cannot be reached: {why}"))
                .hint("is the server running, and is this its address? `stepladder wait` waits for it"),
            Self::Said(refusal) => Failure::failed(format!("{endpoint} says: {}", refusal.words())),
            Self::Given => Failure::failed("the wait for an answer was given up"),
        }
    }
}

impl Refusal {
    /// What a person reads.
    pub fn words(&self) -> String {
        match self.code {
            0 => self.message.clone(),
            code => format!("{} (code {code})", self.message),
        }
    }

    /// The first no in an answer: of the command itself, of one of its writes, or of their copies.
    fn of(answer: &Document) -> Option<Self> {
        let text = |doc: &Document| doc.get_str("errmsg").unwrap_or("no words").to_owned();
        if number(answer.get("ok")) != Some(1) {
            return Some(Self { code: code(answer), message: text(answer) });
        }
        let writes = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()?.as_document());
        writes
            .or_else(|| answer.get_document("writeConcernError").ok())
            .map(|doc| Self { code: code(doc), message: text(doc) })
    }

    /// Whether another server has to be asked, or the same one a little later.
    pub const fn is_passing(&self) -> bool {
        matches!(self.code, 91 | 189 | 10107 | 13435 | 11600 | 11602 | 10058 | 13436)
    }
}

fn code(doc: &Document) -> i32 {
    number(doc.get("code")).and_then(|n| i32::try_from(n).ok()).unwrap_or(0)
}

/// A number, whatever its width: servers answer `ok` as a double.
pub fn number(value: Option<&Bson>) -> Option<i64> {
    match value? {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        #[allow(clippy::cast_possible_truncation)] // numbers of ours are small
        Bson::Double(n) => Some(*n as i64),
        Bson::Boolean(b) => Some(i64::from(*b)),
        _ => None,
    }
}

/// A connection that is logged in.
pub struct Connection {
    stream: Box<dyn Line>,
    /// `host:port`.
    pub place: String,
    sent: i32,
    /// What it said of itself.
    pub hello: Document,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// No way in.
    pub fn open(endpoint: &Endpoint, host: &str, port: u16) -> Result<Self, Trouble> {
        let place = format!("{host}:{port}");
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let addresses = (name, port).to_socket_addrs().map_err(|e| Trouble::Line(format!("{place}: {e}")))?;
        let mut stream = Err(Trouble::Line(format!("{place} has no address")));
        for address in addresses {
            stream = TcpStream::connect_timeout(&address, CONNECT).map_err(|e| Trouble::Line(format!("{place}: {e}")));
            if stream.is_ok() {
                break;
            }
        }
        let stream = stream?;
        let prepared = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(Some(SECRECY)))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER)));
        prepared.map_err(|e| Trouble::Line(format!("{place}: {e}")))?;
        let socket = stream.try_clone().map_err(|e| Trouble::Line(e.to_string()))?;
        let stream: Box<dyn Line> = match &endpoint.tls {
            None => Box::new(stream),
            Some(wanted) => tls::wrap(wanted, host, stream)?,
        };
        // Both share it: from here on every wait is looked after.
        socket.set_read_timeout(Some(GLANCE)).map_err(|e| Trouble::Line(e.to_string()))?;
        let mut connection = Self { stream, place, sent: 0, hello: Document::new() };
        connection.greet(endpoint)?;
        if let Some(login) = &endpoint.login {
            scram::log_in(&mut connection, login)?;
        }
        Ok(connection)
    }

    fn greet(&mut self, endpoint: &Endpoint) -> Result<(), Trouble> {
        let client = doc! {
            "application": { "name": "stepladder" },
            "driver": { "name": "stepladder", "version": env!("CARGO_PKG_VERSION") },
            "os": { "type": std::env::consts::OS },
        };
        let mut command = doc! { "hello": 1, "helloOk": true, "client": client };
        if let Some(login) = &endpoint.login {
            command.insert("saslSupportedMechs", format!("{}.{}", login.source, login.user));
        }
        self.hello = match self.ask("admin", command.clone()) {
            Err(Trouble::Said(refusal)) if refusal.code == UNKNOWN_COMMAND => {
                command.remove("hello");
                let mut old = doc! { "isMaster": 1 };
                old.extend(command);
                self.ask("admin", old)?
            }
            answer => answer?,
        };
        Ok(())
    }

    /// Asks something that is answered soon.
    ///
    /// # Errors
    /// A broken line, or the server's no.
    pub fn ask(&mut self, database: &str, command: Document) -> Result<Document, Trouble> {
        let began = Instant::now();
        match self.watched(database, command, &mut || began.elapsed() < ANSWER) {
            Err(Trouble::Given) => Err(Trouble::Line(format!("{} does not answer", self.place))),
            answer => answer,
        }
    }

    /// Asks, and waits for as long as somebody wants to. A connection that was not waited for is of no more use.
    ///
    /// # Errors
    /// As [`Connection::ask`].
    pub fn watched(&mut self, database: &str, mut command: Document, watch: Watch<'_>) -> Result<Document, Trouble> {
        command.insert("$db", database);
        self.send(&command).map_err(|e| Trouble::Line(format!("{}: {e}", self.place)))?;
        let mut head = [0; 16];
        self.fill(&mut head, watch)?;
        let field = |at: usize| i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let odd = || {
            Trouble::Line(format!("{} answered what is not MongoDB's protocol (does this port want TLS?)", self.place))
        };
        let length = usize::try_from(field(0)).ok().filter(|l| (21..LONGEST).contains(l)).ok_or_else(odd)?;
        if field(12) != MESSAGE || field(8) != self.sent {
            return Err(odd());
        }
        let mut body = vec![0; length - 16];
        self.fill(&mut body, watch)?;
        // Four bytes of flags, and one that says that a document follows.
        let odd = |e: String| Trouble::Line(format!("{} answered what cannot be read: {e}", self.place));
        let answer = Document::from_reader(&body[5..]).map_err(|e| odd(e.to_string()))?;
        match Refusal::of(&answer) {
            Some(refusal) => Err(Trouble::Said(refusal)),
            None => Ok(answer),
        }
    }

    fn send(&mut self, command: &Document) -> io::Result<()> {
        let body = command.to_vec().map_err(io::Error::other)?;
        self.sent = self.sent.wrapping_add(1);
        let length = i32::try_from(body.len() + 21).map_err(io::Error::other)?;
        let mut message = Vec::with_capacity(body.len() + 21);
        for field in [length, self.sent, 0, MESSAGE, 0] {
            message.extend_from_slice(&field.to_le_bytes());
        }
        message.push(0);
        message.extend_from_slice(&body);
        self.stream.write_all(&message)?;
        self.stream.flush()
    }

    fn fill(&mut self, buffer: &mut [u8], watch: Watch<'_>) -> Result<(), Trouble> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => {
                    let why = "it closed the connection (does this port want TLS?)";
                    return Err(Trouble::Line(format!("{}: {why}", self.place)));
                }
                Ok(n) => filled += n,
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    if !watch() {
                        return Err(Trouble::Given);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Trouble::Line(format!("{}: {e}", self.place))),
            }
        }
        Ok(())
    }
}
