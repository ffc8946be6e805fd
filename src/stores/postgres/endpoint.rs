//! Where a server is and how to speak to it: URL over service file over environment over defaults, as libpq has it,
//! for the driver and for psql alike.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dsn::{self, KEYWORDS, Means};
use crate::config::{Environment, Secret};
use crate::domain::Failure;

/// Where Debian's and most other servers put their socket.
const SOCKETS: &str = "/var/run/postgresql";

/// A resolved connection. `Display` is its address without secrets.
#[derive(Clone)]
pub struct Endpoint {
    /// libpq's keywords, with defaults filled in.
    pub means: Means,
    /// The password, wherever it came from.
    pub password: Option<Secret>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// The URL as configured, for programs.
    pub url: Secret,
}

impl Endpoint {
    /// Resolves a connection. Reads service and password files; does not connect.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`]: what cannot be understood, without the password.
    pub fn resolve(url: &Secret, schemes: &[&str], variables: &Environment) -> Result<Self, Failure> {
        let mut means = dsn::parse(url.reveal(), schemes)?;
        let home = variables.get("HOME").map(PathBuf::from);
        add_service(&mut means, variables, home.as_deref())?;
        for (keyword, variable) in KEYWORDS {
            if let Some(value) = variables.get(variable) {
                means.entry((*keyword).to_owned()).or_insert_with(|| value.to_owned());
            }
        }
        add_defaults(&mut means);
        let password = match means.remove("password") {
            Some(password) => Some(password),
            None => from_passfile(&means, home.as_deref()),
        };
        let endpoint = Self { means, password: password.map(Secret::new), home, url: url.clone() };
        endpoint.config()?;
        super::tls::Wanted::of(&endpoint)?;
        Ok(endpoint)
    }

    /// The value of a keyword.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.means.get(keyword).map(String::as_str)
    }

    /// The hosts: names, addresses or socket folders.
    pub fn hosts(&self) -> Vec<&str> {
        self.get("host").or(self.get("hostaddr")).unwrap_or("localhost").split(',').collect()
    }

    fn ports(&self) -> Vec<u16> {
        let ports = self.get("port").unwrap_or("5432").split(',');
        ports.map(|p| p.parse().unwrap_or(5432)).collect()
    }

    /// Whether no host is reached over a network: TLS is then no matter, as in libpq.
    pub fn is_local(&self) -> bool {
        self.hosts().iter().all(|h| h.starts_with('/'))
    }

    /// The driver's configuration, but for TLS.
    ///
    /// # Errors
    /// A value that is no number, address or known word.
    pub fn config(&self) -> Result<postgres::Config, Failure> {
        use postgres::config::{ChannelBinding, LoadBalanceHosts, TargetSessionAttrs};
        let wrong = |keyword: &str, value: &str| {
            Failure::usage(format!("the connection cannot be understood: `{value}` is no value of `{keyword}`"))
        };
        let mut config = postgres::Config::new();
        for host in self.hosts() {
            config.host(host);
        }
        for address in self.get("hostaddr").into_iter().flat_map(|a| a.split(',')) {
            config.hostaddr(address.parse().map_err(|_| wrong("hostaddr", address))?);
        }
        for port in self.ports() {
            config.port(port);
        }
        config.user(self.get("user").unwrap_or_default()).dbname(self.get("dbname").unwrap_or_default());
        if let Some(password) = &self.password {
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
        match self.get("target_session_attrs") {
            None | Some("any" | "prefer-standby") => {}
            Some("read-write" | "primary") => drop(config.target_session_attrs(TargetSessionAttrs::ReadWrite)),
            Some("read-only" | "standby") => drop(config.target_session_attrs(TargetSessionAttrs::ReadOnly)),
            Some(other) => return Err(wrong("target_session_attrs", other)),
        }
        match self.get("channel_binding") {
            None | Some("prefer") => {}
            Some("disable") => drop(config.channel_binding(ChannelBinding::Disable)),
            Some("require") => drop(config.channel_binding(ChannelBinding::Require)),
            Some(other) => return Err(wrong("channel_binding", other)),
        }
        if self.get("load_balance_hosts") == Some("random") {
            config.load_balance_hosts(LoadBalanceHosts::Random);
        }
        Ok(config)
    }

    fn seconds(&self, keyword: &str) -> Result<Option<u64>, Failure> {
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let number = value.parse::<u64>();
        let number =
            number.map_err(|_| Failure::usage(format!("`{value}` is no number of seconds for `{keyword}`")))?;
        // As in libpq: zero waits for ever, and one second is too short to be meant.
        Ok(Some(if number == 0 { 86_400 } else { number.max(2) }))
    }

    /// libpq's variables for psql and for programs: everything is said, nothing is left to service or password files.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment: Vec<(String, Secret)> = Vec::new();
        for (keyword, variable) in KEYWORDS {
            if let Some(value) =
                self.get(keyword).filter(|_| !matches!(*keyword, "service" | "servicefile" | "passfile"))
            {
                environment.push(((*variable).to_owned(), Secret::open(value)));
            }
        }
        if let Some(password) = &self.password {
            environment.push(("PGPASSWORD".to_owned(), password.clone()));
        }
        environment
    }

    /// libpq's variables that must not reach psql: what they said has been resolved.
    pub fn without(&self) -> Vec<&'static str> {
        let said = self.environment();
        let is_said = |variable: &str| said.iter().any(|(name, _)| name == variable);
        KEYWORDS.iter().map(|(_, variable)| *variable).filter(|variable| !is_said(variable)).collect()
    }

    /// What must never be shown: the password, as it is and as a URL holds it.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.password.iter().chain(std::iter::once(&self.url)).collect()
    }
}

/// `user@host:port/database`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.ports();
        write!(f, "{}@", self.get("user").unwrap_or_default())?;
        for (at, host) in self.hosts().iter().enumerate() {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            let comma = if at > 0 { "," } else { "" };
            match host.contains(':') {
                true => write!(f, "{comma}[{host}]:{port}")?,
                false => write!(f, "{comma}{host}:{port}")?,
            }
        }
        write!(f, "/{}", self.get("dbname").unwrap_or_default())
    }
}

/// A section of a service file stands below the URL and above the environment.
fn add_service(means: &mut Means, variables: &Environment, home: Option<&Path>) -> Result<(), Failure> {
    let Some(service) = means.get("service").cloned().or_else(|| variables.get("PGSERVICE").map(str::to_owned)) else {
        return Ok(());
    };
    let named = means.get("servicefile").map(String::as_str).or(variables.get("PGSERVICEFILE")).map(PathBuf::from);
    let own = named.or_else(|| home.map(|h| h.join(".pg_service.conf")));
    let system = variables.get("PGSYSCONFDIR").unwrap_or("/etc/postgresql-common");
    let files = own.into_iter().chain(std::iter::once(Path::new(system).join("pg_service.conf")));
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        if let Some(section) = section(&text, &service, &file)? {
            for (keyword, value) in section {
                means.entry(keyword).or_insert(value);
            }
            return Ok(());
        }
    }
    Err(Failure::usage(format!("the connection service `{service}` is in no service file"))
        .hint("`~/.pg_service.conf` has sections such as [name] with lines such as host=db"))
}

fn section(text: &str, service: &str, file: &Path) -> Result<Option<BTreeMap<String, String>>, Failure> {
    let lines = text.lines().enumerate().map(|(n, l)| (n + 1, l.trim()));
    let mut lines = lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
    if !lines.any(|(_, line)| line == format!("[{service}]")) {
        return Ok(None);
    }
    let mut means = Means::new();
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with('[')) {
        let place = |what: &str| Failure::usage(format!("{}:{number}: {what}", file.display()));
        let (keyword, value) = line.split_once('=').ok_or_else(|| place("a line without `=`"))?;
        dsn::parameter(&mut means, keyword.trim(), value.trim()).map_err(|f| place(&f.message))?;
    }
    Ok(Some(means))
}

fn add_defaults(means: &mut Means) {
    let user = means.entry("user".to_owned()).or_insert_with(crate::process::identity::user).clone();
    means.entry("dbname".to_owned()).or_insert(user);
    let port = means.entry("port".to_owned()).or_insert_with(|| "5432".to_owned()).clone();
    if !means.contains_key("host") && !means.contains_key("hostaddr") {
        let socket = Path::new(SOCKETS).join(format!(".s.PGSQL.{port}"));
        let host = if socket.exists() { SOCKETS } else { "localhost" };
        means.insert("host".to_owned(), host.to_owned());
    }
}

/// The first line of the password file that matches; a file that others may read is not used, as in libpq.
fn from_passfile(means: &Means, home: Option<&Path>) -> Option<String> {
    let named = means.get("passfile").map(PathBuf::from);
    let path = named.or_else(|| home.map(|h| h.join(".pgpass")))?;
    let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return None;
    }
    let text = std::fs::read_to_string(&path).ok()?;
    let get = |keyword: &str| means.get(keyword).map(String::as_str).unwrap_or_default();
    let first = |list: &str| list.split(',').next().unwrap_or_default().to_owned();
    let host = match first(if means.contains_key("host") { get("host") } else { get("hostaddr") }) {
        socket if socket == SOCKETS => "localhost".to_owned(),
        host => host,
    };
    let port = match first(get("port")) {
        port if port.is_empty() => "5432".to_owned(),
        port => port,
    };
    let wanted = [host.as_str(), port.as_str(), get("dbname"), get("user")];
    text.lines().filter(|l| !l.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let matches = fields.len() >= 5 && fields.iter().zip(wanted).all(|(f, w)| f == "*" || f == w);
        matches.then(|| fields[4].clone())
    })
}

/// Splits at colons; a backslash protects what follows it.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|f| f.extend(chars.next())),
            c => fields.last_mut().into_iter().for_each(|f| f.push(c)),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(url: &str, variables: &Environment) -> Endpoint {
        Endpoint::resolve(&Secret::new(url), &["postgres"], variables).unwrap()
    }

    #[test]
    fn the_url_wins_over_the_environment_and_both_over_defaults() {
        let variables =
            Environment::of([("PGHOST", "env"), ("PGUSER", "me"), ("PGPASSWORD", "hunter2"), ("PGPORT", "6")]);
        let endpoint = resolve("postgres://url:7", &variables);
        assert_eq!(endpoint.to_string(), "me@url:7/me");
        assert_eq!(endpoint.password.as_ref().map(Secret::reveal), Some("hunter2"));
        let shown: Vec<String> = endpoint.environment().iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(shown.join(" "), "PGHOST=url PGPORT=7 PGUSER=me PGDATABASE=me PGPASSWORD=***");
        assert!(endpoint.without().contains(&"PGSERVICE") && !endpoint.without().contains(&"PGHOST"));
    }

    #[test]
    fn service_and_password_files_are_read() {
        let home = tempfile::tempdir().unwrap();
        let (service, pass) = (home.path().join(".pg_service.conf"), home.path().join(".pgpass"));
        std::fs::write(service, "[other]\nhost=x\n[app]\n# c\nhost=db\ndbname=shop\nuser=u\n[next]\nport=1\n").unwrap();
        std::fs::write(&pass, "# c\nx:*:*:*:no\ndb:5432:*:u:a\\:b:c\n").unwrap();
        let home = home.path().to_str().unwrap();
        let variables = Environment::of([("HOME", home), ("PGSERVICE", "app"), ("PGUSER", "env")]);
        let open = resolve("postgres://", &variables);
        assert_eq!((open.to_string().as_str(), open.password.is_none()), ("u@db:5432/shop", true));
        std::fs::set_permissions(&pass, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(resolve("postgres://", &variables).password.as_ref().map(Secret::reveal), Some("a:b:c"));
        let missing = Endpoint::resolve(&Secret::new("postgres:///?service=no"), &["postgres"], &variables);
        assert!(missing.is_err_and(|f| f.message == "the connection service `no` is in no service file"));
    }

    #[test]
    fn several_hosts_keep_their_ports() {
        let endpoint = resolve("postgres://u@a:1,[::1]:2/d", &Environment::default());
        assert_eq!(endpoint.to_string(), "u@a:1,[::1]:2/d");
        assert_eq!(endpoint.config().unwrap().get_ports(), [1, 2]);
    }
}
