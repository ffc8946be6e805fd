//! Where a database is: a MongoDB connection string over the store's section.

use std::fmt;
use std::path::{Path, PathBuf};

use super::ledger::{Names, PREFIX};
use super::srv::Srv;
use super::wire::{Mechanism, Trouble};
use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;

/// Databases that hold no user's data, so that no ledger and no `fresh` belongs there.
const SYSTEM: [&str; 3] = ["admin", "config", "local"];
/// Between the parts of a URL everything else is written as `%` and two digits.
const PLAIN: &str = "-._~";

/// A resolved connection. `Display` is its address without secrets.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Host and port of each server that is named.
    pub hosts: Vec<(String, u16)>,
    /// Who we are.
    pub login: Option<Login>,
    /// The database of the scripts and the ledger.
    pub database: String,
    /// TLS, where it is wanted.
    pub tls: Option<Tls>,
    /// Whether the one server is to be spoken to whatever it is in its replica set.
    pub direct: bool,
    /// The replica set that it has to be.
    pub replica_set: Option<String>,
    /// The collections of the ledger.
    pub names: Names,
    /// The name in the DNS that stands for the servers, where one does.
    srv: Option<Srv>,
    /// As it goes to mongosh.
    url: Secret,
}

/// A URL, taken apart.
#[derive(Clone, Debug)]
pub struct Parts {
    login: Option<Secret>,
    /// The database of the URL's path.
    named: Option<String>,
    database: String,
    /// What stands behind the `?`.
    pub options: Vec<(String, String)>,
    root: PathBuf,
    names: Names,
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The database that knows the user.
    pub source: String,
    /// How to log in, where the URL says it.
    pub mechanism: Option<Mechanism>,
}

/// What a connection wants of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// A PEM file with the roots that are trusted; the system's without it.
    pub roots: Option<PathBuf>,
    /// A PEM file with our own key and certificates.
    pub identity: Option<PathBuf>,
    /// Whether any certificate will do.
    pub any: bool,
}

fn wrong(what: &str) -> Failure {
    Failure::usage(format!("the connection cannot be understood: {what}"))
        .hint("for example mongodb://user:secret@localhost:27017/shop?authSource=admin")
}

impl Endpoint {
    /// Resolves a connection; does not connect.
    ///
    /// # Errors
    /// [`crate::FailureKind::Usage`]: what cannot be understood, without the password.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let (scheme, rest) = settings.url.reveal().trim().split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let is_srv = scheme.eq_ignore_ascii_case("mongodb+srv");
        if !is_srv && !scheme.eq_ignore_ascii_case("mongodb") {
            return Err(wrong("its scheme is neither `mongodb` nor `mongodb+srv`"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold a slash that nobody encoded.
        let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
        let (hosts, path) = place.split_once('/').unwrap_or((place, ""));
        let named = Some(decoded(path)?).filter(|name| !name.is_empty());
        let option = |key: &str| settings.options.get(key).map(String::as_str);
        let parts = Parts {
            login: login.map(Secret::new),
            database: database(named.as_deref().or_else(|| option("database")))?,
            named,
            options: options(query)?,
            root: settings.root.clone(),
            names: names(option("ledger").unwrap_or(PREFIX))?,
        };
        match is_srv {
            false => parts.endpoint(hosts.split(',').map(host).collect::<Result<_, _>>()?),
            true => {
                // What can be said without a look into the DNS.
                let srv = Srv::new(hosts, parts.clone(), option("dns"))?;
                let endpoint = parts.endpoint(vec![(srv.host.clone(), 27017)])?;
                Ok(Self { srv: Some(srv), url: settings.url.clone(), ..endpoint })
            }
        }
    }

    /// With the servers that its name stands for.
    ///
    /// # Errors
    /// The DNS does not say.
    pub fn found(&self) -> Result<&Self, Trouble> {
        self.srv.as_ref().map_or(Ok(self), Srv::look_up)
    }

    /// The same as far as it is known.
    pub fn known(&self) -> &Self {
        self.srv.as_ref().and_then(Srv::known).unwrap_or(self)
    }

    /// The URL as mongosh takes it: its parts encoded as they have to be, the database in its path.
    fn rebuilt(&self, options: &[(String, String)]) -> Secret {
        let mut url = "mongodb://".to_owned();
        if let Some(login) = &self.login {
            url += &format!("{}:{}@", encoded(&login.user), encoded(login.password.reveal()));
        }
        url += &format!("{}/{}", self.places(), encoded(&self.database));
        let mut options: Vec<(&str, &str)> = options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        if let Some(login) = &self.login {
            options.retain(|(key, _)| !key.eq_ignore_ascii_case("authSource"));
            options.push(("authSource", &login.source));
        }
        for (at, (key, value)) in options.into_iter().enumerate() {
            url += &format!("{}{key}={}", if at == 0 { '?' } else { '&' }, encoded(value));
        }
        Secret::new(url)
    }

    fn places(&self) -> String {
        self.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect::<Vec<_>>().join(",")
    }

    /// The URL for clients, with the login.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// What scripts find in their environment.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        vec![
            ("MONGODB_URL".to_owned(), self.url.clone()),
            ("MONGODB_URI".to_owned(), self.url.clone()),
            ("MONGODB_DATABASE".to_owned(), Secret::open(self.database.clone())),
            ("STEPLADDER_URL".to_owned(), self.url.clone()),
        ]
    }

    /// What must never be shown.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = vec![self.url.clone(), self.known().url.clone()];
        if let Some(login) = &self.login {
            secrets.push(login.password.clone());
            secrets.push(Secret::new(encoded(login.password.reveal())));
        }
        secrets
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(login) = &self.login {
            write!(f, "{}@", login.user)?;
        }
        match &self.srv {
            Some(srv) => write!(f, "{}/{}", srv.host, self.database),
            None => write!(f, "{}/{}", self.places(), self.database),
        }
    }
}

impl Parts {
    /// An option of the URL.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Put together, with these servers.
    ///
    /// # Errors
    /// A login that cannot be understood.
    pub fn endpoint(&self, hosts: Vec<(String, u16)>) -> Result<Endpoint, Failure> {
        let option = |name: &str| self.option(name);
        let login = self.login.as_ref();
        let mut endpoint = Endpoint {
            direct: option("directConnection") == Some("true"),
            replica_set: option("replicaSet").map(str::to_owned),
            tls: tls(&option, &self.root),
            hosts,
            login: login.map(|login| log_in(login.reveal(), self.named.as_deref(), &option)).transpose()?,
            database: self.database.clone(),
            names: self.names.clone(),
            srv: None,
            url: Secret::default(),
        };
        endpoint.url = endpoint.rebuilt(&self.options);
        Ok(endpoint)
    }
}

/// The ledger's collections, which have to be some that MongoDB takes.
fn names(prefix: &str) -> Result<Names, Failure> {
    let is_fit = |name: &str| !name.is_empty() && name.len() <= 100 && !name.starts_with("system.");
    match is_fit(prefix) && !prefix.contains(['$', '\0']) {
        true => Ok(Names::of(prefix)),
        false => Err(Failure::usage(format!("`ledger = \"{prefix}\"` cannot begin the names of collections"))
            .hint("it is what they begin with: ledger = \"ops\" makes ops_ledger, ops_scripts and ops_lease")),
    }
}

fn database(named: Option<&str>) -> Result<String, Failure> {
    let name = named.filter(|name| !name.is_empty()).ok_or_else(|| {
        Failure::usage("the connection names no database").hint(
            "name it behind the host: mongodb://localhost:27017/shop; or set `database` under the store's section",
        )
    })?;
    match SYSTEM.contains(&name) {
        true => Err(Failure::usage(format!("the database `{name}` belongs to the server, so it cannot hold a ledger"))
            .hint("name the database of your data; `?authSource=admin` says where the user is known")),
        false => Ok(name.to_owned()),
    }
}

fn log_in<'a>(login: &str, path: Option<&str>, option: &impl Fn(&str) -> Option<&'a str>) -> Result<Login, Failure> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let mechanism = match option("authMechanism") {
        None | Some("DEFAULT") => None,
        Some(name) => Some(Mechanism::of(name).ok_or_else(|| {
            Failure::usage(format!("a login over `{name}` is not understood"))
                .hint("SCRAM-SHA-256 and SCRAM-SHA-1 are; leave `authMechanism` out to have the server choose")
        })?),
    };
    Ok(Login {
        user: decoded(user)?,
        password: Secret::new(decoded(password)?),
        source: option("authSource").or(path).unwrap_or("admin").to_owned(),
        mechanism,
    })
}

fn tls<'a>(option: &impl Fn(&str) -> Option<&'a str>, root: &Path) -> Option<Tls> {
    let is = |name: &str| option(name) == Some("true");
    let file = |name: &str| option(name).map(|path| root.join(path));
    let tls = Tls {
        roots: file("tlsCAFile"),
        identity: file("tlsCertificateKeyFile"),
        any: is("tlsInsecure") || is("tlsAllowInvalidCertificates"),
    };
    let wanted = is("tls") || is("ssl") || (tls != Tls::default() && option("tls").is_none());
    wanted.then_some(tls)
}

fn host(text: &str) -> Result<(String, u16), Failure> {
    if text.contains("%2F") || text.contains("%2f") {
        return Err(wrong("sockets of the file system are not understood; name host and port"));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().map_err(|_| wrong("a port is no number"))?),
        _ => (text, 27017),
    };
    match name.is_empty() {
        true => Err(wrong("it names no host")),
        false => Ok((name.to_owned(), port)),
    }
}

fn options(query: &str) -> Result<Vec<(String, String)>, Failure> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').ok_or_else(|| wrong("an option behind the `?` has no value"))?;
            Ok((decoded(key)?, decoded(value)?))
        })
        .collect()
}

/// `%` and two digits for whatever is not plain.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte.is_ascii_alphanumeric() || PLAIN.as_bytes().contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

/// Takes `%2F` for `/`.
fn decoded(text: &str) -> Result<String, Failure> {
    let unfit = || wrong("a `%` is not followed by two digits of a character");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2).ok_or_else(unfit)?;
        let digits = std::str::from_utf8(digits).map_err(|_| unfit())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| unfit())?);
        rest = more;
    }
    String::from_utf8(bytes).map_err(|_| unfit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn resolve(url: &str, options: &[(&str, &str)]) -> Result<Endpoint, Failure> {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Endpoint::resolve(&Settings {
            name: "shop".to_owned(),
            url: Secret::new(url),
            client: None,
            timeout: None,
            lease: Duration::from_secs(15),
            root: "/p".into(),
            options: options.iter().map(own).collect::<BTreeMap<_, _>>(),
            variables: Environment::default(),
        })
    }

    #[test]
    fn a_url_is_taken_apart_and_put_together_again() {
        let url = "mongodb://me:a%2Fb%40@one,[::1]:2/shop?authSource=users&replicaSet=rs0&tlsCAFile=ca.pem";
        let endpoint = resolve(url, &[]).unwrap();
        assert_eq!(endpoint.to_string(), "me@one:27017,[::1]:2/shop");
        let login = endpoint.login.as_ref().unwrap();
        assert_eq!((login.password.reveal(), login.source.as_str()), ("a/b@", "users"));
        assert_eq!(endpoint.tls.as_ref().unwrap().roots.as_deref(), Some(Path::new("/p/ca.pem")));
        assert_eq!(
            endpoint.url().reveal(),
            "mongodb://me:a%2Fb%40@one:27017,[::1]:2/shop?replicaSet=rs0&tlsCAFile=ca.pem&authSource=users"
        );
        assert!(!format!("{endpoint:?}").contains("a/b@"));
    }

    #[test]
    fn the_ledgers_names_begin_as_the_section_says() {
        assert_eq!(resolve("mongodb://h/shop", &[]).unwrap().names.entries, "stepladder_ledger");
        assert_eq!(resolve("mongodb://h/shop", &[("ledger", "ops")]).unwrap().names, Names::of("ops"));
        for prefix in ["", "system.x", "a$b", &"a".repeat(101)] {
            assert!(resolve("mongodb://h/shop", &[("ledger", prefix)]).is_err(), "{prefix}");
        }
    }

    #[test]
    fn the_user_is_known_where_the_path_leads_or_else_in_admin() {
        let source = |url: &str, options: &[(&str, &str)]| resolve(url, options).unwrap().login.unwrap().source;
        assert_eq!(source("mongodb://a:b@h/shop", &[]), "shop");
        assert_eq!(source("mongodb://a:b@h/", &[("database", "shop")]), "admin");
        assert_eq!(resolve("mongodb://h", &[("database", "shop")]).unwrap().url().reveal(), "mongodb://h:27017/shop");
    }

    #[test]
    fn what_cannot_be_understood_is_said_without_the_password() {
        for url in [
            "h:27017/shop",
            "http://x:hunter2@h/shop",
            "mongodb+srv://x:hunter2@h/shop",
            "mongodb+srv://x:hunter2@a.b.c:27017/shop",
            "mongodb+srv://x:hunter2@a.b.c,d.b.c/shop",
            "mongodb://x:hunter2@h",
            "mongodb://x:hunter2@h:port/shop",
            "mongodb://x:hunter2%@h/shop",
            "mongodb://x:hunter2@h/admin",
            "mongodb://x:hunter2@h/shop?authMechanism=MONGODB-AWS",
            "mongodb://x:hunter2@/shop",
            "mongodb://x:hunter2@%2Ftmp%2Fs/shop",
            "mongodb://x:hunter2@h/shop?tls",
        ] {
            let failure = resolve(url, &[]).unwrap_err();
            assert_eq!(failure.kind, crate::FailureKind::Usage, "{url}");
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
        }
    }
}
