//! What the stores that are spoken to over HTTP share: one agent with its credentials, deadlines and error words.

mod call;
mod job;
mod proxy;
mod run;
mod verdict;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

pub use super::url::{Url, escaped, unescaped};
pub use call::{Call, Limit, Trouble, Unsendable};
pub use job::{Job, preview};
pub use run::{Book, Fault, Line, Manners, Progress, Task, run, seed};

use self::proxy::Between;
use crate::config::{Secret, scrub};
use crate::domain::Failure;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take: far longer than any request of ours needs on a server that is well.
const ANSWER: Duration = Duration::from_secs(30);
/// Most bytes of an answer.
const MOST: u64 = 1 << 30;

/// Speaks to one server. Clones share their connections.
#[derive(Clone)]
pub struct Agent {
    agent: ureq::Agent,
    base: String,
    headers: Vec<(&'static str, Secret)>,
    shown: String,
    between: Option<Between>,
    /// A proxy that is named and cannot be used: nothing may go past it.
    wrong: Option<Failure>,
}

/// What a server answered, whatever its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status: 200.
    pub status: u16,
    /// The body, made UTF-8.
    pub body: String,
    /// Its type, in lower case: `application/json`.
    pub form: String,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// All headers: names, in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// Whether the server did what was asked.
    pub fn is_fine(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the server wants other credentials.
    pub fn is_refusal(&self) -> bool {
        self.status == 401 || self.status == 403
    }

    /// The first header with this name, written in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

impl Agent {
    /// An agent for the server at `base` (`https://host:8000/prefix`), which messages call `shown`.
    pub fn new(base: &str, shown: &str, headers: Vec<(&'static str, Secret)>) -> Self {
        Self::with_tls(base, shown, headers, || tls(Vec::new()))
    }

    /// The same, that trusts whoever answers.
    pub fn trusting_anybody(base: &str, shown: &str, headers: Vec<(&'static str, Secret)>) -> Self {
        let provider = || Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            || TlsConfig::builder().disable_verification(true).unversioned_rustls_crypto_provider(provider()).build();
        Self::with_tls(base, shown, headers, tls)
    }

    /// The same as [`Agent::new`], that also trusts these certificates, in DER.
    pub fn trusting_these(
        base: &str,
        shown: &str,
        headers: Vec<(&'static str, Secret)>,
        certificates: &[Vec<u8>],
    ) -> Self {
        let more = certificates.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        Self::with_tls(base, shown, headers, || tls(more))
    }

    /// The same, that also trusts the certificates in a PEM file.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no certificate.
    pub fn trusting(
        base: &str,
        shown: &str,
        headers: Vec<(&'static str, Secret)>,
        ca: Option<&Path>,
    ) -> Result<Self, Failure> {
        let certificates = ca.map(certificates).transpose()?.unwrap_or_default();
        Ok(Self::trusting_these(base, shown, headers, &certificates))
    }

    fn with_tls(
        base: &str,
        shown: &str,
        headers: Vec<(&'static str, Secret)>,
        tls: impl FnOnce() -> TlsConfig,
    ) -> Self {
        let (between, wrong) = match Between::of(base) {
            Ok(between) => (between, None),
            Err(failure) => (None, Some(failure)),
        };
        let config = ureq::Agent::config_builder()
            .proxy(between.as_ref().map(|b| b.proxy.clone()))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(ANSWER))
            .user_agent(concat!("stepladder/", env!("CARGO_PKG_VERSION")))
            .tls_config(if base.starts_with("https:") { tls() } else { TlsConfig::default() })
            .build();
        Self { agent: config.new_agent(), base: base.to_owned(), headers, shown: shown.to_owned(), between, wrong }
    }

    /// Sends one request. Every answer is one, whatever its status.
    ///
    /// # Errors
    /// [`crate::FailureKind::Unreachable`] when no answer came. A request that changes something may have arrived.
    /// [`crate::FailureKind::Usage`] when the proxy's variable names none: then nothing was sent.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        if let Some(failure) = &self.wrong {
            return Err(failure.clone());
        }
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value.reveal());
        }
        let answer = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                request.body(body.to_string()).map_err(ureq::Error::from).and_then(|r| self.agent.run(r))
            }
            None => request.body(()).map_err(ureq::Error::from).and_then(|r| self.agent.run(r)),
        };
        let answer = answer.map_err(|e| self.unreachable(&e))?;
        self.read(answer).map_err(|e| self.unreachable(&e))
    }

    fn read(&self, mut answer: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
        let status = answer.status().as_u16();
        let header =
            |name: &str| answer.headers().get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        let form = header("content-type").unwrap_or_default();
        let form = form.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let location = header("location");
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect();
        let bytes = answer.body_mut().with_config().limit(MOST).read_to_vec()?;
        Ok(Answer { status, body: String::from_utf8_lossy(&bytes).into_owned(), form, location, headers })
    }

    /// Where it is: `https://host:8000/prefix`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What messages call it.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Takes the credentials out of a text.
    pub fn scrub(&self, text: &str) -> String {
        scrub(text, &self.headers.iter().map(|(_, value)| value).collect::<Vec<_>>())
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        self.unreached(&self.scrub(&words(error)))
    }

    /// The failure that no answer came: why, and what to do.
    pub fn unreached(&self, said: &str) -> Failure {
        let through = self.between.as_ref().map(Between::shown).unwrap_or_default();
        let hint = match (known_advice(said), &self.between) {
            (Some(hint), _) => hint.to_owned(),
            (None, Some(between)) => between.advice(said),
            (None, None) if !self.base.starts_with("https:") && said.contains("disconnected") => {
                "does it want TLS? Then the URL begins with `https://`".to_owned()
            }
            (None, None) => "is the server running, and does the store's URL name its host and port?".to_owned(),
        };
        Failure::unreachable(format!("{} cannot be reached{through}: {said}", self.shown)).hint(hint)
    }
}

/// What to do about the faults of TLS that people meet.
fn known_advice(said: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 3] = [
        (
            "UnknownIssuer",
            "the authority that signed the server's certificate is not known here: SSL_CERT_FILE, or `ca` of a store that has this key, names a PEM file with it",
        ),
        (
            "NotValidForName",
            "the server's certificate is for another name: write the host into the URL as the certificate has it",
        ),
        ("InvalidContentType", "what listens there speaks no TLS: does the URL begin with `http://`?"),
    ];
    KNOWN.iter().find(|(known, _)| said.contains(known)).map(|(_, hint)| *hint)
}

fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ureq::Error::Io(e) => e.to_string(),
        ureq::Error::Timeout(ureq::Timeout::Connect) => format!("no connection within {} s", CONNECT.as_secs()),
        ureq::Error::Timeout(_) => format!("no answer within {} s", ANSWER.as_secs()),
        ureq::Error::HostNotFound => "there is no host of this name".to_owned(),
        other => other.to_string(),
    }
}

/// The certificates of a PEM file, in DER.
///
/// # Errors
/// A file that cannot be read, or holds no certificate.
pub fn certificates(path: &Path) -> Result<Vec<Vec<u8>>, Failure> {
    let shown = path.display();
    let cannot = |why: &str| {
        Failure::usage(format!("the certificates in {shown} cannot be used: {why}"))
            .hint("`ca` names a PEM file with the certificate of the authority that signed the server's")
    };
    let text = std::fs::read(path).map_err(|e| cannot(&e.to_string()))?;
    let mut found = Vec::new();
    for item in ureq::tls::parse_pem(&text) {
        if let ureq::tls::PemItem::Certificate(certificate) = item.map_err(|e| cannot(&e.to_string()))? {
            found.push(certificate.der().to_vec());
        }
    }
    if found.is_empty() { Err(cannot("there is none in it")) } else { Ok(found) }
}

/// The system's own certificates, as the native clients use them, and further ones.
fn tls(more: Vec<Certificate<'static>>) -> TlsConfig {
    let found = rustls_native_certs::load_native_certs().certs;
    let own = found.iter().map(|der| Certificate::from_der(der).to_owned());
    let certificates: Vec<_> = own.chain(more).collect();
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}
