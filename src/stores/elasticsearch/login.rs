//! The login of a cluster: where it comes from, how it is sent, and what to do when it is refused.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::config::Secret;
use crate::stores::Settings;
use crate::stores::http::Url;

/// Who we are for a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    None,
    /// An API key, as the cluster encodes it.
    Key(Secret),
    /// A token of somebody whom the cluster believes, mostly a JWT.
    Token(Secret),
    /// A user and a password.
    Basic(String, Secret),
}

impl Login {
    /// The URL over options over variables.
    pub fn of(url: &Url, settings: &Settings) -> Self {
        let filled = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
        if let Some(user) = filled(&url.user) {
            return Self::Basic(user, Secret::new(filled(&url.password).unwrap_or_default()));
        }
        let option = |key: &str| settings.options.get(key).map(String::as_str).filter(|t| !t.is_empty());
        let variable = |name: &str| settings.variables.get(name).filter(|v| !v.is_empty());
        for (key, token) in
            [(option("api_key"), option("token")), (variable("ELASTICSEARCH_API_KEY"), variable("ELASTICSEARCH_TOKEN"))]
        {
            match (key, token) {
                (Some(key), _) => return Self::Key(Secret::new(key)),
                (None, Some(token)) => return Self::Token(Secret::new(token)),
                (None, None) => {}
            }
        }
        match variable("ELASTICSEARCH_PASSWORD").or_else(|| variable("ELASTIC_PASSWORD")) {
            Some(password) => {
                let user = variable("ELASTICSEARCH_USERNAME").unwrap_or("elastic");
                Self::Basic(user.to_owned(), Secret::new(password))
            }
            None => Self::None,
        }
    }
    /// The header that goes with every request.
    pub fn header(&self) -> Option<Secret> {
        let value = match self {
            Self::None => return None,
            Self::Key(key) => format!("ApiKey {}", key.reveal()),
            Self::Token(token) => format!("Bearer {}", token.reveal()),
            Self::Basic(user, password) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal())))
            }
        };
        Some(Secret::new(value))
    }

    /// What must not be shown.
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::None => None,
            Self::Key(secret) | Self::Token(secret) | Self::Basic(_, secret) => Some(secret),
        }
    }

    /// What programs find in their environment.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let named = |name: &str, secret: &Secret| (name.to_owned(), secret.clone());
        match self {
            Self::None => Vec::new(),
            Self::Key(key) => vec![named("ELASTICSEARCH_API_KEY", key)],
            Self::Token(token) => vec![named("ELASTICSEARCH_TOKEN", token)],
            Self::Basic(user, password) => {
                vec![named("ELASTICSEARCH_USERNAME", &Secret::open(user)), named("ELASTICSEARCH_PASSWORD", password)]
            }
        }
    }

    /// What to do when the cluster does not believe it; OpenSearch gives no reason at all.
    pub fn advice(&self, now_s: i64) -> String {
        match self {
            Self::None => "no login was given: put one into the URL (https://USER:PASSWORD@HOST:9200), an API key \
                into ELASTICSEARCH_API_KEY, or a token into ELASTICSEARCH_TOKEN"
                .to_owned(),
            Self::Basic(user, _) => format!("is {user:?} the right user, and is the password right?"),
            Self::Key(_) => "is the API key still good? `api_key` or ELASTICSEARCH_API_KEY holds it".to_owned(),
            Self::Token(token) => {
                let ended = expiry(token.reveal()).filter(|at| *at <= now_s);
                let ended = ended.and_then(|at| jiff::Timestamp::from_second(at).ok());
                let said = ended.map_or_else(
                    || "is the token still good?".to_owned(),
                    |at| format!("the token was good until {at}: get a new one."),
                );
                format!("{said} `token` or ELASTICSEARCH_TOKEN holds it")
            }
        }
    }
}

/// Until when a JWT says that it is good, in seconds since 1970-01-01 UTC.
fn expiry(token: &str) -> Option<i64> {
    let claims = token.split('.').nth(1)?.trim_end_matches('=');
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let at = &claims["exp"];
    #[expect(clippy::cast_possible_truncation, reason = "a time with fractions of a second")]
    at.as_i64().or_else(|| at.as_f64().map(|at| at as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"HS256"}.{"exp":1700000000}` and a signature that nobody checks here.
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwMDB9.c2lnbmF0dXJl";

    #[test]
    fn a_token_that_is_over_is_told_with_its_time() {
        let token = Login::Token(Secret::new(TOKEN));
        assert!(
            token.advice(1_700_000_000).starts_with("the token was good until 2023-11-14T22:13:20Z: get a new one")
        );
        assert!(token.advice(1_699_999_999).starts_with("is the token still good?"));
        for other in ["", "opaque", "a.b.c", "a.!!.c", "eyJhbGciOiJIUzI1NiJ9.e30.x"] {
            assert_eq!(expiry(other), None, "{other}");
        }
    }
}
