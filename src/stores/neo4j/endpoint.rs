//! Where a server is: the URL over the store's section over Neo4j's own variables.

use std::fmt;
use std::path::PathBuf;

use super::bolt::{Address, Trust};
use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;

/// A resolved connection. `Display` is its address without secrets.
#[derive(Clone, Debug)]
pub struct Endpoint {
    scheme: String,
    /// The server that is asked first.
    pub address: Address,
    /// User and password.
    pub login: Option<(String, Secret)>,
    /// The database; the user's home database without it.
    pub database: Option<String>,
    /// Where requests go, if the section says it.
    pub http: Option<String>,
    /// Further certificates to trust, in DER, with the file they come from.
    pub ca: Option<(PathBuf, Vec<Vec<u8>>)>,
    url: Secret,
}

/// The schemes, as every driver of Neo4j knows them.
pub const SCHEMES: &[&str] = &["neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"];

impl Endpoint {
    /// Resolves a connection; does not connect.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`]: what cannot be understood, without the password.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let variable = |name: &str| settings.variables.get(name).map(str::to_owned);
        let wrong = |what: &str| {
            Failure::usage(format!("the connection cannot be understood: {what}"))
                .hint("for example neo4j://neo4j:secret@localhost:7687/neo4j")
        };
        let (scheme, rest) = settings.url.reveal().trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if !SCHEMES.contains(&scheme.as_str()) {
            return Err(wrong(&format!("`{scheme}` is no scheme of Neo4j's: {}", SCHEMES.join(", "))));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold a slash that nobody encoded.
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        let address = address(host).ok_or_else(|| wrong("its port is no number"))?;
        let decoded =
            |text: &str| decode(text).ok_or_else(|| wrong("a `%` is not followed by two digits of a character"));
        let (mut user, mut password) = (None, None);
        if let Some((name, secret)) = login.map(|l| l.split_once(':').map_or((l, None), |(n, s)| (n, Some(s)))) {
            user = Some(decoded(name)?).filter(|n| !n.is_empty());
            password = secret.map(decoded).transpose()?;
        }
        let mut database = Some(decoded(path.trim_end_matches('/'))?).filter(|name| !name.is_empty());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("database", name)) => database = Some(decoded(name)?),
                _ => return Err(wrong("the only parameter is `database`")),
            }
        }
        let user = user.or_else(|| variable("NEO4J_USERNAME").or_else(|| variable("NEO4J_USER")));
        let password = password.or_else(|| variable("NEO4J_PASSWORD"));
        let login = match (user, password) {
            (None, None) => None,
            (user, password) => {
                Some((user.unwrap_or_else(|| "neo4j".to_owned()), Secret::new(password.unwrap_or_default())))
            }
        };
        let database =
            database.or_else(|| settings.options.get("database").cloned()).or_else(|| variable("NEO4J_DATABASE"));
        if database.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("system")) {
            return Err(Failure::usage("the database `system` takes no nodes, so it cannot hold a ledger")
                .hint("name the database of your data; a script reaches the other one with `:use system`"));
        }
        let http = settings.options.get("http").cloned();
        if http.as_deref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(Failure::usage("`http` is no URL of HTTP").hint("for example http = \"http://localhost:7474\""));
        }
        let url = settings.url.clone();
        let endpoint = Self { scheme, address, login, database, http, ca: None, url };
        let Some(ca) = settings.options.get("ca").filter(|ca| !ca.is_empty()) else { return Ok(endpoint) };
        endpoint.wants_ca()?;
        let path = settings.root.join(ca);
        let certificates = crate::stores::http::certificates(&path)?;
        Ok(Self { ca: Some((path, certificates)), ..endpoint })
    }

    /// Fails where certificates are looked at by nobody.
    fn wants_ca(&self) -> Result<(), Failure> {
        let (base, _) = self.scheme.split_once('+').unwrap_or((&self.scheme, ""));
        match self.trust() {
            Trust::System(_) => Ok(()),
            Trust::Any => {
                Err(Failure::usage(format!("`ca` has no meaning with {}://, which trusts anybody", self.scheme))
                    .hint(format!("write {base}+s:// to have the server's certificate looked at")))
            }
            Trust::Plain if self.http.as_deref().is_some_and(|url| url.starts_with("https:")) => Ok(()),
            Trust::Plain => Err(Failure::usage(format!("`ca` has no meaning with {base}://, which is not encrypted"))
                .hint(format!("write {base}+s:// for an encrypted connection"))),
        }
    }

    /// The certificates of `ca`.
    pub fn certificates(&self) -> &[Vec<u8>] {
        self.ca.as_ref().map_or(&[], |(_, certificates)| certificates)
    }

    /// What a connection trusts.
    pub fn trust(&self) -> Trust<'_> {
        match self.scheme.rsplit_once('+').map(|(_, how)| how) {
            Some("s") => Trust::System(self.certificates()),
            Some(_) => Trust::Any,
            None => Trust::Plain,
        }
    }

    /// Whether a cluster is to be asked which of its servers takes writes.
    pub fn is_routed(&self) -> bool {
        self.scheme.starts_with("neo4j")
    }

    /// The URL for clients, without login and database.
    pub fn uri(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Neo4j's own variables.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment = vec![("NEO4J_URI".to_owned(), Secret::open(self.uri()))];
        if let Some((user, password)) = &self.login {
            environment.push(("NEO4J_USERNAME".to_owned(), Secret::open(user.clone())));
            environment.push(("NEO4J_PASSWORD".to_owned(), password.clone()));
        }
        if let Some(database) = &self.database {
            environment.push(("NEO4J_DATABASE".to_owned(), Secret::open(database.clone())));
        }
        environment
    }

    /// The URL as configured, for programs.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// What must never be shown.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.login.iter().map(|(_, password)| password).chain(std::iter::once(&self.url)).collect()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((user, _)) = &self.login {
            write!(f, "{user}@")?;
        }
        write!(f, "{}", self.address)?;
        self.database.as_ref().map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

fn address(text: &str) -> Option<Address> {
    let text = if text.is_empty() { "localhost" } else { text };
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    match has_port {
        true => super::bolt::address(text),
        false => super::bolt::address(&format!("{text}:7687")),
    }
}

/// Takes `%2F` for `/`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn resolve(url: &str, variables: Environment) -> Result<Endpoint, Failure> {
        Endpoint::resolve(&settings(url, variables))
    }

    fn settings(url: &str, variables: Environment) -> Settings {
        Settings {
            name: "graph".to_owned(),
            url: Secret::new(url),
            client: None,
            timeout: None,
            lease: Duration::from_secs(15),
            root: "/".into(),
            options: BTreeMap::new(),
            variables,
        }
    }

    #[test]
    fn the_url_wins_over_variables() {
        let variables =
            || Environment::of([("NEO4J_USERNAME", "env"), ("NEO4J_PASSWORD", "hunter2"), ("NEO4J_DATABASE", "shop")]);
        let endpoint = resolve("neo4j+s://db.internal", variables()).unwrap();
        assert_eq!(endpoint.to_string(), "env@db.internal:7687/shop");
        assert_eq!((endpoint.trust(), endpoint.is_routed()), (Trust::System(&[]), true));
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        let endpoint = resolve("bolt+ssc://me:a%2Fb@[::1]:1/mine", variables()).unwrap();
        assert_eq!((endpoint.to_string().as_str(), endpoint.uri().as_str()), ("me@[::1]:1/mine", "bolt+ssc://[::1]:1"));
        assert_eq!(endpoint.login.as_ref().map(|(_, p)| p.reveal()), Some("a/b"));
        let open = resolve("bolt://", Environment::default()).unwrap();
        assert_eq!((open.to_string().as_str(), open.login.is_none()), ("localhost:7687", true));
    }

    #[test]
    fn certificates_are_for_connections_that_look_at_them() {
        let resolve = |url: &str, http: &str| {
            let options = [("ca", "/no/such/ca.pem"), ("http", http)].map(|(n, v)| (n.to_owned(), v.to_owned()));
            let settings = Settings { options: options.into(), ..settings(url, Environment::default()) };
            Endpoint::resolve(&settings).unwrap_err().message
        };
        for (url, http, says) in [
            ("neo4j+s://db", "http://db", "/no/such/ca.pem cannot be used"),
            ("bolt://db", "https://db", "/no/such/ca.pem cannot be used"),
            ("bolt+ssc://db", "https://db", "`ca` has no meaning with bolt+ssc://, which trusts anybody"),
            ("neo4j://db", "http://db", "`ca` has no meaning with neo4j://, which is not encrypted"),
        ] {
            let said = resolve(url, http);
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said_without_the_password() {
        for url in
            ["db:7687", "http://x:hunter2@db", "bolt://x:hunter2@db:port", "bolt://x:hunter2%@db", "bolt://a/system"]
        {
            let failure = resolve(url, Environment::default()).unwrap_err();
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }
}
