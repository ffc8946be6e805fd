//! What `mongodb+srv` asks of the DNS: SRV and TXT records, and nothing else, so a resolver of a hundred crates is not
//! needed. The system's library answers neither.
//!
//! Source: RFC 1035 (messages) and RFC 2782 (SRV).

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// Where the system says which servers to ask.
const SYSTEM: &str = "/etc/resolv.conf";
/// How long a server may take, and how often each is asked.
const PATIENCE: Duration = Duration::from_secs(3);
const ROUNDS: usize = 2;

const TXT: u16 = 16;
const SRV: u16 = 33;
const INTERNET: u16 = 1;
const NO_SUCH_NAME: u8 = 3;

/// A server that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    priority: u16,
    /// Its name, without a last dot.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Asks one or several name servers.
#[derive(Clone, Debug)]
pub struct Resolver(Vec<SocketAddr>);

impl Resolver {
    /// That asks this server: `10.0.0.2` or `10.0.0.2:5353`.
    pub fn of(server: &str) -> Option<Self> {
        let ip = |text: &str| text.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 53));
        server.parse().ok().or_else(|| ip(server)).map(|address| Self(vec![address]))
    }

    /// That asks those of the system.
    pub fn system() -> Self {
        let text = std::fs::read_to_string(SYSTEM).unwrap_or_default();
        let servers: Vec<SocketAddr> = configured(&text);
        // As the system's own resolver does.
        let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 53);
        Self(if servers.is_empty() { vec![local] } else { servers })
    }

    /// The servers that a name stands for, those of the highest priority first.
    ///
    /// # Errors
    /// Why there is no answer.
    pub fn targets(&self, name: &str) -> Result<Vec<Target>, String> {
        let mut targets = self.ask(name, SRV)?.iter().map(target).collect::<Option<Vec<_>>>().ok_or_else(odd)?;
        targets.sort_by_key(|target| target.priority);
        Ok(targets)
    }

    /// The texts that a name has.
    ///
    /// # Errors
    /// As [`Resolver::targets`].
    pub fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        self.ask(name, TXT)?.iter().map(text).collect::<Option<_>>().ok_or_else(odd)
    }

    fn ask(&self, name: &str, kind: u16) -> Result<Vec<Record>, String> {
        let digits = crate::process::identity::token();
        let id = u16::from_str_radix(digits.get(..4).unwrap_or_default(), 16).unwrap_or(1);
        let query = query(id, name, kind).ok_or_else(|| format!("`{name}` is no name of the DNS"))?;
        let mut last = "there is no name server".to_owned();
        for server in (0..ROUNDS).flat_map(|_| &self.0) {
            match exchange(*server, &query).map_err(|e| e.to_string()).and_then(|m| answers(&m, id, kind)) {
                Ok(records) => return Ok(records),
                Err(why) => last = format!("the name server {server} has no answer to `{name}`: {why}"),
            }
        }
        Err(last)
    }
}

fn odd() -> String {
    "the name server's answer cannot be understood".to_owned()
}

/// The `nameserver` lines.
fn configured(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    // An address may name the interface that leads to it.
    let address = |said: &str| said.trim().split('%').next()?.parse().ok();
    servers.filter_map(address).map(|ip: IpAddr| SocketAddr::new(ip, 53)).collect()
}

fn exchange(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect(server)?;
    socket.send(query)?;
    let mut answer = vec![0; 4096];
    let size = socket.recv(&mut answer).map_err(|e| match e.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => std::io::Error::other("it does not answer"),
        _ => e,
    })?;
    answer.truncate(size);
    // What did not fit is asked for over TCP.
    match answer.get(2).is_some_and(|flags| flags & 0x02 != 0) {
        true => over_tcp(server, query),
        false => Ok(answer),
    }
}

fn over_tcp(server: SocketAddr, query: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let size = u16::try_from(query.len()).unwrap_or(u16::MAX).to_be_bytes();
    stream.write_all(&[&size, query].concat())?;
    let mut size = [0; 2];
    stream.read_exact(&mut size)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(size))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

/// A question: none for what can be no name.
fn query(id: u16, name: &str, kind: u16) -> Option<Vec<u8>> {
    let mut out = id.to_be_bytes().to_vec();
    // Recursion is wanted; one question.
    out.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let size = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n))?;
        out.push(size);
        out.extend(label.as_bytes());
    }
    out.push(0);
    out.extend(kind.to_be_bytes());
    out.extend(INTERNET.to_be_bytes());
    (name.len() <= 253).then_some(out)
}

/// The data of a record, and the message that names in it point into.
#[derive(Debug)]
struct Record {
    message: std::sync::Arc<[u8]>,
    from: usize,
    to: usize,
}

/// The records of this kind in an answer; none for a name that is not there.
fn answers(message: &[u8], id: u16, kind: u16) -> Result<Vec<Record>, String> {
    let read = |at: usize| number(message, at).ok_or_else(odd);
    let flags = read(2)?;
    if read(0)? != id || flags & 0x8000 == 0 {
        return Err("it answers something else".to_owned());
    }
    match (flags & 0x0F) as u8 {
        0 => {}
        NO_SUCH_NAME => return Ok(Vec::new()),
        code => return Err(format!("it says error {code}")),
    }
    let (questions, records) = (read(4)?, read(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = name(message, at).ok_or_else(odd)?.1 + 4;
    }
    let whole: std::sync::Arc<[u8]> = message.into();
    let mut found = Vec::new();
    for _ in 0..records {
        let head = name(message, at).ok_or_else(odd)?.1;
        let from = head + 10;
        let to = from + usize::from(read(head + 8)?);
        if to > message.len() {
            return Err(odd());
        }
        if read(head)? == kind {
            found.push(Record { message: std::sync::Arc::clone(&whole), from, to });
        }
        at = to;
    }
    Ok(found)
}

fn target(record: &Record) -> Option<Target> {
    let at = |n: usize| number(&record.message, record.from + n);
    let host = name(&record.message, record.from + 6)?.0;
    Some(Target { priority: at(0)?, port: at(4)?, host })
}

/// A text record may be in pieces.
fn text(record: &Record) -> Option<String> {
    let mut rest = record.message.get(record.from..record.to)?;
    let mut bytes = Vec::new();
    while let Some((size, more)) = rest.split_first() {
        let (piece, after) = more.split_at_checked(usize::from(*size))?;
        bytes.extend(piece);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn number(message: &[u8], at: usize) -> Option<u16> {
    message.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

/// A name, and where what follows it begins. A name may end in a pointer to the rest of another one.
fn name(message: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut labels, mut at, mut end) = (Vec::new(), start, None);
    for _ in 0..128 {
        let size = usize::from(*message.get(at)?);
        match size {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            1..=63 => {
                labels.push(String::from_utf8_lossy(message.get(at + 1..at + 1 + size)?).into_owned());
                at += 1 + size;
            }
            _ if size & 0xC0 == 0xC0 => {
                end.get_or_insert(at + 2);
                at = usize::from(number(message, at)? & 0x3FFF);
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to [`query`] with two SRV records, the second with a compressed name, and one TXT record in two pieces.
    fn answer() -> Vec<u8> {
        let mut message = query(7, "_mongodb._tcp.x.test", SRV).unwrap();
        message[2] = 0x81;
        message[7] = 3;
        let record = |kind: u16, data: &[u8]| {
            let size = u16::try_from(data.len()).unwrap().to_be_bytes();
            [&[0xC0, 12][..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &size, data].concat()
        };
        message.extend(record(SRV, b"\x00\x02\x00\x00\x69\x89\x01b\x01x\x04test\x00"));
        // `x.test` stands at 26 in the question.
        message.extend(record(SRV, b"\x00\x01\x00\x00\x69\x8a\x01a\xC0\x1A"));
        message.extend(record(TXT, b"\x0aauthSource\x06=admin"));
        message
    }

    #[test]
    fn records_are_read_with_their_compressed_names() {
        let message = answer();
        let of = |kind| answers(&message, 7, kind).unwrap();
        let targets: Vec<_> =
            of(SRV).iter().map(|r| target(r).unwrap()).map(|t| (t.priority, t.host, t.port)).collect();
        assert_eq!(targets, [(2, "b.x.test".to_owned(), 27017), (1, "a.x.test".to_owned(), 27018)]);
        assert_eq!(text(&of(TXT)[0]).as_deref(), Some("authSource=admin"));
    }

    #[test]
    fn what_is_no_answer_is_none_and_never_a_panic() {
        let message = answer();
        assert!(answers(&message, 8, SRV).is_err());
        let mut none = message.clone();
        none[3] = NO_SUCH_NAME;
        assert!(answers(&none, 7, SRV).unwrap().is_empty());
        none[3] = 2;
        assert_eq!(answers(&none, 7, SRV).unwrap_err(), "it says error 2");
        for end in 0..message.len() {
            let _ = answers(&message[..end], 7, SRV).map(|records| records.iter().map(target).count());
        }
        // A name that points to itself.
        assert_eq!(name(&[0xC0, 0], 0), None);
        assert!(query(1, "a..b", SRV).is_none() && query(1, &"a".repeat(64), SRV).is_none());
    }

    #[test]
    fn name_servers_are_read_as_the_system_does() {
        let text =
            "# nameserver 1.1.1.1\nnameserver 10.0.0.2\nsearch x\n nameserver fe80::1%eth0\nnameserver nonsense\n";
        assert_eq!(configured(text), ["10.0.0.2:53".parse().unwrap(), "[fe80::1]:53".parse().unwrap()]);
        assert_eq!(Resolver::of("127.0.0.1:5353").unwrap().0, ["127.0.0.1:5353".parse().unwrap()]);
        assert_eq!(Resolver::of("::1").unwrap().0, ["[::1]:53".parse().unwrap()]);
        assert!(Resolver::of("ns.example").is_none());
    }
}
