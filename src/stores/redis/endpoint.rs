//! Where a Redis database is, and with which credentials: URL over options over variables.

use std::fmt;
use std::path::{Path, PathBuf};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;

/// URL schemes of this kind. `valkey` is spoken to alike.
pub const SCHEMES: &[&str] =
    &["redis", "rediss", "valkey", "valkeys", "redis+unix", "valkey+unix", "unix", "redis+sentinel", "rediss+sentinel"];

/// Further keys of its section.
pub const OPTIONS: &[(&str, &str)] = &[
    ("database", "the database's number (0)"),
    ("username", "the user (the server's default user)"),
    ("password", "the password"),
    ("prefix", "what the names of the ledger's keys begin with ({stepladder}:)"),
    ("ca", "a file with the certificates to trust (the system's)"),
    ("cert", "a file with our own certificate"),
    ("key", "a file with our certificate's key"),
    ("sentinel_username", "the user of the sentinels (none)"),
    ("sentinel_password", "the password of the sentinels (none)"),
];

const PREFIX: &str = "{stepladder}:";

/// Files for TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Who knows the master.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentinels {
    /// Where they are.
    pub places: Vec<(String, u16)>,
    /// What they call the master.
    pub master: String,
    login: (Option<String>, Option<Secret>),
}

impl Sentinels {
    /// `redis+sentinel://user:secret@host:port,host:port/master/0` as the master's URL with the first sentinel as its host, and
    /// who to ask.
    fn of(url: &str, login: (Option<String>, Option<Secret>)) -> Option<(String, Self)> {
        let (scheme, rest) = url.split_once("+sentinel://")?;
        let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(user, rest)| (user, rest));
        let (hosts, path) = rest.split_once('/')?;
        let (master, database) = path.split_once('/').unwrap_or((path, "0"));
        let place = |host: &str| match host.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() => Some((host.to_owned(), port.parse().ok()?)),
            Some(_) => None,
            None => (!host.is_empty()).then(|| (host.to_owned(), 26379)),
        };
        let places: Vec<(String, u16)> = hosts.split(',').map(place).collect::<Option<_>>()?;
        let (host, port) = places.first()?;
        let at = if user.is_empty() { "" } else { "@" };
        let url = format!("{scheme}://{user}{at}{host}:{port}/{database}");
        (!master.is_empty()).then(|| (url, Self { places: places.clone(), master: master.to_owned(), login }))
    }

    /// The sentinels, each as something to connect to. They have logins of their own, and no databases.
    pub fn endpoints(&self, of: &Endpoint) -> Vec<Endpoint> {
        let mut redis = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let (user, password) = &self.login;
        if let Some(user) = user {
            redis = redis.set_username(user);
        }
        if let Some(password) = password {
            redis = redis.set_password(password.reveal());
        }
        let as_sentinel = |place: &(String, u16)| {
            let mut endpoint = of.at(place);
            endpoint.info = endpoint.info.set_redis_settings(redis.clone());
            endpoint
        };
        self.places.iter().map(as_sentinel).collect()
    }
}

/// A database on a server.
#[derive(Clone)]
pub struct Endpoint {
    /// For the driver.
    pub info: ConnectionInfo,
    /// For TLS.
    pub files: Files,
    /// Who knows where the server is, which then is not said by `info`.
    pub sentinels: Option<Sentinels>,
    /// The ledger's keys begin with it.
    pub prefix: String,
    password: Option<Secret>,
    url: Secret,
}

impl Endpoint {
    /// Puts together what the settings say.
    ///
    /// # Errors
    /// A URL that cannot be understood.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("the connection of {} cannot be understood: {why}", settings.name)).hint(
                "write `redis://USER:PASSWORD@HOST:PORT/DATABASE`, `rediss://…` for TLS, or `redis+unix:///PATH?db=N`",
            )
            .hint("for sentinels: `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER/DATABASE`")
        };
        let given = settings.url.reveal();
        let option = |key: &str| settings.options.get(key).filter(|v| !v.is_empty());
        let login = (option("sentinel_username").cloned(), option("sentinel_password").map(Secret::new));
        let sentinels = given.contains("+sentinel://").then(|| {
            Sentinels::of(given, login).ok_or_else(|| wrong("`redis+sentinel://` names sentinels and a master"))
        });
        let (given, sentinels) = match sentinels.transpose()? {
            Some((url, sentinels)) => (url, Some(sentinels)),
            None => (given.to_owned(), None),
        };
        // The library's own words may quote the URL, and so the password.
        let parsed = given.as_str().into_connection_info();
        let info = parsed.map_err(|_| wrong("it is no Redis URL with a host and, if any, a database's number"))?;
        let variable = |name: &str| settings.variables.get(name).filter(|v| !v.is_empty()).map(str::to_owned);
        let mut redis = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(number) = option("database") {
            redis = redis.set_db(number.parse().map_err(|_| wrong("`database` is no number"))?);
        }
        if let Some(user) = option("username").filter(|_| redis.username().is_none()) {
            redis = redis.set_username(user);
        }
        if redis.password().is_none()
            && let Some(password) = option("password").cloned().or_else(|| variable("REDISCLI_AUTH"))
        {
            redis = redis.set_password(password);
        }
        let password = redis.password().map(Secret::new);
        let path = |key: &str| option(key).map(|p| settings.root.join(p));
        let own = match (path("cert"), path("key")) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(wrong("`cert` and `key` go together")),
        };
        Ok(Self {
            info: info.set_redis_settings(redis),
            files: Files { ca: path("ca"), own },
            sentinels,
            prefix: option("prefix").cloned().unwrap_or_else(|| PREFIX.to_owned()),
            password,
            url: settings.url.clone(),
        })
    }

    /// The name of one of the ledger's keys.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The host, where there is one.
    pub fn host(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.clone(),
            _ => "127.0.0.1".to_owned(),
        }
    }

    /// The same at another node, with the same login and the same TLS; without a host on the same one.
    pub fn at(&self, (host, port): &(String, u16)) -> Self {
        let host = if host.is_empty() { self.host() } else { host.clone() };
        let port = *port;
        let addr = match self.info.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Self { info: self.info.clone().set_addr(addr), sentinels: None, ..self.clone() }
    }

    /// What must not be shown.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.password.iter().chain(self.sentinels.iter().filter_map(|s| s.login.1.as_ref())).collect()
    }

    /// What scripts find in their environment: the variables of `redis-cli`, and the address as our own.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let open = |name: &str, value: String| (name.to_owned(), Secret::open(value));
        let redis = self.info.redis_settings();
        let mut environment = vec![
            ("REDIS_URL".to_owned(), self.url.clone()),
            ("STEPLADDER_URL".to_owned(), self.url.clone()),
            open("REDIS_DATABASE", redis.db().to_string()),
        ];
        match self.info.addr() {
            _ if self.sentinels.is_some() => {}
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                environment.push(open("REDIS_HOST", host.clone()));
                environment.push(open("REDIS_PORT", port.to_string()));
            }
            ConnectionAddr::Unix(path) => environment.push(open("REDIS_SOCKET", path.to_string_lossy().into_owned())),
            _ => {}
        }
        environment.extend(redis.username().map(|user| open("REDIS_USERNAME", user.to_owned())));
        environment.extend(self.password.iter().map(|p| ("REDISCLI_AUTH".to_owned(), p.clone())));
        environment
    }
}

/// As a person would write it: `user@host:6379/0`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redis = self.info.redis_settings();
        if let Some(user) = redis.username() {
            write!(f, "{user}@")?;
        }
        if let Some(Sentinels { places, master, .. }) = &self.sentinels {
            let places: Vec<String> = places.iter().map(|(host, port)| format!("{host}:{port}")).collect();
            return write!(f, "{master} of {}/{}", places.join(","), redis.db());
        }
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => write!(f, "{host}:{port}")?,
            ConnectionAddr::Unix(path) => write!(f, "{}", path.display())?,
            _ => {}
        }
        write!(f, "/{}", redis.db())
    }
}

/// Reads a file of the configuration.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::usage(format!("{} cannot be read: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Environment;

    fn resolve<const N: usize>(
        url: &str,
        options: &[(&str, &str)],
        variables: [(&str, &str); N],
    ) -> Result<Endpoint, Failure> {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Endpoint::resolve(&Settings {
            name: "redis".to_owned(),
            url: Secret::new(url),
            client: None,
            timeout: None,
            lease: std::time::Duration::from_secs(15),
            root: "/p".into(),
            options: options.iter().map(own).collect::<BTreeMap<_, _>>(),
            variables: Environment::of(variables),
        })
    }

    fn password(endpoint: &Endpoint) -> Option<&str> {
        endpoint.info.redis_settings().password()
    }

    #[test]
    fn a_url_wins_over_options_and_those_over_variables() {
        let variables = [("REDISCLI_AUTH", "from-variable")];
        let all = resolve("redis://me:p%40ss@db:7000/3", &[("password", "o")], variables).unwrap();
        assert_eq!((all.to_string().as_str(), password(&all)), ("me@db:7000/3", Some("p@ss")));
        let some =
            resolve("rediss://db", &[("password", "o"), ("database", "4"), ("ca", "ca.pem")], variables).unwrap();
        assert_eq!((some.to_string().as_str(), password(&some)), ("db:6379/4", Some("o")));
        assert_eq!(some.files.ca.as_deref(), Some(Path::new("/p/ca.pem")));
        let none = resolve("redis+unix:///run/redis.sock?db=2", &[("prefix", "{x}:")], variables).unwrap();
        assert_eq!((none.to_string().as_str(), password(&none)), ("/run/redis.sock/2", Some("from-variable")));
        assert_eq!(none.key("lease"), "{x}:lease");
    }

    #[test]
    fn sentinels_are_asked_with_a_login_of_their_own() {
        let options = [("sentinel_password", "other")];
        let found = resolve("rediss+sentinel://me:p%40ss@a:1,b/main/3", &options, []).unwrap();
        assert_eq!((found.to_string().as_str(), password(&found)), ("me@main of a:1,b:26379/3", Some("p@ss")));
        let sentinels = found.sentinels.as_ref().unwrap().endpoints(&found);
        let shown: Vec<_> = sentinels.iter().map(|s| (s.to_string(), password(s).map(str::to_owned))).collect();
        let other = Some("other".to_owned());
        assert_eq!(shown, [("a:1/0".to_owned(), other.clone()), ("b:26379/0".to_owned(), other)]);
        assert!(matches!(sentinels[0].info.addr(), ConnectionAddr::TcpTls { .. }));
        assert_eq!(found.secrets().len(), 2);
    }

    #[test]
    fn what_cannot_be_understood_is_no_connection_and_shows_no_secret() {
        for url in [
            "redis://u:hunter2@h/x",
            "redis+sentinel://:hunter2@h:1,h:2",
            "redis+sentinel://:hunter2@h:x/m/0",
            "http://hunter2@h",
        ] {
            let failure = resolve(url, &[], []).err().unwrap();
            assert_eq!(failure.kind, crate::FailureKind::Usage);
            assert!(!failure.message.contains("hunter2"), "{failure}");
        }
        assert!(resolve("redis://h", &[("cert", "c.pem")], []).is_err());
    }
}
