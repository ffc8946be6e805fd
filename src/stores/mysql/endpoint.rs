//! Where a server is: the URL over the store's section over the clients' own variables.

use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;
use crate::stores::url::Url;

/// The schemes that mean this kind.
pub const SCHEMES: &[&str] = &["mysql", "mariadb"];

/// A resolved connection. `Display` is its address without secrets.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Host and port, or a socket.
    pub place: Place,
    /// Who logs in.
    pub user: String,
    /// What with.
    pub password: Option<Secret>,
    /// The database that holds the ledger.
    pub database: Option<String>,
    /// What of TLS is wanted.
    pub tls: Tls,
    /// Whether the client may send files of this machine: `LOAD DATA LOCAL`.
    pub local_infile: bool,
    url: Secret,
}

/// Where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A name or an address without brackets, and a port.
    Port(String, u16),
    /// A file.
    Socket(PathBuf),
}

/// What of TLS is wanted, in the words of `ssl-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// None.
    Disabled,
    /// Only where a login needs it: nobody can listen within this machine.
    Local,
    /// Where the server has it.
    #[default]
    Preferred,
    /// Always, whoever is at the other end.
    Required,
    /// With a certificate that a trusted root has signed.
    VerifyCa,
    /// And that names the host.
    VerifyIdentity,
}

impl Place {
    /// Whether nothing leaves this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Port(host, _) => {
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

/// TLS as the connection asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// How much.
    pub mode: Mode,
    /// A PEM file with the roots that are trusted; the system's without it.
    pub ca: Option<PathBuf>,
    /// Whether our own connection needed it within this machine; the client does alike.
    pub needed: OnceLock<bool>,
}

impl Mode {
    /// From the word that MySQL's client takes.
    fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_uppercase().replace('-', "_").as_str() {
            "DISABLED" => Self::Disabled,
            "PREFERRED" => Self::Preferred,
            "REQUIRED" => Self::Required,
            "VERIFY_CA" => Self::VerifyCa,
            "VERIFY_IDENTITY" => Self::VerifyIdentity,
            _ => return None,
        })
    }
}

fn wrong(what: &str) -> Failure {
    Failure::usage(format!("the connection cannot be understood: {what}"))
        .hint("for example mysql://user:secret@localhost:3306/shop?ssl-mode=VERIFY_IDENTITY")
}

impl Endpoint {
    /// Resolves a connection; does not connect.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`]: what cannot be understood, without the password.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let url = Url::parse(settings.url.reveal().trim()).map_err(wrong)?;
        if !SCHEMES.contains(&url.scheme.as_str()) {
            return Err(wrong(&format!("the scheme is none of {}", SCHEMES.join(", "))));
        }
        let variable = |name: &str| settings.variables.get(name).map(str::to_owned).filter(|v| !v.is_empty());
        let mut parts = url.segments().map_err(wrong)?.into_iter();
        let database = parts.next().or_else(|| variable("MYSQL_DATABASE"));
        if parts.next().is_some() {
            return Err(wrong("its path is more than the name of a database"));
        }
        if let Some(system) = database.as_deref().filter(|name| is_the_servers_own(name)) {
            return Err(Failure::usage(format!("the database `{system}` is the server's own and takes no ledger"))
                .hint("name the database of your data"));
        }
        let (mut tls, socket) = parameters(&url, settings)?;
        let host = Some(url.host.clone()).filter(|host| !host.is_empty()).or_else(|| variable("MYSQL_HOST"));
        let port = match (url.port, variable("MYSQL_TCP_PORT")) {
            (Some(port), _) => port,
            (None, Some(text)) => text.parse().map_err(|_| wrong("MYSQL_TCP_PORT is no port"))?,
            (None, None) => 3306,
        };
        let place = match (socket, host) {
            (Some(socket), _) => Place::Socket(socket),
            (None, Some(host)) => Place::Port(host, port),
            (None, None) => match variable("MYSQL_UNIX_PORT") {
                Some(path) => Place::Socket(path.into()),
                None => Place::Port("localhost".to_owned(), port),
            },
        };
        if tls.mode == Mode::Preferred && !says_mode(&url) && place.is_local() {
            tls.mode = Mode::Local;
        }
        let user = url.user.clone().filter(|user| !user.is_empty()).or_else(|| variable("MYSQL_USER"));
        Ok(Self {
            place,
            user: user.or_else(|| variable("USER")).unwrap_or_else(|| "root".to_owned()),
            password: url.password.clone().or_else(|| variable("MYSQL_PWD")).map(Secret::new),
            database,
            tls,
            local_infile: allows(settings, "local_infile")?,
            url: settings.url.clone(),
        })
    }

    /// What programs get: the clients' own variables, and those that many images know.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let open = |name: &str, value: &str| (name.to_owned(), Secret::open(value));
        let mut environment = match &self.place {
            Place::Port(host, port) => vec![open("MYSQL_HOST", host), open("MYSQL_TCP_PORT", &port.to_string())],
            Place::Socket(path) => vec![open("MYSQL_UNIX_PORT", &path.to_string_lossy())],
        };
        environment.push(open("MYSQL_USER", &self.user));
        environment.extend(self.database.iter().map(|name| open("MYSQL_DATABASE", name)));
        environment.extend(self.password.iter().map(|password| ("MYSQL_PWD".to_owned(), password.clone())));
        environment.push(("STEPLADDER_URL".to_owned(), self.url.clone()));
        environment
    }

    /// What must never be shown.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.password.iter().filter(|p| !p.is_empty()).chain(std::iter::once(&self.url)).collect()
    }
}

/// Databases that belong to the server.
pub fn is_the_servers_own(name: &str) -> bool {
    ["mysql", "sys", "information_schema", "performance_schema"].iter().any(|own| name.eq_ignore_ascii_case(own))
}

fn says_mode(url: &Url) -> bool {
    url.query.iter().any(|(key, _)| is_mode(key))
}

fn is_mode(key: &str) -> bool {
    matches!(key.to_ascii_lowercase().replace('_', "-").as_str(), "ssl-mode" | "sslmode")
}

/// A key of the store's section that is true or false, which is the default.
fn allows(settings: &Settings, key: &str) -> Result<bool, Failure> {
    match settings.options.get(key).map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(wrong(&format!("`{key}` is true or false, not `{other}`"))),
    }
}

/// What stands behind the question mark, over the store's section.
fn parameters(url: &Url, settings: &Settings) -> Result<(Tls, Option<PathBuf>), Failure> {
    let ca = settings.options.get("ca").map(|path| settings.root.join(path));
    let (mut tls, mut mode, mut socket) = (Tls { ca, ..Tls::default() }, None, None);
    for (key, value) in &url.query {
        match key.to_ascii_lowercase().replace('_', "-").as_str() {
            _ if is_mode(key) => {
                let words = "DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY";
                let word = Mode::from_word(value).ok_or_else(|| wrong(&format!("`ssl-mode` is one of {words}")))?;
                mode = Some(word);
            }
            "ssl-ca" => tls.ca = Some(settings.root.join(value)),
            "socket" => socket = Some(settings.root.join(value)),
            _ => return Err(wrong("its parameters are `ssl-mode`, `ssl-ca` and `socket`")),
        }
    }
    // Who names roots wants them looked at.
    tls.mode = mode.unwrap_or(if tls.ca.is_some() { Mode::VerifyIdentity } else { Mode::Preferred });
    Ok((tls, socket))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@", self.user)?;
        match &self.place {
            Place::Port(host, port) if host.contains(':') => write!(f, "[{host}]:{port}")?,
            Place::Port(host, port) => write!(f, "{host}:{port}")?,
            Place::Socket(path) => write!(f, "{}", path.display())?,
        }
        self.database.as_ref().map_or(Ok(()), |name| write!(f, "/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::config::Environment;

    #[test]
    fn the_url_wins_over_variables() {
        let variables = || {
            Environment::of([
                ("MYSQL_HOST", "db"),
                ("MYSQL_PWD", "hunter2"),
                ("MYSQL_TCP_PORT", "3307"),
                ("USER", "me"),
            ])
        };
        let endpoint = Endpoint::resolve(&settings("mysql:///shop", variables())).unwrap();
        assert_eq!(endpoint.to_string(), "me@db:3307/shop");
        assert_eq!(endpoint.tls.mode, Mode::Preferred);
        assert!(!format!("{endpoint:?}").contains("hunter2"));
        let url = "mariadb://a:b%40c@[::1]:1/x?ssl-ca=ca.pem";
        let endpoint = Endpoint::resolve(&settings(url, variables())).unwrap();
        assert_eq!(endpoint.to_string(), "a@[::1]:1/x");
        assert_eq!(endpoint.password.as_ref().map(Secret::reveal), Some("b@c"));
        assert_eq!(
            endpoint.tls,
            Tls { mode: Mode::VerifyIdentity, ca: Some("/project/ca.pem".into()), ..Tls::default() }
        );
        let url = "mysql://a@/x?socket=/run/s&ssl-mode=verify-ca";
        let endpoint = Endpoint::resolve(&settings(url, variables())).unwrap();
        assert_eq!((endpoint.to_string().as_str(), endpoint.tls.mode), ("a@/run/s/x", Mode::VerifyCa));
        for (host, mode) in [("127.0.0.1", Mode::Local), ("localhost", Mode::Local), ("10.0.0.1", Mode::Preferred)] {
            let endpoint = Endpoint::resolve(&settings(&format!("mysql://{host}/x"), variables())).unwrap();
            assert_eq!(endpoint.tls.mode, mode, "{host}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_said_without_the_password() {
        for rest in ["h/x?ssl-mode=maybe", "h/x?charset=x", "h/a/b", "h:port/x", "h/mysql", "h/SYS"] {
            let url = format!("mysql://me:hunter2@{rest}");
            let failure = Endpoint::resolve(&settings(&url, Environment::default())).unwrap_err();
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
        assert!(Endpoint::resolve(&settings("postgres://h/x", Environment::default())).is_err());
    }
}
