//! A URL, taken apart: what a store's connection is written as.

/// `scheme://user:password@host:port/path?key=value`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// Decoded; none where there is no `@`.
    pub user: Option<String>,
    /// Decoded.
    pub password: Option<String>,
    /// Without the brackets of an IPv6 address.
    pub host: String,
    /// Where one is written.
    pub port: Option<u16>,
    /// As written, with its leading slash; empty without one.
    pub path: String,
    /// Keys with values, decoded, in order.
    pub query: Vec<(String, String)>,
}

impl Url {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("it has no `://`")?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (login, server) = authority.rsplit_once('@').map_or((None, authority), |(l, s)| (Some(l), s));
        let (user, password) = match login.map(|l| l.split_once(':').map_or((l, None), |(u, p)| (u, Some(p)))) {
            None => (None, None),
            Some((user, password)) => (Some(unescaped(user)?), password.map(unescaped).transpose()?),
        };
        let (host, port) = match server.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or("its IPv6 address has no `]`")?;
                (host, after.strip_prefix(':'))
            }
            None => server.split_once(':').map_or((server, None), |(h, p)| (h, Some(p))),
        };
        let port = port.filter(|p| !p.is_empty()).map(|p| p.parse().map_err(|_| "its port is no number below 65536"));
        let pair = |pair: &str| -> Result<(String, String), &'static str> {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((unescaped(key)?, unescaped(value)?))
        };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user,
            password,
            host: host.to_owned(),
            port: port.transpose()?,
            path: path.to_owned(),
            query: query.split('&').filter(|p| !p.is_empty()).map(pair).collect::<Result<_, _>>()?,
        })
    }

    /// The parts of its path, decoded.
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn segments(&self) -> Result<Vec<String>, &'static str> {
        self.path.split('/').filter(|s| !s.is_empty()).map(unescaped).collect()
    }

    /// Its host as it stands in a URL.
    pub fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

/// A text without its `%` codes.
///
/// # Errors
/// Codes that are none.
pub fn unescaped(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let wrong = "it has a `%` without two hexadecimal digits; write `%25` for `%`";
        bytes.push(high.ok_or(wrong)? * 16 + low.ok_or(wrong)?);
    }
    String::from_utf8(bytes).map_err(|_| "its `%` codes are no UTF-8")
}

/// A text as one segment of a path or one value of a query.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let url = Url::parse("HTTPS://deploy:p%40ss:w@[::1]:8000/a%20b/c?tenant=x%2Fy&flag#end").unwrap();
        assert_eq!((url.scheme.as_str(), url.host.as_str(), url.port), ("https", "::1", Some(8000)));
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("deploy"), Some("p@ss:w")));
        assert_eq!(url.segments().unwrap(), ["a b", "c"]);
        let query = [("tenant", "x/y"), ("flag", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(url.query, query);
        assert_eq!(url.bracketed_host(), "[::1]");
        let bare = Url::parse("http://host").unwrap();
        assert_eq!((bare.user, bare.port, bare.path.as_str()), (None, None, ""));
        let token = Url::parse("http://:secret@host:1").unwrap();
        assert_eq!((token.user.as_deref(), token.password.as_deref()), (Some(""), Some("secret")));
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting_it() {
        for text in ["localhost:8000", "http://h:99999", "http://h:x", "http://a:%zz@h", "http://[::1"] {
            let Err(wrong) = Url::parse(text) else { panic!("{text} was taken") };
            assert!(!wrong.contains("zz"));
        }
    }

    #[test]
    fn escaping_is_undone_by_unescaping() {
        let text = "a b/ü?%&=🪜";
        assert_eq!(unescaped(&escaped(text)).as_deref(), Ok(text));
    }
}
