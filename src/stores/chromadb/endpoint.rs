//! Where a Chroma database is, and with which credentials: URL over options over variables.

use std::fmt;

use crate::config::Secret;
use crate::domain::Failure;
use crate::stores::Settings;
use crate::stores::http::{Agent, Url, escaped};

/// What Chroma calls the tenant and the database of whoever names none.
const DEFAULT_TENANT: &str = "default_tenant";
const DEFAULT_DATABASE: &str = "default_database";

/// A tenant's database on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: String,
    port: u16,
    /// Of a server behind a proxy: `/chroma`, without a slash at its end.
    prefix: String,
    /// The tenant.
    pub tenant: String,
    /// The database.
    pub database: String,
    login: Login,
    /// As it was given.
    url: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    None,
    /// Goes as `x-chroma-token` and as a bearer token: servers and the gateways in front of them want one or the other.
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
                "write `chroma://TOKEN@HOST:PORT/DATABASE`, or `https://HOST:PORT/PREFIX?tenant=T&database=D` as it is",
            )
        };
        let url = Url::parse(settings.url.reveal()).map_err(wrong)?;
        let variable = |name: &str| settings.variables.get(name).map(str::to_owned);
        let asked = |key: &str| url.query.iter().find(|(k, v)| k == key && !v.is_empty()).map(|(_, v)| v.clone());
        if let Some((key, _)) = url.query.iter().find(|(k, _)| k != "tenant" && k != "database") {
            return Err(wrong(&format!("`{key}` is no key of it; there are `tenant` and `database`")));
        }
        let is_http = matches!(url.scheme.as_str(), "http" | "https");
        let tls = match url.scheme.as_str() {
            "https" | "chromas" => true,
            "http" => false,
            _ => {
                url.host.is_empty()
                    && variable("CHROMA_SSL").is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"))
            }
        };
        let segments = url.segments().map_err(wrong)?;
        let (tenant, database) = match segments.as_slice() {
            _ if is_http => (None, None),
            [] => (None, None),
            [database] => (None, Some(database.clone())),
            [tenant, database] => (Some(tenant.clone()), Some(database.clone())),
            _ => return Err(wrong("its path is more than a tenant and a database")),
        };
        let named = |found: Option<String>, key: &str, name: &str, default: &str| {
            let said = found.or_else(|| asked(key)).or_else(|| settings.options.get(key).cloned());
            said.or_else(|| variable(name)).unwrap_or_else(|| default.to_owned())
        };
        let from_variable = url.host.is_empty();
        let port = url.port.or_else(|| variable("CHROMA_PORT").filter(|_| from_variable).and_then(|p| p.parse().ok()));
        Ok(Self {
            tls,
            host: match from_variable {
                true => variable("CHROMA_HOST").unwrap_or_else(|| "localhost".to_owned()),
                false => url.bracketed_host(),
            },
            port: port.unwrap_or(match (is_http, tls) {
                (true, true) => 443,
                (true, false) => 80,
                _ => 8000,
            }),
            prefix: if is_http { url.path.trim_end_matches('/').to_owned() } else { String::new() },
            tenant: named(tenant, "tenant", "CHROMA_TENANT", DEFAULT_TENANT),
            database: named(database, "database", "CHROMA_DATABASE", DEFAULT_DATABASE),
            login: login(&url, settings),
            url: settings.url.clone(),
        })
    }

    /// `https://host:8000/prefix`: what both the agent and Python's client begin with.
    pub fn base(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }

    /// The path of the database on the server.
    pub fn path(&self) -> String {
        format!("/api/v2/tenants/{}/databases/{}", escaped(&self.tenant), escaped(&self.database))
    }

    /// The headers that let us in.
    pub fn headers(&self) -> Vec<(&'static str, Secret)> {
        match &self.login {
            Login::None => Vec::new(),
            Login::Token(token) => vec![
                ("x-chroma-token", token.clone()),
                ("authorization", Secret::new(format!("Bearer {}", token.reveal()))),
            ],
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
            Login::Token(token) => secrets.push(token.clone()),
            Login::Basic(_, password) => secrets.push(password.clone()),
        }
        secrets
    }

    /// Speaks to it.
    pub fn agent(&self) -> Agent {
        Agent::new(&self.base(), &format!("{}:{}", self.host, self.port), self.headers())
    }

    /// What scripts find in their environment.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let open = |name: &str, value: &str| (name.to_owned(), Secret::open(value));
        let mut environment = vec![
            open("CHROMA_HOST", &self.host),
            open("CHROMA_PORT", &self.port.to_string()),
            open("CHROMA_SSL", if self.tls { "1" } else { "0" }),
            open("CHROMA_TENANT", &self.tenant),
            open("CHROMA_DATABASE", &self.database),
        ];
        if let Login::Token(token) = &self.login {
            environment.push(("CHROMA_TOKEN".to_owned(), token.clone()));
        }
        environment.push(("STEPLADDER_URL".to_owned(), self.url.clone()));
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
    let said = settings.options.get("token").map(String::as_str).filter(|t| !t.is_empty());
    let token =
        said.or_else(|| settings.variables.get("CHROMA_TOKEN")).or_else(|| settings.variables.get("CHROMA_API_KEY"));
    token.map_or(Login::None, |token| Login::Token(Secret::new(token)))
}

/// As a person would write it: `host:8000/tenant/database`, the tenant only where it is not the usual one.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}{}/", self.host, self.port, self.prefix)?;
        if self.tenant != DEFAULT_TENANT {
            write!(f, "{}/", self.tenant)?;
        }
        f.write_str(&self.database)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Environment;

    fn resolve<const N: usize>(url: &str, options: &[(&str, &str)], variables: [(&str, &str); N]) -> Endpoint {
        let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
        Endpoint::resolve(&Settings {
            name: "chromadb".to_owned(),
            url: Secret::new(url),
            client: None,
            timeout: None,
            lease: std::time::Duration::from_secs(15),
            root: "/p".into(),
            options: options.iter().map(own).collect::<BTreeMap<_, _>>(),
            variables: Environment::of(variables),
        })
        .unwrap()
    }

    #[test]
    fn a_url_wins_over_options_and_those_over_variables() {
        let variables = [("CHROMA_TENANT", "v"), ("CHROMA_DATABASE", "v"), ("CHROMA_TOKEN", "from-variable")];
        let all = resolve("chroma://key@db:9000/t/d", &[("database", "o"), ("token", "o")], variables);
        assert_eq!((all.base().as_str(), all.to_string().as_str()), ("http://db:9000", "db:9000/t/d"));
        assert_eq!(all.headers()[0], ("x-chroma-token", Secret::new("key")));
        let some = resolve("https://db/chroma/?tenant=x%2Fy", &[("database", "o")], variables);
        assert_eq!(some.base(), "https://db:443/chroma");
        assert_eq!(some.path(), "/api/v2/tenants/x%2Fy/databases/o");
        assert_eq!(some.headers()[1], ("authorization", Secret::new("Bearer from-variable")));
        let none = resolve("chroma://localhost", &[], []);
        assert_eq!(none.to_string(), "localhost:8000/default_database");
        assert_eq!(none.headers(), []);
    }

    #[test]
    fn without_a_host_the_clients_own_variables_say_where() {
        let variables = [("CHROMA_HOST", "far"), ("CHROMA_PORT", "1234"), ("CHROMA_SSL", "true")];
        assert_eq!(resolve("chroma://", &[], variables).base(), "https://far:1234");
        let basic = resolve("http://u:p%40@h", &[], variables);
        assert_eq!(basic.headers(), [("authorization", Secret::new("Basic dTpwQA=="))]);
        assert_eq!(basic.base(), "http://h:80");
    }

    #[test]
    fn what_cannot_be_understood_is_no_connection() {
        for url in ["localhost:8000", "chroma://h/a/b/c", "http://h?tenent=x"] {
            let settings = Settings { url: Secret::new(url), ..sample() };
            assert_eq!(Endpoint::resolve(&settings).unwrap_err().kind, crate::FailureKind::Usage);
        }
    }

    fn sample() -> Settings {
        Settings {
            name: "chromadb".to_owned(),
            url: Secret::new(""),
            client: None,
            timeout: None,
            lease: std::time::Duration::from_secs(15),
            root: "/p".into(),
            options: BTreeMap::new(),
            variables: Environment::default(),
        }
    }
}
