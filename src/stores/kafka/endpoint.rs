//! Where the brokers are and how to get in: `kafka://user:secret@host:9092,host2:9092`, or a list of brokers.

use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use super::properties;
use super::wire::sasl::Mechanism;
use super::wire::tls::Wanted;
use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;

/// Keys of the store's section, each with what it means. The URL's query takes them too.
pub const OPTIONS: &[(&str, &str)] = &[
    ("command_config", "a client properties file with the login and TLS, as Kafka's tools take it"),
    ("ledger", "the topic that holds the ledger (_stepladder)"),
    ("prefix", "the topics of this store begin with it: `fresh` and the scripts touch no others"),
    ("mechanism", "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (the strongest that the broker offers)"),
    ("tls", "true: over TLS, as `kafka+ssl://` is"),
    ("ca", "a PEM file with the certificates to trust (the system's)"),
];

const PORT: u16 = 9092;

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The secret.
    pub password: Secret,
    /// How it is proved; the strongest that the broker offers without it.
    pub mechanism: Option<Mechanism>,
}

/// What carries scripts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// Kafka's own tools: from this folder, or from the search path.
    Tools(Option<PathBuf>),
    /// This program, over the protocol.
    Builtin,
}

/// A cluster, and what is used of it.
#[derive(Debug)]
pub struct Endpoint {
    /// Brokers to begin with.
    pub brokers: Vec<(String, u16)>,
    /// The login, where one is wanted.
    pub login: Option<Login>,
    /// TLS, where it is wanted.
    pub tls: Option<Wanted>,
    /// As it was said.
    pub url: Secret,
    /// The properties file that the tools get, when the configuration names one.
    pub command_config: Option<PathBuf>,
    /// The ledger's topic.
    pub ledger: String,
    /// What the names of the store's topics begin with.
    pub prefix: Option<String>,
    /// What carries scripts out.
    pub client: Client,
    /// The mechanism that the broker was found to take.
    found: Mutex<Option<Mechanism>>,
}

impl Endpoint {
    /// Reads a store's settings.
    ///
    /// # Errors
    /// A URL or option that cannot be understood.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let url = Url::parse(settings.url.reveal())?;
        let get = |name: &str| {
            let said = url.query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value);
            said.or_else(|| settings.options.get(name)).map(String::as_str).filter(|v| !v.is_empty())
        };
        let path = |name: &str| get(name).map(|p| settings.root.join(p));
        let command_config = path("command_config");
        let mut brokers = url.brokers.clone();
        let (mut login, mut tls) = (url.login(get("mechanism"))?, None);
        if let Some(file) = &command_config {
            let text = std::fs::read_to_string(file)
                .map_err(|e| Failure::usage(format!("{} cannot be read: {e}", file.display())))?;
            let properties = properties::parse(&text);
            if login.is_some() {
                return Err(Failure::usage("both the URL and `command_config` say who we are")
                    .hint("leave the user and password out of the URL"));
            }
            (login, tls) = properties::way_in(&properties, &settings.root)?;
            if let Some(servers) = properties.get("bootstrap.servers").filter(|_| brokers.is_empty()) {
                brokers = Url::parse(servers)?.brokers;
            }
        } else if url.tls || get("tls").is_some_and(|v| v == "true") {
            tls = Some(Wanted { roots: path("ca"), ..Wanted::default() });
        }
        if brokers.is_empty() {
            return Err(Failure::usage("no broker is named").hint("kafka://broker-1:9092,broker-2:9092 names two"));
        }
        let said = url.query.iter().find(|(key, _)| key == "client").map(|(_, value)| value.clone());
        let client = match said.or_else(|| settings.client.clone()) {
            Some(word) if word == "builtin" => Client::Builtin,
            folder => Client::Tools(folder.map(|f| settings.root.join(f))),
        };
        let ledger = get("ledger").unwrap_or("_stepladder").to_owned();
        let prefix = get("prefix").map(str::to_owned);
        let url = settings.url.clone();
        let found = Mutex::new(None);
        Ok(Self { brokers, login, tls, url, command_config, ledger, prefix, client, found })
    }

    /// `broker-1:9092,broker-2:9092`, as the tools take it.
    pub fn servers(&self) -> String {
        let one = |(host, port): &(String, u16)| match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        self.brokers.iter().map(one).collect::<Vec<_>>().join(",")
    }

    /// What must not be shown.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.login.iter().map(|l| &l.password).collect()
    }

    /// The mechanism that the broker was found to take.
    pub fn mechanism(&self) -> Option<Mechanism> {
        self.found.lock().ok().and_then(|m| *m)
    }

    /// Notes the mechanism that the broker takes.
    pub fn set_mechanism(&self, mechanism: Mechanism) {
        if let Ok(mut found) = self.found.lock() {
            *found = Some(mechanism);
        }
    }

    /// Whether a topic is one that this store may touch.
    pub fn may_touch(&self, topic: &str) -> bool {
        topic != self.ledger && self.prefix.as_ref().is_none_or(|prefix| topic.starts_with(prefix))
    }
}

/// Brokers and user, without the secret.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(login) = &self.login {
            write!(f, "{}@", login.user)?;
        }
        write!(f, "{}", self.servers())?;
        match &self.prefix {
            Some(prefix) => write!(f, " ({prefix}*)"),
            None => Ok(()),
        }
    }
}

/// A connection as people write it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Url {
    tls: bool,
    user: Option<(String, String)>,
    brokers: Vec<(String, u16)>,
    query: Vec<(String, String)>,
}

impl Url {
    fn parse(text: &str) -> Result<Self, Failure> {
        let mut url = Self::default();
        let rest = match text.split_once("://") {
            Some(("kafka", rest)) => rest,
            Some(("kafka+ssl" | "kafkas", rest)) => {
                url.tls = true;
                rest
            }
            Some((other, _)) => {
                return Err(Failure::usage(format!("`{other}://` is no address of Kafka"))
                    .hint("kafka://broker-1:9092,broker-2:9092, or kafka+ssl:// over TLS"));
            }
            None => text,
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if key != "client" && !OPTIONS.iter().any(|(known, _)| *known == key) {
                let known: Vec<&str> = OPTIONS.iter().map(|(key, _)| *key).chain(["client"]).collect();
                return Err(Failure::usage(format!("the URL says `{key}`, which means nothing here"))
                    .hint(format!("it may say {}", known.join(", "))));
            }
            url.query.push((key.to_owned(), decoded(value)));
        }
        let (login, servers) = rest.rsplit_once('@').map_or((None, rest), |(login, servers)| (Some(login), servers));
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            url.user = Some((decoded(user), decoded(password)));
        }
        for server in servers.trim_end_matches('/').split(',').map(str::trim).filter(|s| !s.is_empty()) {
            url.brokers.push(broker(server)?);
        }
        Ok(url)
    }

    fn login(&self, mechanism: Option<&str>) -> Result<Option<Login>, Failure> {
        let wanted = mechanism.map(|name| {
            Mechanism::of(name).ok_or_else(|| {
                let known = Mechanism::ALL.map(Mechanism::name).join(", ");
                Failure::usage(format!("`{name}` is no mechanism that is understood"))
                    .hint(format!("it is one of {known}"))
            })
        });
        let mechanism = wanted.transpose()?;
        Ok(self.user.as_ref().map(|(user, password)| Login {
            user: user.clone(),
            password: Secret::new(password),
            mechanism,
        }))
    }
}

/// `host`, `host:port`, `[::1]:port`; a listener's name before it (`PLAINTEXT://`) is passed over.
fn broker(server: &str) -> Result<(String, u16), Failure> {
    let server = server.rsplit_once("://").map_or(server, |(_, rest)| rest);
    let (host, port) = match server.strip_prefix('[').and_then(|s| s.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port))),
    };
    let wrong = || Failure::usage(format!("`{server}` is no broker")).hint("a broker is written host:port");
    let port = port.map_or(Ok(PORT), |p| p.parse().map_err(|_| wrong()))?;
    if host.is_empty() { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

/// `%40` is `@`.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_and_a_list_of_brokers_are_understood() {
        let url = Url::parse("kafka+ssl://us%40er:s%3Aecret@a:1,b,[::1]:3/?prefix=x.&ca=/ca%20pem").unwrap();
        assert!(url.tls);
        assert_eq!(url.user, Some(("us@er".to_owned(), "s:ecret".to_owned())));
        assert_eq!(url.brokers, [("a".to_owned(), 1), ("b".to_owned(), PORT), ("::1".to_owned(), 3)]);
        assert_eq!(url.query, [("prefix", "x."), ("ca", "/ca pem")].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let list = Url::parse("PLAINTEXT://a:1,b:2");
        assert!(list.is_err());
        assert_eq!(Url::parse("a:1, b:2").unwrap().brokers, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert!(Url::parse("kafka://a?nope=1").unwrap_err().message.contains("nope"));
        assert!(Url::parse("a:x").is_err());
    }
}
