//! Java's properties files, which Kafka's own tools take with `--command-config`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::endpoint::Login;
use super::wire::sasl::Mechanism;
use super::wire::tls::Wanted;
use crate::config::Secret;
use crate::domain::Failure;

/// Names and values of a properties file.
pub type Properties = BTreeMap<String, String>;

/// Reads `name=value` lines as `java.util.Properties` does.
pub fn parse(text: &str) -> Properties {
    let mut properties = Properties::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut line = line.trim_start().to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while line.len() - line.trim_end_matches('\\').len() & 1 == 1 {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start());
        }
        let (name, value) = split(&line);
        properties.insert(unescaped(name), unescaped(value));
    }
    properties
}

/// At the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|(_, c)| {
        let ends = !escaped && matches!(c, '=' | ':' | ' ' | '\t');
        escaped = *c == '\\' && !escaped;
        ends
    });
    let Some((at, _)) = end else { return (line, "") };
    let value = line[at..].trim_start();
    (&line[..at], value.strip_prefix(['=', ':']).unwrap_or(value).trim_start())
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('u') => {
                    let code: String = chars.by_ref().take(4).collect();
                    out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                }
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// A name or value as a properties file holds it: ASCII, one line.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}

/// The text of a file that gives Kafka's tools this login and this TLS.
pub fn write(login: Option<(&Login, Mechanism)>, tls: Option<&Wanted>) -> String {
    let mut lines = Vec::new();
    let mut set = |name: &str, value: &str| lines.push(format!("{name}={}\n", escaped(value)));
    set(
        "security.protocol",
        match (login.is_some(), tls.is_some()) {
            (false, false) => "PLAINTEXT",
            (false, true) => "SSL",
            (true, false) => "SASL_PLAINTEXT",
            (true, true) => "SASL_SSL",
        },
    );
    if let Some((login, mechanism)) = login {
        let module = match mechanism {
            Mechanism::Plain => "plain.PlainLoginModule",
            _ => "scram.ScramLoginModule",
        };
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        set("sasl.mechanism", mechanism.name());
        set(
            "sasl.jaas.config",
            &format!(
                "org.apache.kafka.common.security.{module} required username=\"{}\" password=\"{}\";",
                quoted(&login.user),
                quoted(login.password.reveal())
            ),
        );
    }
    if let Some(tls) = tls {
        let mut file = |what: &str, path: &Path| {
            set(&format!("ssl.{what}.type"), "PEM");
            set(&format!("ssl.{what}.location"), &path.to_string_lossy());
        };
        if let Some(path) = &tls.roots {
            file("truststore", path);
        }
        if let Some(path) = &tls.identity {
            file("keystore", path);
        }
        if tls.any_name {
            set("ssl.endpoint.identification.algorithm", "");
        }
    }
    lines.concat()
}

/// Login and TLS of a client properties file. `folder` is what its paths are relative to.
///
/// # Errors
/// A way in that is not understood here.
pub fn way_in(properties: &Properties, folder: &Path) -> Result<(Option<Login>, Option<Wanted>), Failure> {
    let get = |name: &str| properties.get(name).map(|v| v.trim()).filter(|v| !v.is_empty());
    let protocol = get("security.protocol").unwrap_or("PLAINTEXT").to_ascii_uppercase();
    let (sasl, ssl) = match protocol.as_str() {
        "PLAINTEXT" => (false, false),
        "SSL" => (false, true),
        "SASL_PLAINTEXT" => (true, false),
        "SASL_SSL" => (true, true),
        other => return Err(Failure::usage(format!("security.protocol={other} is none of Kafka's"))),
    };
    let login =
        if sasl { Some(login(get("sasl.mechanism").unwrap_or("GSSAPI"), get("sasl.jaas.config"))?) } else { None };
    let store = |what: &str| -> Result<Option<PathBuf>, Failure> {
        let Some(path) = get(&format!("ssl.{what}.location")) else { return Ok(None) };
        match get(&format!("ssl.{what}.type")).unwrap_or("JKS").eq_ignore_ascii_case("PEM") {
            true => Ok(Some(folder.join(path))),
            false => {
                Err(Failure::usage(format!("ssl.{what}.location is a Java key store, which the ledger cannot read"))
                    .hint(format!("export it as PEM and set ssl.{what}.type=PEM; Kafka's own tools take that too")))
            }
        }
    };
    let tls = match ssl {
        false => None,
        true => Some(Wanted {
            roots: store("truststore")?,
            identity: store("keystore")?,
            any_name: properties.get("ssl.endpoint.identification.algorithm").is_some_and(|v| v.trim().is_empty()),
        }),
    };
    Ok((login, tls))
}

fn login(mechanism: &str, jaas: Option<&str>) -> Result<Login, Failure> {
    let known = Mechanism::of(mechanism).ok_or_else(|| {
        Failure::usage(format!("sasl.mechanism={mechanism} is not understood")).hint("PLAIN and SCRAM are")
    })?;
    let jaas = jaas.ok_or_else(|| Failure::usage("the client properties want a login and have no sasl.jaas.config"))?;
    let words = shell_words::split(jaas.trim().trim_end_matches(';'));
    let words = words.map_err(|_| Failure::usage("sasl.jaas.config cannot be understood"))?;
    let get = |name: &str| words.iter().find_map(|w| w.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
    match (get("username"), get("password")) {
        (Some(user), Some(password)) => Ok(Login { user, password: Secret::new(password), mechanism: Some(known) }),
        _ => Err(Failure::usage("sasl.jaas.config has no username and password")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_java_reads_it() {
        let text = "# c\n! c\n a = b c \nd:e\nf g\nh=one \\\n   two\ni=\\u00e9\\\\\nj\\=k=l\n";
        let expected = [("a", "b c "), ("d", "e"), ("f", "g"), ("h", "one two"), ("i", "é\\"), ("j=k", "l")];
        assert_eq!(parse(text), expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let password = Secret::new("pä\"ss\\w 🪜;");
        let login = Login { user: "us\"er".to_owned(), password, mechanism: Some(Mechanism::Scram256) };
        let tls = Wanted { roots: Some("/a b/ca.pem".into()), any_name: true, identity: None };
        let text = write(Some((&login, Mechanism::Scram256)), Some(&tls));
        assert!(text.is_ascii(), "{text}");
        assert_eq!(way_in(&parse(&text), Path::new("/x")).unwrap(), (Some(login), Some(tls)));
        assert_eq!(way_in(&parse(&write(None, None)), Path::new("/x")).unwrap(), (None, None));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let wrong = |text: &str| way_in(&parse(text), Path::new("/")).unwrap_err().message;
        assert!(wrong("security.protocol=SSL\nssl.truststore.location=a.jks").contains("key store"));
        assert!(wrong("security.protocol=SASL_SSL\nsasl.mechanism=GSSAPI").contains("GSSAPI"));
        assert!(wrong("security.protocol=X").contains("none of Kafka's"));
    }
}
