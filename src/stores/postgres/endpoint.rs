//! Where a server is and how to speak to it: URL over service file over environment over defaults, as libpq has it,
//! for the driver and for psql alike.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::config::TargetSessionAttrs;

use super::dsn::{self, KEYWORDS, Means};
use super::passfile::Passfile;
use super::{service, tls};
use crate::config::{Environment, Secret};
use crate::domain::Failure;

/// Where Debian's and most other servers put their socket.
const SOCKETS: &str = "/var/run/postgresql";

/// What psql would keep to and the driver cannot: passing it over in silence would promise too much.
const REFUSED: &[(&str, &str)] = &[
    ("require_auth", "`channel_binding=require` over TLS keeps the password from a server that does not know it"),
    ("requirepeer", "name a folder of sockets that only the server's user may write to"),
];

/// A resolved connection. `Display` is its address without secrets.
#[derive(Clone)]
pub struct Endpoint {
    /// libpq's keywords, with defaults filled in.
    pub means: Means,
    /// The servers, in the order in which they are tried.
    pub servers: Vec<Server>,
    /// The password file, where there is one and it was needed.
    pub passfile: Option<Passfile>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The URL as configured, for programs.
    pub url: Secret,
    root: PathBuf,
}

/// One server of those that a connection names.
#[derive(Clone)]
pub struct Server {
    /// A name, an address, or the folder of a socket.
    pub host: String,
    address: Option<IpAddr>,
    port: u16,
    /// Its password, wherever it came from.
    pub password: Option<Secret>,
}

impl Server {
    /// Whether no network lies between: TLS is then no matter, as in libpq.
    pub fn is_local(&self) -> bool {
        self.host.starts_with('/')
    }
}

fn wrong(what: impl fmt::Display) -> Failure {
    Failure::usage(format!("the connection cannot be understood: {what}"))
}

fn no_value(keyword: &str, value: &str) -> Failure {
    wrong(format!("`{value}` is no value of `{keyword}`"))
}

impl Endpoint {
    /// Resolves a connection; relative paths in it start at `root`. Reads service and password files; does not connect.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`]: what cannot be understood or kept to, without the password.
    pub fn resolve(url: &Secret, schemes: &[&str], variables: &Environment, root: &Path) -> Result<Self, Failure> {
        let mut means = dsn::parse(url.reveal(), schemes)?;
        let home = variables.get("HOME").map(PathBuf::from);
        service::add(&mut means, variables, home.as_deref(), root)?;
        for (keyword, variable) in KEYWORDS {
            if let Some(value) = variables.get(variable) {
                means.entry((*keyword).to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        add_defaults(&mut means);
        let password = means.remove("password").map(Secret::new);
        let servers = servers(&means, password.as_ref())?;
        let mut endpoint = Self { means, servers, passfile: None, home, url: url.clone(), root: root.to_owned() };
        if password.is_none() {
            endpoint.look_up_passwords();
        }
        endpoint.check()?;
        Ok(endpoint)
    }

    /// The value of a keyword.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.means.get(keyword).map(String::as_str)
    }

    /// The path that a keyword names.
    pub fn path(&self, keyword: &str) -> Option<PathBuf> {
        self.get(keyword).map(|path| self.root.join(path))
    }

    fn look_up_passwords(&mut self) {
        self.passfile = Passfile::of(self.path("passfile"), self.home.as_deref());
        let Some(file) = &self.passfile else { return };
        for server in &mut self.servers {
            let host = if server.host == SOCKETS { "localhost" } else { server.host.as_str() };
            let of = |keyword: &str| self.means.get(keyword).map(String::as_str).unwrap_or_default();
            let found = file.password([host, &server.port.to_string(), of("dbname"), of("user")]);
            server.password = found.map(Secret::new);
        }
    }

    /// Everything that can be known to be wrong before there is a connection.
    fn check(&self) -> Result<(), Failure> {
        for (keyword, instead) in REFUSED {
            if self.get(keyword).is_some() {
                return Err(Failure::usage(format!(
                    "`{keyword}` cannot be kept to: psql knows it, and the connection that the ledger is written over does not"
                ))
                .hint(format!("leave it out; {instead}")));
            }
        }
        if self.get("gssencmode") == Some("require") {
            return Err(Failure::usage("`gssencmode=require` cannot be kept to: there is no GSSAPI here")
                .hint("leave it out; `sslmode=verify-full` encrypts with TLS"));
        }
        if let Some(other) = self.get("load_balance_hosts").filter(|v| !matches!(*v, "disable" | "random")) {
            return Err(no_value("load_balance_hosts", other));
        }
        self.attributes()?;
        for server in &self.servers {
            self.config(server)?;
        }
        tls::Wanted::of(self).map(drop)
    }

    /// What a server must be like, round by round: whoever fits first is taken.
    ///
    /// # Errors
    /// An unknown word.
    pub fn attributes(&self) -> Result<&'static [TargetSessionAttrs], Failure> {
        Ok(match self.get("target_session_attrs") {
            None | Some("any") => &[TargetSessionAttrs::Any],
            Some("read-write" | "primary") => &[TargetSessionAttrs::ReadWrite],
            Some("read-only" | "standby") => &[TargetSessionAttrs::ReadOnly],
            Some("prefer-standby") => &[TargetSessionAttrs::ReadOnly, TargetSessionAttrs::Any],
            Some(other) => return Err(no_value("target_session_attrs", other)),
        })
    }

    /// The driver's configuration for one of the servers, but for TLS.
    ///
    /// # Errors
    /// A value that is no number or known word.
    pub fn config(&self, server: &Server) -> Result<postgres::Config, Failure> {
        use postgres::config::ChannelBinding;
        let mut config = postgres::Config::new();
        config.host(&server.host).port(server.port);
        if let Some(address) = server.address {
            config.hostaddr(address);
        }
        config.user(self.get("user").unwrap_or_default()).dbname(self.get("dbname").unwrap_or_default());
        if let Some(password) = &server.password {
            config.password(password.reveal());
        }
        if let Some(options) = self.get("options") {
            config.options(options);
        }
        config.application_name(self.get("application_name").unwrap_or("stepladder"));
        config.connect_timeout(Duration::from_secs(self.seconds("connect_timeout")?.unwrap_or(10)));
        // A server that has gone without a word must not hold a heartbeat for hours.
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(30));
        match self.get("channel_binding") {
            None | Some("prefer") => {}
            Some("disable") => drop(config.channel_binding(ChannelBinding::Disable)),
            Some("require") => drop(config.channel_binding(ChannelBinding::Require)),
            Some(other) => return Err(no_value("channel_binding", other)),
        }
        Ok(config)
    }

    fn seconds(&self, keyword: &str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let number: i64 =
            value.parse().map_err(|_| Failure::usage(format!("`{value}` is no number of seconds for `{keyword}`")))?;
        // As in libpq: zero and less wait for ever, and one second is too short to be meant.
        Ok(Some(u64::try_from(number).ok().filter(|n| *n > 0).map_or(86_400, |n| n.max(2))))
    }

    /// libpq's variables for psql and for programs: everything is said, nothing is left to service or password files,
    /// but for a password that differs from server to server.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment: Vec<(String, Secret)> = Vec::new();
        for (keyword, variable) in KEYWORDS {
            let value = match *keyword {
                // Both sides take the servers in their order, lest they come to different ones.
                "service" | "servicefile" | "passfile" | "load_balance_hosts" => None,
                "sslrootcert" | "sslcert" | "sslkey" | "sslcrl" => tls::file_for_psql(self, keyword),
                "sslmode" => tls::mode_for_psql(self),
                // A server that is gone must not hold psql for minutes while the next one waits.
                "connect_timeout" if self.servers.len() > 1 => Some(self.get(keyword).unwrap_or("10").to_owned()),
                _ => self.get(keyword).map(str::to_owned),
            };
            environment.extend(value.map(|value| ((*variable).to_owned(), Secret::open(value))));
        }
        let first = self.servers.first().and_then(|server| server.password.as_ref());
        let is_one = self.servers.iter().all(|server| server.password.as_ref() == first);
        match (first, &self.passfile) {
            (_, Some(file)) if !is_one => {
                environment.push(("PGPASSFILE".to_owned(), Secret::open(file.path.display().to_string())));
            }
            (Some(password), _) => environment.push(("PGPASSWORD".to_owned(), password.clone())),
            _ => {}
        }
        environment
    }

    /// libpq's variables that must not reach psql: what they said has been resolved.
    pub fn without(&self) -> Vec<&'static str> {
        let said = self.environment();
        let is_said = |variable: &str| said.iter().any(|(name, _)| name == variable);
        KEYWORDS.iter().map(|(_, variable)| *variable).filter(|variable| !is_said(variable)).collect()
    }

    /// What must never be shown: the passwords, as they are and as a URL holds one.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.servers.iter().filter_map(|server| server.password.as_ref()).chain([&self.url]).collect()
    }
}

/// `user@host:port/database`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@", self.get("user").unwrap_or_default())?;
        for (at, server) in self.servers.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{server}")?;
        }
        write!(f, "/{}", self.get("dbname").unwrap_or_default())
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn add_defaults(means: &mut Means) {
    let user = means.entry("user".to_owned()).or_insert_with(crate::process::identity::user).clone();
    means.entry("dbname".to_owned()).or_insert(user);
    let port = means.entry("port".to_owned()).or_insert_with(|| "5432".to_owned()).clone();
    if !means.contains_key("host") && !means.contains_key("hostaddr") {
        means.insert("host".to_owned(), usual_host(&port));
    }
}

fn usual_host(port: &str) -> String {
    let socket = Path::new(SOCKETS).join(format!(".s.PGSQL.{port}"));
    if socket.exists() { SOCKETS } else { "localhost" }.to_owned()
}

/// The servers that `host`, `hostaddr` and `port` name together.
fn servers(means: &Means, password: Option<&Secret>) -> Result<Vec<Server>, Failure> {
    let list = |keyword: &str| means.get(keyword).map(|list| list.split(',').map(str::trim).collect::<Vec<_>>());
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port").unwrap_or_default());
    let names = hosts.as_ref().or(addresses.as_ref()).cloned().unwrap_or_default();
    if let Some(other) = addresses.as_ref().filter(|a| a.len() != names.len()) {
        return Err(wrong(format!("`host` names {} servers and `hostaddr` {}", names.len(), other.len())));
    }
    if ports.len() > 1 && ports.len() != names.len() {
        return Err(wrong(format!("it names {} servers and {} ports", names.len(), ports.len()))
            .hint("one port counts for all servers, several are each server's own"));
    }
    let server = |(at, name): (usize, &&str)| {
        let port = match *ports.get(at).or(ports.first()).unwrap_or(&"") {
            "" => 5432,
            port => port.parse().ok().filter(|p| *p != 0).ok_or_else(|| no_value("port", port))?,
        };
        let address = match addresses.as_ref().map(|a| a[at]).filter(|a| !a.is_empty()) {
            Some(address) => Some(address.parse().map_err(|_| no_value("hostaddr", address))?),
            None => None,
        };
        let host = match *name {
            "" => usual_host(&port.to_string()),
            name if name.starts_with('@') => {
                return Err(wrong(format!("`{name}` would be a socket without a file, which is not spoken to here"))
                    .hint("name the folder of the server's socket, or its address"));
            }
            name => name.to_owned(),
        };
        Ok(Server { host, address, port, password: password.cloned() })
    };
    names.iter().enumerate().map(server).collect()
}

#[cfg(test)]
mod tests;
