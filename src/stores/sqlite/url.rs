//! Where a database is: the forms in which people write it, and what SQLite is given to open.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::domain::Failure;

/// A database file with the parameters of its URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The file, absolute.
    pub path: PathBuf,
    /// As a person would write it: relative to the project where it lies inside.
    pub shown: String,
    /// Whether it may be written and created.
    pub access: Access,
    /// The URI's parameters but for `mode`.
    query: Vec<(String, String)>,
}

/// What `?mode=` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// `ro`.
    ReadOnly,
    /// `rw`: it has to be there.
    Existing,
    /// `rwc`, or nothing said.
    Create,
}

impl Location {
    /// Understands `sqlite:path`, `sqlite://path`, `sqlite:///absolute`, `file:path` and a plain path.
    pub fn parse(url: &str, root: &Path) -> Result<Self, Failure> {
        let (path, query) = split(url)?;
        let mut access = Access::Create;
        let mut rest = Vec::new();
        for (name, value) in query {
            match (name.as_str(), value.as_str()) {
                ("mode", "ro") => access = Access::ReadOnly,
                ("mode", "rw") => access = Access::Existing,
                ("mode", "rwc") => access = Access::Create,
                ("mode", "memory") | ("vfs", "memdb") => return Err(in_memory()),
                ("mode", other) => {
                    return Err(Failure::usage(format!("`mode={other}` is no way to open a SQLite database"))
                        .hint("SQLite knows mode=ro, mode=rw and mode=rwc"));
                }
                _ => rest.push((name, value)),
            }
        }
        if path == ":memory:" {
            return Err(in_memory());
        }
        if path.is_empty() {
            return Err(Failure::usage("the SQLite URL names no file").hint(EXAMPLE));
        }
        let path = root.join(path);
        let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        Ok(Self { path, shown, access, query: rest })
    }

    /// What SQLite is given to open: the path alone, or a URI where there are parameters.
    pub fn uri(&self, further: &[(&str, &str)]) -> PathBuf {
        let own = self.query.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let parameters: Vec<_> = own.chain(further.iter().copied()).collect();
        if parameters.is_empty() {
            return self.path.clone();
        }
        let mut uri = String::from("file:");
        encode(&mut uri, self.path.as_os_str().as_encoded_bytes());
        for (index, (name, value)) in parameters.into_iter().enumerate() {
            uri.push(if index == 0 { '?' } else { '&' });
            encode(&mut uri, name.as_bytes());
            uri.push('=');
            encode(&mut uri, value.as_bytes());
        }
        uri.into()
    }

    /// As a URL that means the same file from everywhere, for programs that are given it.
    pub fn url(&self) -> String {
        let mut url = String::from("sqlite://");
        encode(&mut url, self.path.as_os_str().as_encoded_bytes());
        url
    }

    /// A file beside the database: `-wal`, `-shm`, `-journal`.
    pub fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }
}

const EXAMPLE: &str = "for example sqlite:app.db, or sqlite:///var/lib/app/app.db";

fn in_memory() -> Failure {
    Failure::usage("a SQLite database in memory ends with this process, and its migrations with it")
        .hint(format!("name a file, {EXAMPLE}"))
}

type Parts = (String, Vec<(String, String)>);

fn split(url: &str) -> Result<Parts, Failure> {
    let scheme = ["sqlite:", "sqlite3:", "file:"]
        .into_iter()
        .find(|s| url.get(..s.len()).is_some_and(|start| start.eq_ignore_ascii_case(s)));
    let Some(scheme) = scheme else {
        return match foreign_scheme(url) {
            Some(other) => Err(Failure::usage(format!("`{other}` is no URL of a SQLite database")).hint(EXAMPLE)),
            // A plain path is taken as it is, question marks and percent signs included.
            None => Ok((url.to_owned(), Vec::new())),
        };
    };
    let mut rest = &url[scheme.len()..];
    if scheme == "file:"
        && let Some((before, _fragment)) = rest.split_once('#')
    {
        rest = before;
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("//").unwrap_or(path);
    let path = match path.strip_prefix("localhost/") {
        Some(absolute) if scheme == "file:" => format!("/{absolute}"),
        _ => path.to_owned(),
    };
    let pairs = query.split('&').filter(|p| !p.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    });
    Ok((decode(&path), pairs.collect()))
}

/// `postgres://` in `postgres://host/name`.
fn foreign_scheme(url: &str) -> Option<&str> {
    let end = url.find("://")?;
    let is_scheme = end > 0 && url[..end].bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    is_scheme.then(|| &url[..end + 3])
}

/// Replaces each `%HH`; a percent sign without two digits stands for itself, as in SQLite.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|d| std::str::from_utf8(d).ok());
        match digits.filter(|d| bytes[at] == b'%' && d.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(digits) => {
                out.push(u8::from_str_radix(digits, 16).unwrap_or(b'%'));
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn encode(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Location {
        Location::parse(url, Path::new("/project")).unwrap()
    }

    #[test]
    fn every_form_names_the_same_file() {
        for url in
            ["sqlite:data/app.db", "sqlite://data/app.db", "file:data/app.db", "data/app.db", "SQLite:data/app.db"]
        {
            let location = parse(url);
            assert_eq!(location.path, Path::new("/project/data/app.db"), "{url}");
            assert_eq!(location.shown, "data/app.db", "{url}");
            assert_eq!(location.uri(&[]), Path::new("/project/data/app.db"), "{url}");
        }
        for url in ["sqlite:/srv/app.db", "sqlite:///srv/app.db", "file:///srv/app.db", "file://localhost/srv/app.db"] {
            assert_eq!(parse(url).path, Path::new("/srv/app.db"), "{url}");
            assert_eq!(parse(url).shown, "/srv/app.db", "{url}");
        }
    }

    #[test]
    fn parameters_go_to_sqlite_and_mode_stays_here() {
        let location = parse("sqlite:a%20b?c.db?mode=ro&vfs=unix-dotfile");
        assert_eq!(location.path, Path::new("/project/a b"));
        let location = parse("sqlite:a%20b%3F.db?mode=ro&vfs=unix-dotfile");
        assert_eq!(location.access, Access::ReadOnly);
        assert_eq!(location.path, Path::new("/project/a b?.db"));
        assert_eq!(location.uri(&[]), Path::new("file:/project/a%20b%3F.db?vfs=unix-dotfile"));
        assert_eq!(parse("x?y%20.db").path, Path::new("/project/x?y%20.db"));
        assert_eq!(parse("sqlite:100%.db").path, Path::new("/project/100%.db"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for url in ["sqlite::memory:", ":memory:", "sqlite:x?mode=memory", "file:x?vfs=memdb"] {
            let failure = Location::parse(url, Path::new("/")).unwrap_err();
            assert!(failure.message.contains("in memory"), "{url}: {failure}");
        }
        for url in ["", "sqlite:", "sqlite://", "sqlite:?mode=ro", "postgres://h/d", "sqlite:x?mode=fast"] {
            let failure = Location::parse(url, Path::new("/")).unwrap_err();
            assert_eq!(failure.kind, crate::FailureKind::Usage, "{url}");
        }
    }
}
