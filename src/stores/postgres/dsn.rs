//! A connection as people write it, a URL or `key=value` pairs, taken apart into libpq's keywords.

use std::collections::BTreeMap;

use crate::domain::Failure;
use crate::domain::directive::closest;

/// libpq's keywords with their values; a keyword that is absent was not said.
pub type Means = BTreeMap<String, String>;

/// Keyword and environment variable of everything that both the driver and psql can be told.
pub const KEYWORDS: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("dbname", "PGDATABASE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcrl", "PGSSLCRL"),
    ("sslsni", "PGSSLSNI"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("sslcompression", "PGSSLCOMPRESSION"),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("require_auth", "PGREQUIREAUTH"),
    ("requirepeer", "PGREQUIREPEER"),
    ("gssencmode", "PGGSSENCMODE"),
    ("krbsrvname", "PGKRBSRVNAME"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    ("options", "PGOPTIONS"),
    ("application_name", "PGAPPNAME"),
    ("service", "PGSERVICE"),
    ("servicefile", "PGSERVICEFILE"),
    ("passfile", "PGPASSFILE"),
];

/// Keywords without a variable, and those that other tools put into the same URL: understood and left out.
const LEFT_OUT: &[&str] = &[
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "client_encoding",
    "fallback_application_name",
    "pgbouncer",
    "connection_limit",
    "pool_timeout",
    "statement_cache_size",
];

/// Takes a connection apart.
///
/// # Errors
/// [`crate::FailureKind::Usage`] that says what is wrong and where, never what the password is.
pub fn parse(text: &str, schemes: &[&str]) -> Result<Means, Failure> {
    let text = text.trim();
    match text.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) => url(rest),
        Some((scheme, _)) if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+') => {
            Err(wrong(format!("the scheme `{scheme}` is not one of {}", schemes.join(", "))))
        }
        _ if text.contains('=') => pairs(text),
        _ => Err(wrong("it is neither a URL nor `key=value` pairs")
            .hint(format!("write {}://user:password@host:5432/database", schemes[0]))),
    }
}

fn wrong(what: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("the connection cannot be understood: {what}"))
}

fn url(rest: &str) -> Result<Means, Failure> {
    let mut means = Means::new();
    let (before_query, query) = rest.split_once('?').map_or((rest, None), |(b, q)| (b, Some(q)));
    let (authority, path) = before_query.split_once('/').map_or((before_query, None), |(a, p)| (a, Some(p)));
    let strayed = |part: Option<&str>| part.is_some_and(|p| p.contains('@'));
    if !authority.contains('@') && (strayed(path) || query.is_some_and(|q| strayed(q.split('=').next()))) {
        return Err(wrong("its host cannot be told from its password")
            .hint("write `/`, `?`, `#` and `@` within a password as %2F, %3F, %23 and %40"));
    }
    let hosts = match authority.rsplit_once('@') {
        Some((who, hosts)) => {
            let (user, password) = who.split_once(':').map_or((who, None), |(u, p)| (u, Some(p)));
            set(&mut means, "user", &decode(user, "user")?);
            if let Some(password) = password {
                set(&mut means, "password", &decode(password, "password")?);
            }
            hosts
        }
        None => authority,
    };
    set_hosts(&mut means, hosts)?;
    set(&mut means, "dbname", &decode(path.unwrap_or_default(), "database")?);
    for pair in query.unwrap_or_default().split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| wrong("a parameter after `?` has no `=`"))?;
        let (name, value) = (decode(name, "parameter")?, decode(value, &format!("parameter `{name}`"))?);
        parameter(&mut means, &name, &value)?;
    }
    Ok(means)
}

fn set(means: &mut Means, name: &str, value: &str) {
    if !value.is_empty() {
        means.insert(name.to_owned(), value.to_owned());
    }
}

/// `a:1,b:2` and `[::1]:5432`.
fn set_hosts(means: &mut Means, hosts: &str) -> Result<(), Failure> {
    let mut names = Vec::new();
    let mut ports = Vec::new();
    for one in hosts.split(',') {
        let (name, port) = match one.strip_prefix('[') {
            Some(v6) => {
                let (name, rest) = v6.split_once(']').ok_or_else(|| wrong("an IPv6 address has no `]`"))?;
                (name, rest.strip_prefix(':').unwrap_or(rest))
            }
            None => one.split_once(':').unwrap_or((one, "")),
        };
        if !port.is_empty() && port.parse::<u16>().is_err() {
            return Err(wrong(format!("`{port}` is not a port")));
        }
        names.push(decode(name, "host")?);
        ports.push(port.to_owned());
    }
    if names.iter().any(|n| !n.is_empty()) {
        set(means, "host", &names.join(","));
    }
    if ports.iter().any(|p| !p.is_empty()) {
        set(means, "port", &ports.join(","));
    }
    Ok(())
}

/// One keyword of a URL's query, of `key=value` pairs or of a service file.
///
/// # Errors
/// A keyword that libpq does not know: it may be a misspelt `sslmode`, so it is not passed over.
pub fn parameter(means: &mut Means, name: &str, value: &str) -> Result<(), Failure> {
    match name {
        "ssl" if value == "true" || value == "1" => set(means, "sslmode", "require"),
        "database" => set(means, "dbname", value),
        _ if KEYWORDS.iter().any(|(known, _)| *known == name) => set(means, name, value),
        _ if LEFT_OUT.contains(&name) => {}
        _ => {
            let known = KEYWORDS.iter().map(|(known, _)| *known);
            let failure = wrong(format!("the parameter `{name}` is unknown"));
            return Err(match closest(name, known) {
                Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
                None => failure.hint("the parameters are those of libpq, such as sslmode, sslrootcert, options"),
            });
        }
    }
    Ok(())
}

/// Replaces `%2F` by what it stands for.
fn decode(text: &str, part: &str) -> Result<String, Failure> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first == b'%' {
            let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
            let byte = digits.and_then(|d| u8::from_str_radix(d, 16).ok()).filter(|b| *b != 0);
            bytes.push(byte.ok_or_else(|| {
                wrong(format!("a `%` in the {part} is not followed by two hexadecimal digits"))
                    .hint("write a `%` itself as %25")
            })?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong(format!("the {part} is not UTF-8")))
}

/// `host=db user='a b' password=it\'s`.
fn pairs(text: &str) -> Result<Means, Failure> {
    let mut means = Means::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| wrong("a keyword has no `=`"))?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong("a keyword has no `=`"));
        }
        let (value, after) = value(after.trim_start(), name)?;
        parameter(&mut means, name, &value)?;
        rest = after.trim_start();
    }
    Ok(means)
}

fn value<'a>(text: &'a str, name: &str) -> Result<(String, &'a str), Failure> {
    let (quoted, text) = text.strip_prefix('\'').map_or((false, text), |t| (true, t));
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { Err(wrong(format!("the value of `{name}` has no closing quote"))) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMES: &[&str] = &["postgres", "postgresql"];

    fn read(text: &str) -> String {
        match parse(text, SCHEMES) {
            Ok(means) => means.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" | "),
            Err(failure) => format!("{} / {}", failure.message, failure.hints.join(" / ")),
        }
    }

    #[test]
    fn connections_are_read_as_libpq_reads_them() {
        let table = [
            ("postgres://u:p@h:1/d", "dbname=d | host=h | password=p | port=1 | user=u"),
            ("postgresql://", ""),
            ("postgres:///d", "dbname=d"),
            ("postgres://h", "host=h"),
            ("postgres://u@/d?host=/run/pg", "dbname=d | host=/run/pg | user=u"),
            ("postgres://%2Frun%2Fpg/d", "dbname=d | host=/run/pg"),
            ("postgres://u:a%40b%2F@h/d%20e", "dbname=d e | host=h | password=a@b/ | user=u"),
            ("postgres://u:a@b@h/d", "dbname=d | host=h | password=a@b | user=u"),
            ("postgres://a:1,b:2,c/d", "dbname=d | host=a,b,c | port=1,2,"),
            ("postgres://[::1]:5433/d", "dbname=d | host=::1 | port=5433"),
            ("postgres://h/d?sslmode=verify-full&ssl=true", "dbname=d | host=h | sslmode=require"),
            ("postgres://h/d?pgbouncer=true", "dbname=d | host=h"),
            ("host=h user='a b' password=it\\'s  dbname = d", "dbname=d | host=h | password=it's | user=a b"),
            ("host=''", ""),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        let table = [
            ("mysql://u:hunter2@h/d", "the scheme `mysql` is not one of postgres, postgresql"),
            ("postgres://u:hunter2@h:x/d", "`x` is not a port"),
            ("postgres://u:hunter2/x@h/d", "its host cannot be told from its password"),
            ("postgres://u:hunter2%@h/d", "a `%` in the password is not followed by two hexadecimal digits"),
            ("postgres://u:hunter2@h/d?sslmod=x", "the parameter `sslmod` is unknown / did you mean `sslmode`?"),
            ("password='hunter2", "the value of `password` has no closing quote"),
            ("nonsense", "it is neither a URL nor `key=value` pairs"),
        ];
        for (text, expected) in table {
            let said = read(text);
            assert!(said.contains(expected) && !said.contains("hunter2"), "{text}: {said}");
        }
    }
}
