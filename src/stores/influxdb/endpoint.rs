//! Where an InfluxDB is, and with which credentials: URL over options over variables.

use std::fmt;

use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;
use crate::stores::http::{Agent, Url};

/// The section's keys that are this kind's own.
pub const OPTIONS: &[(&str, &str)] = &[
    ("database", "InfluxDB 1: the database that statements without one mean, unless the URL names it"),
    ("databases", "InfluxDB 1: what `fresh` may drop besides it: names, with `*` for any letters, apart by commas"),
    ("org", "InfluxDB 2: the organisation, unless the URL says `?org=`"),
    ("token", "InfluxDB 2: the token; write ${INFLUXDB_TOKEN}, not the token itself"),
    ("ledger", "the database or bucket of the ledger (stepladder, or stepladder_<database>)"),
    ("ca", "a PEM file with the authority that signed the server's certificate, besides those that the system trusts"),
];

/// A database of a server, or an organisation's buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    /// Of a server behind a proxy: `/influx`, without a slash at its end.
    prefix: String,
    /// The database that a statement without one means; the bucket of an InfluxDB 2.
    pub database: Option<String>,
    /// What `fresh` may drop besides it: names with `*`.
    pub databases: Vec<String>,
    /// The organisation's name.
    pub org: Option<String>,
    /// The ledger's database or bucket.
    pub ledger: String,
    login: Login,
    ca: Option<std::path::PathBuf>,
    /// As it was given.
    url: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    None,
    Token(Secret),
    Basic(Secret, Secret),
}

impl Endpoint {
    /// Puts together what the settings say.
    ///
    /// # Errors
    /// A URL that cannot be understood.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("the connection of {} cannot be understood: {why}", settings.name)).hint(
                "write `http://USER:PASSWORD@HOST:8086/DATABASE`, or `http://TOKEN@HOST:8086?org=ORG` for InfluxDB 2",
            )
        };
        let url = Url::parse(settings.url.reveal()).map_err(wrong)?;
        let asked = |key: &str| url.query.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.clone());
        const KEYS: [&str; 5] = ["database", "databases", "org", "ledger", "ca"];
        if let Some((key, _)) = url.query.iter().find(|(k, _)| !KEYS.contains(&k.as_str())) {
            return Err(wrong(&format!("`{key}` is no key of it; there are {}", KEYS.join(", "))));
        }
        let option = |key: &str| asked(key).or_else(|| settings.options.get(key).cloned()).filter(|v| !v.is_empty());
        let variable = |names: &[&str]| names.iter().find_map(|n| settings.variables.get(n)).map(str::to_owned);
        let segments = url.segments().map_err(wrong)?;
        let (prefix, last) = url.path.rsplit_once('/').unwrap_or((&url.path, ""));
        let database = segments.last().filter(|_| !last.is_empty()).cloned().or_else(|| option("database"));
        let tls = matches!(url.scheme.as_str(), "https" | "influxdbs");
        let ledger = option("ledger").unwrap_or_else(|| {
            database.as_ref().map_or_else(|| "stepladder".to_owned(), |name| format!("stepladder_{name}"))
        });
        if database.as_ref() == Some(&ledger) {
            return Err(wrong("the ledger needs a database of its own, and `ledger` names the store's"));
        }
        let names = option("databases").unwrap_or_default();
        Ok(Self {
            tls,
            host: if url.host.is_empty() { "localhost".to_owned() } else { url.bracketed_host() },
            port: url.port.unwrap_or(match url.scheme.as_str() {
                "https" => 443,
                _ => 8086,
            }),
            prefix: prefix.to_owned(),
            databases: names.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect(),
            org: option("org").or_else(|| variable(&["INFLUXDB_ORG", "INFLUX_ORG"])),
            login: login(&url, settings),
            ca: option("ca").map(|path| settings.root.join(path)),
            url: settings.url.clone(),
            database,
            ledger,
        })
    }

    /// `https://host:8086/prefix`.
    pub fn base(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }

    /// `host:8086`, for messages.
    pub fn server(&self) -> String {
        format!("{}:{}{}", self.host, self.port, self.prefix)
    }

    /// The header that lets us in.
    fn headers(&self) -> Vec<(&'static str, Secret)> {
        match &self.login {
            Login::None => Vec::new(),
            Login::Token(token) => vec![("authorization", Secret::new(format!("Token {}", token.reveal())))],
            Login::Basic(user, password) => {
                use base64::Engine;
                let both = format!("{}:{}", user.reveal(), password.reveal());
                let encoded = base64::engine::general_purpose::STANDARD.encode(both);
                vec![("authorization", Secret::new(format!("Basic {encoded}")))]
            }
        }
    }

    /// What must not be shown.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = self.headers().into_iter().map(|(_, value)| value).collect();
        match &self.login {
            Login::None => {}
            Login::Token(secret) | Login::Basic(_, secret) => secrets.push(secret.clone()),
        }
        secrets
    }

    /// Whether it is a token that lets us in.
    pub fn has_token(&self) -> bool {
        matches!(self.login, Login::Token(_))
    }

    /// Whether there is any.
    pub fn has_login(&self) -> bool {
        self.login != Login::None
    }

    /// Speaks to it.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn agent(&self) -> Result<Agent, Failure> {
        Agent::trusting(&self.base(), &self.server(), self.headers(), self.ca.as_deref())
    }

    /// Whether `fresh` may drop this database.
    pub fn may_drop(&self, name: &str) -> bool {
        name != self.ledger
            && name != "_internal"
            && (self.database.as_deref() == Some(name) || self.databases.iter().any(|pattern| fits(pattern, name)))
    }

    /// What scripts find in their environment.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment = vec![("INFLUX_HOST".to_owned(), Secret::open(self.base()))];
        let mut add = |names: &[&str], value: &Secret| {
            environment.extend(names.iter().map(|name| ((*name).to_owned(), value.clone())));
        };
        match &self.login {
            Login::None => {}
            Login::Token(token) => add(&["INFLUX_TOKEN", "INFLUXDB_TOKEN"], token),
            Login::Basic(user, password) => {
                add(&["INFLUX_USERNAME"], user);
                add(&["INFLUX_PASSWORD"], password);
            }
        }
        if let Some(org) = &self.org {
            add(&["INFLUX_ORG", "INFLUXDB_ORG"], &Secret::open(org));
        }
        if let Some(database) = &self.database {
            add(&["INFLUX_DATABASE", "INFLUX_BUCKET"], &Secret::open(database));
        }
        add(&["STEPLADDER_URL"], &self.url);
        environment
    }
}

fn login(url: &Url, settings: &Settings) -> Login {
    let filled = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    match (filled(&url.user), filled(&url.password)) {
        (Some(user), Some(password)) => return Login::Basic(Secret::new(user), Secret::new(password)),
        (Some(token), None) | (None, Some(token)) => return Login::Token(Secret::new(token)),
        (None, None) => {}
    }
    let variable = |names: &[&str]| {
        names.iter().find_map(|n| settings.variables.get(n)).filter(|v| !v.is_empty()).map(str::to_owned)
    };
    let said = settings.options.get("token").filter(|t| !t.is_empty()).cloned();
    if let Some(token) = said.or_else(|| variable(&["INFLUXDB_TOKEN", "INFLUX_TOKEN"])) {
        return Login::Token(Secret::new(token));
    }
    match (variable(&["INFLUX_USERNAME"]), variable(&["INFLUX_PASSWORD"])) {
        (Some(user), Some(password)) => Login::Basic(Secret::new(user), Secret::new(password)),
        _ => Login::None,
    }
}

/// Whether a name fits a pattern in which `*` stands for any letters.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(start) else { return false };
    let pieces: Vec<&str> = rest.split('*').collect();
    let (last, middle) = pieces.split_last().unwrap_or((&"", &[]));
    for piece in middle {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

/// As a person would write it: `host:8086/database`, or the organisation where there is one.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.server())?;
        match (&self.org, &self.database) {
            (Some(org), _) => write!(f, "/{org}"),
            (None, Some(database)) => write!(f, "/{database}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn resolve<const N: usize>(
        url: &str,
        options: &[(&str, &str)],
        variables: [(&str, &str); N],
    ) -> Result<Endpoint, Failure> {
        let options: BTreeMap<String, String> =
            options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Endpoint::resolve(&Settings {
            name: "influxdb".to_owned(),
            url: Secret::new(url.to_owned()),
            client: None,
            timeout: None,
            lease: std::time::Duration::from_secs(15),
            root: "/project".into(),
            options,
            variables: crate::config::Environment::of(variables),
        })
    }

    #[test]
    fn a_url_with_a_database_has_its_ledger_beside_it() {
        let found = resolve("http://root:pass@host/telemetry", &[], []).unwrap();
        assert_eq!(
            (found.to_string().as_str(), found.ledger.as_str()),
            ("host:8086/telemetry", "stepladder_telemetry")
        );
        assert_eq!(found.secrets().last().map(|s| s.reveal().to_owned()).as_deref(), Some("pass"));
        let behind = resolve("https://host/influx/telemetry?ledger=book", &[], []).unwrap();
        assert_eq!((behind.base().as_str(), behind.ledger.as_str()), ("https://host:443/influx", "book"));
        assert_eq!(resolve("https://host/influx/", &[], []).unwrap().database, None);
    }

    #[test]
    fn the_token_comes_from_url_option_or_variable() {
        let token = |e: Endpoint| e.has_token().then(|| e.secrets()[1].reveal().to_owned());
        let found = resolve("http://abc@h?org=o", &[("token", "no")], []);
        assert_eq!(token(found.unwrap()).as_deref(), Some("abc"));
        let found = resolve("http://h", &[("token", "opt")], [("INFLUX_TOKEN", "no")]);
        assert_eq!(token(found.unwrap()).as_deref(), Some("opt"));
        assert_eq!(token(resolve("http://h", &[], [("INFLUX_TOKEN", "var")]).unwrap()).as_deref(), Some("var"));
        assert_eq!(token(resolve("http://h", &[], []).unwrap()), None);
    }

    #[test]
    fn fresh_drops_what_the_configuration_names() {
        let found = resolve("http://h/tele?databases=tele_*,x*y*z", &[], []).unwrap();
        for (name, may) in [
            ("tele", true),
            ("tele_a", true),
            ("telemetry", false),
            ("x1y2z", true),
            ("xz", false),
            ("_internal", false),
        ] {
            assert_eq!(found.may_drop(name), may, "{name}");
        }
        let all = resolve("http://h/?databases=*", &[], []).unwrap();
        assert!(all.may_drop("any") && !all.may_drop("stepladder") && !all.may_drop("_internal"));
    }

    #[test]
    fn what_cannot_be_meant_is_said_without_the_secret() {
        for url in ["http://u:hush@h/db?x=1", "http://u:hush@h/db?ledger=db", "h:8086"] {
            let failure = resolve(url, &[], []).unwrap_err();
            assert!(!format!("{failure:?}").contains("hush"), "{url}");
        }
    }
}
