//! Where a cluster is, and with which login: URL over options over variables.

use std::fmt;
use std::path::PathBuf;

use super::login::Login;
use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;
use crate::stores::http::{Agent, Url};

/// The ledger's index, unless the settings name another.
const LEDGER: &str = "stepladder-ledger";

/// What the store's section takes.
pub const OPTIONS: &[(&str, &str)] = &[
    ("ledger", "the ledger's index (stepladder-ledger)"),
    ("prefix", "this store's things begin with it: `fresh` drops no others"),
    (
        "api_key",
        "the API key, encoded, unless the URL holds a login; write ${ELASTICSEARCH_API_KEY}, not the key itself",
    ),
    ("token", "a bearer token such as a JWT, unless the URL holds a login; write ${ELASTICSEARCH_TOKEN}"),
    ("ca", "a PEM file with the authority that signed the server's certificate"),
];

/// A cluster, and the part of it that is the store's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    /// Of a cluster behind a proxy: `/search`, without a slash at its end.
    path: String,
    /// Who we are for it.
    pub login: Login,
    ca: Option<PathBuf>,
    /// The ledger's index.
    pub ledger: String,
    /// The store's things begin with it.
    pub prefix: String,
    /// As it was given.
    url: Secret,
}

impl Endpoint {
    /// Puts together what the settings say.
    ///
    /// # Errors
    /// A URL that cannot be understood; a name that no index can have.
    pub fn resolve(settings: &Settings) -> Result<Self, Failure> {
        let wrong = |why: &str| {
            Failure::usage(format!("the connection of {} cannot be understood: {why}", settings.name))
                .hint("write `https://USER:PASSWORD@HOST:9200`, or `elasticsearch://HOST` for plain HTTP to port 9200")
        };
        let url = Url::parse(settings.url.reveal()).map_err(wrong)?;
        let keys = ["ledger", "prefix"];
        if let Some((key, _)) = url.query.iter().find(|(k, _)| !keys.contains(&k.as_str())) {
            return Err(wrong(&format!("`{key}` is no key of it; there are `ledger` and `prefix`")));
        }
        if url.host.is_empty() {
            return Err(wrong("it names no host"));
        }
        let tls = matches!(url.scheme.as_str(), "https" | "elasticsearchs" | "opensearchs");
        let usual = match url.scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => 9200,
        };
        let named = |key: &str| {
            let asked = url.query.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.clone());
            asked.or_else(|| settings.options.get(key).cloned())
        };
        let ledger = named("ledger").unwrap_or_else(|| LEDGER.to_owned());
        if !is_index(&ledger) {
            return Err(wrong(&format!(
                "`{ledger}` can be no index: write it in lower case, without `,*?\"<>|/\\#:` or blanks"
            )));
        }
        Ok(Self {
            tls,
            host: url.bracketed_host(),
            port: url.port.unwrap_or(usual),
            path: url.path.trim_end_matches('/').to_owned(),
            login: Login::of(&url, settings),
            ca: settings.options.get("ca").filter(|ca| !ca.is_empty()).map(|ca| settings.root.join(ca)),
            ledger,
            prefix: named("prefix").unwrap_or_default(),
            url: settings.url.clone(),
        })
    }

    /// `https://host:9200/path`.
    pub fn base(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", self.host, self.port, self.path)
    }

    /// Speaks to it.
    ///
    /// # Errors
    /// A `ca` that cannot be used.
    pub fn agent(&self) -> Result<Agent, Failure> {
        let headers = self.login.header().map(|value| ("authorization", value)).into_iter().collect();
        Agent::trusting(&self.base(), &format!("{}:{}", self.host, self.port), headers, self.ca.as_deref())
    }

    /// What must not be shown.
    pub fn secrets(&self) -> Vec<&Secret> {
        self.login.secret().into_iter().collect()
    }

    /// What programs find in their environment.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let mut environment = vec![("ELASTICSEARCH_URL".to_owned(), Secret::open(self.base()))];
        environment.extend(self.login.environment());
        environment.push(("STEPLADDER_URL".to_owned(), self.url.clone()));
        environment
    }
}

/// Whether an index can be called so.
fn is_index(name: &str) -> bool {
    let bad = |c: char| c.is_uppercase() || c.is_whitespace() || c.is_control() || ",*?\"<>|/\\#:".contains(c);
    !name.is_empty()
        && name.len() < 200
        && !name.starts_with(['_', '-', '+'])
        && name != "."
        && name != ".."
        && !name.contains(bad)
}

/// As a person would write it: `host:9200`, with the prefix where there is one.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}", self.host, self.port, self.path)?;
        if !self.prefix.is_empty() {
            write!(f, " ({}*)", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Environment;

    fn resolve(url: &str, options: &[(&str, &str)]) -> Result<Endpoint, Failure> {
        let options: BTreeMap<_, _> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Endpoint::resolve(&Settings {
            name: "elasticsearch".to_owned(),
            url: Secret::new(url),
            client: None,
            timeout: None,
            lease: std::time::Duration::from_secs(15),
            root: "/p".into(),
            options,
            variables: Environment::default(),
        })
    }

    #[test]
    fn a_url_says_where_and_who() {
        let found = resolve("https://me:p%40ss@h:9243/search/?prefix=shop-", &[("ledger", "mine")]).unwrap();
        assert_eq!(found.base(), "https://h:9243/search");
        assert_eq!((found.ledger.as_str(), found.prefix.as_str()), ("mine", "shop-"));
        assert_eq!(found.login, Login::Basic("me".to_owned(), Secret::new("p@ss")));
        assert_eq!(found.to_string(), "h:9243/search (shop-*)");
        assert_eq!(resolve("elasticsearch://[::1]", &[]).unwrap().base(), "http://[::1]:9200");
        assert_eq!(resolve("opensearchs://h", &[]).unwrap().base(), "https://h:9200");
        assert_eq!(resolve("https://h", &[]).unwrap().base(), "https://h:443");
        assert_eq!(resolve("http://h", &[("api_key", "k")]).unwrap().login, Login::Key(Secret::new("k")));
        assert_eq!(resolve("http://h", &[("token", "t")]).unwrap().login, Login::Token(Secret::new("t")));
        assert_eq!(resolve("http://h", &[]).unwrap().ledger, LEDGER);
    }

    #[test]
    fn what_cannot_be_understood_is_no_connection() {
        for (url, ledger) in
            [("h:9200", "x"), ("http://h?index=x", "x"), ("http://", "x"), ("http://h", "A"), ("http://h", "_x")]
        {
            let Err(failure) = resolve(url, &[("ledger", ledger)]) else { panic!("{url} {ledger}") };
            assert_eq!(failure.kind, crate::FailureKind::Usage);
        }
    }
}
