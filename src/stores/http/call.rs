//! One request of a script: sent once, with what came of it told apart by what may have happened in the store.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::http::{self, Method};

use super::{Agent, Answer, words};
use crate::domain::http::Request;
use crate::process::program::Ended;
use crate::stores::Stop;

/// How often, and how long after, a request is sent again that never reached the server.
const AGAIN: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];
/// How often a waiting run looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It never reached the server: nothing of it was done.
    NotSent(String),
    /// It may have been done.
    Unknown(String),
    /// It was given up; it may have been done, or go on.
    Ended(Ended),
}

/// What a request needs besides itself: made from it and the store's place before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// In upper case.
    pub method: String,
    /// With its query, escaped; begins with a slash.
    pub path: String,
    /// Those of the script that are sent.
    pub headers: Vec<(String, String)>,
    /// With its content type.
    pub body: Option<(String, Vec<u8>)>,
}

/// What limits a wait.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    /// When the script began.
    pub started: Instant,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Asks to end.
    pub stop: &'a Stop,
}

impl Limit<'_> {
    /// Whether it is time to end.
    pub fn due(&self) -> Option<Ended> {
        Ended::due(self.stop, self.timeout, self.started)
    }

    /// Sleeps, unless it has to end.
    pub fn pause(&self, time: Duration) -> Option<Ended> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.due() {
                None if left.is_zero() => return None,
                None => thread::sleep(left.min(LOOK)),
                due => return due,
            }
        }
    }
}

/// Why a request cannot be sent as it is: what is wrong, and what to do.
pub type Unsendable = (String, String);

impl Call {
    /// Puts a request together. `base` is where the store is: `https://host:9200/prefix`.
    ///
    /// # Errors
    /// A URL that leads elsewhere; headers that are the store's affair.
    pub fn new(request: &Request, base: &str) -> Result<Self, Unsendable> {
        let path = escape_path(&own_path(&request.target, base)?);
        let mut headers = Vec::new();
        for (_, name, value) in &request.headers {
            match name.to_ascii_lowercase().as_str() {
                // Said by whoever sends it.
                "content-type" | "content-length" | "connection" | "accept-encoding" | "user-agent" => {}
                "host" if same_place(value, authority(base), base.starts_with("https:")) => {}
                "host" => return Err(elsewhere(value, base)),
                "authorization" | "cookie" | "x-api-key" => {
                    return Err((
                        format!("the header {name} would keep a secret in the script and in the ledger"),
                        "leave it out: the store's own login goes with every request".to_owned(),
                    ));
                }
                "transfer-encoding" | "expect" | "upgrade" | "proxy-authorization" => {
                    return Err((format!("the header {name} cannot be sent"), "leave it out".to_owned()));
                }
                _ => headers.push((name.clone(), value.clone())),
            }
        }
        let body = request.body.as_ref().map(|body| {
            let content_type = request.content_type().unwrap_or_default().to_owned();
            (content_type, body.text.clone().into_bytes())
        });
        Ok(Self { method: request.method.clone(), path, headers, body })
    }

    /// A request of the kind's own, such as asking for a task.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), path: path.into(), headers: Vec::new(), body: None }
    }
}

/// The path of a target that is of this store.
fn own_path(target: &str, base: &str) -> Result<String, Unsendable> {
    let Some((scheme, rest)) = target.split_once("://").filter(|(s, _)| *s == "http" || *s == "https") else {
        let slash = if target.starts_with('/') { "" } else { "/" };
        return Ok(format!("{slash}{target}"));
    };
    let (host, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    if host.contains('@') {
        return Err((
            "the URL holds a login, which would stand in the script and in the ledger".to_owned(),
            "write the path alone, such as `GET /_cluster/health`: it goes to the store, with the store's login"
                .to_owned(),
        ));
    }
    let tls = base.starts_with("https:");
    if (scheme == "https") != tls || !same_place(host, authority(base), tls) {
        return Err(elsewhere(host, base));
    }
    // A path that names the proxy's prefix has it already.
    let prefix = prefix(base);
    let path =
        path.strip_prefix(prefix).filter(|rest| !prefix.is_empty() && rest.starts_with(['/', '?'])).unwrap_or(path);
    Ok(if path.starts_with('/') { path.to_owned() } else { format!("/{path}") })
}

fn elsewhere(host: &str, base: &str) -> Unsendable {
    (
        format!("the request would go to {host}, and this store is at {}", authority(base)),
        "write the path alone, such as `GET /_cluster/health`: it goes to the store, with the store's login".to_owned(),
    )
}

/// `host:9200` of a base.
fn authority(base: &str) -> &str {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// `/prefix` of a base.
fn prefix(base: &str) -> &str {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

fn same_place(a: &str, b: &str, tls: bool) -> bool {
    let port = if tls { ":443" } else { ":80" };
    let whole = |host: &str| {
        let has_port =
            host.rsplit_once(':').is_some_and(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        host.to_ascii_lowercase() + if has_port { "" } else { port }
    };
    whole(a) == whole(b)
}

/// Escapes what no URL may hold, and leaves what is escaped already.
fn escape_path(path: &str) -> String {
    let path = path.split('#').next().unwrap_or(path);
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'!' | b'$' | b'%' | b'&'..=b';' | b'=' | b'?'..=b'Z' | b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl Agent {
    /// Sends a request and waits for its answer, its deadline or a stop.
    ///
    /// # Errors
    /// No answer, and what may have happened.
    pub fn call(&self, call: &Call, limit: Limit<'_>) -> Result<Answer, Trouble> {
        let mut again = AGAIN.iter();
        loop {
            match (self.once(call, limit), again.next()) {
                (Err(Trouble::NotSent(_)), Some(pause)) => {
                    if let Some(ended) = limit.pause(*pause) {
                        return Err(Trouble::Ended(ended));
                    }
                }
                (outcome, _) => return outcome,
            }
        }
    }

    /// A thread waits for the answer, so that this one can give up on it.
    fn once(&self, call: &Call, limit: Limit<'_>) -> Result<Answer, Trouble> {
        if let Some(ended) = limit.due() {
            return Err(Trouble::Ended(ended));
        }
        let (sender, receiver) = mpsc::channel();
        let (agent, call) = (self.clone(), call.clone());
        thread::spawn(move || sender.send(agent.transmit(&call)));
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Disconnected) => return Err(Trouble::Unknown("no answer came".to_owned())),
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(ended) = limit.due() {
                        return Err(Trouble::Ended(ended));
                    }
                }
            }
        }
    }

    fn transmit(&self, call: &Call) -> Result<Answer, Trouble> {
        let trouble = |error: ureq::Error| {
            let said = self.scrub(&words(&error));
            match error {
                ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Trouble::NotSent(said),
                ureq::Error::HostNotFound | ureq::Error::BadUri(_) | ureq::Error::Http(_) => Trouble::NotSent(said),
                ureq::Error::ConnectionFailed | ureq::Error::Timeout(ureq::Timeout::Connect) => Trouble::NotSent(said),
                ureq::Error::ConnectProxyFailed(_) => Trouble::NotSent(said),
                _ => Trouble::Unknown(said),
            }
        };
        let answer = self.hand_over(call).map_err(trouble)?;
        self.read(answer).map_err(|error| {
            let said = self.scrub(&words(&error));
            Trouble::Unknown(format!("the answer was cut off in the middle: {said}"))
        })
    }

    fn hand_over(&self, call: &Call) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let uri = format!("{}{}", self.base, call.path);
        let own = self.headers.iter().map(|(name, value)| (*name, value.reveal()));
        let content_type = call.body.iter().map(|(content_type, _)| ("content-type", content_type.as_str()));
        let said = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = said.chain(content_type).chain(own);
        let body = call.body.as_ref().map(|(_, bytes)| bytes.as_slice());
        let method = Method::from_bytes(call.method.as_bytes()).map_err(|e| ureq::Error::Http(e.into()))?;
        let usual = match method {
            Method::GET => self.agent.get(&uri),
            Method::DELETE => self.agent.delete(&uri),
            Method::HEAD => self.agent.head(&uri),
            Method::OPTIONS => self.agent.options(&uri),
            _ => {
                let request =
                    headers.fold(http::Request::builder().method(method).uri(uri), |r, (n, v)| r.header(n, v));
                let request = request.body(body.unwrap_or_default().to_vec())?;
                let request = self.agent.configure_request(request).timeout_global(None).build();
                return self.agent.run(request);
            }
        };
        let request = headers.fold(usual.config().timeout_global(None).build(), |r, (n, v)| r.header(n, v));
        match body {
            // Searches and deletions may have one, whatever others think of it.
            Some(body) => request.force_send_body().send(body),
            None => request.call(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::http::requests;

    fn call(text: &str, base: &str) -> Result<Call, Unsendable> {
        Call::new(&requests(text).unwrap()[0], base)
    }

    #[test]
    fn requests_go_to_the_store_alone() {
        let path = |text: &str, base: &str| call(text, base).map(|c| c.path);
        assert_eq!(path("GET /a?b=c", "http://h:9200").as_deref(), Ok("/a?b=c"));
        assert_eq!(path("GET a/b", "http://h:9200").as_deref(), Ok("/a/b"));
        assert_eq!(path("GET http://H:9200/a", "http://h:9200").as_deref(), Ok("/a"));
        assert_eq!(path("GET https://h/a", "https://h:443").as_deref(), Ok("/a"));
        assert_eq!(path("GET https://h", "https://h:443").as_deref(), Ok("/"));
        assert_eq!(path("GET http://h/es/a", "http://h:80/es").as_deref(), Ok("/a"));
        assert_eq!(path("GET /a\nHost: h:9200", "http://h:9200").as_deref(), Ok("/a"));
        for (text, base) in [
            ("GET http://other:9200/a", "http://h:9200"),
            ("GET http://h:9201/a", "http://h:9200"),
            ("GET http://h:9200/a", "https://h:9200"),
            ("GET http://u:p@h:9200/a", "http://h:9200"),
            ("GET /a\nHost: other", "http://h:9200"),
            ("GET /a\nauthorization: Basic x", "http://h:9200"),
            ("GET /a\nTransfer-Encoding: chunked", "http://h:9200"),
        ] {
            assert!(call(text, base).is_err(), "{text}");
        }
    }

    #[test]
    fn what_no_url_may_hold_is_escaped_once() {
        assert_eq!(escape_path("/<logs-{now%2Fd}>/ü?q=a|b#c"), "/%3Clogs-%7Bnow%2Fd%7D%3E/%C3%BC?q=a%7Cb");
    }

    #[test]
    fn a_body_goes_with_its_type() {
        let put = call("PUT /a\nContent-Length: 9\nX-A: 1\n\n{}", "http://h:1").unwrap();
        assert_eq!(put.body, Some(("application/json".to_owned(), b"{}".to_vec())));
        assert_eq!(put.headers, [("X-A".to_owned(), "1".to_owned())]);
        let own = call("PUT /a\nContent-Type: application/vnd.x+json; compatible-with=8\n\n{}", "http://h:1").unwrap();
        assert_eq!(own.body.unwrap().0, "application/vnd.x+json; compatible-with=8");
    }
}
