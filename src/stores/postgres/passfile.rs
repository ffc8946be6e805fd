//! The password file, as libpq reads it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A password file: what it holds, or why it is not used.
#[derive(Clone, Debug)]
pub struct Passfile {
    /// Where it is.
    pub path: PathBuf,
    lines: Result<Vec<Vec<String>>, String>,
}

impl Passfile {
    /// The file that was named, else the one in the user's home; none where there is neither.
    pub fn of(named: Option<PathBuf>, home: Option<&Path>) -> Option<Self> {
        if let Some(path) = named {
            return Some(Self { lines: read(&path), path });
        }
        let path = home?.join(".pgpass");
        path.exists().then(|| Self { lines: read(&path), path })
    }

    /// The password of the first line that matches host, port, database and user.
    pub fn password(&self, wanted: [&str; 4]) -> Option<String> {
        let lines = self.lines.as_ref().ok()?;
        let matches = |fields: &&Vec<String>| fields.iter().zip(wanted).all(|(f, w)| f == "*" || f == w);
        lines.iter().find(matches).and_then(|fields| fields.last()).cloned()
    }

    /// Why it is not used.
    pub fn unused(&self) -> Option<&str> {
        self.lines.as_ref().err().map(String::as_str)
    }
}

/// A file that others may read is not used, as in libpq.
fn read(path: &Path) -> Result<Vec<Vec<String>>, String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).map_err(|e| format!("the password file {shown} cannot be read: {e}"))?;
    if !metadata.is_file() {
        return Err(format!("{shown} is not used as a password file: it is no plain file"));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(format!("the password file {shown} is not used: others may read it; `chmod 0600 {shown}`"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("the password file {shown} cannot be read: {e}"))?;
    Ok(text.lines().filter(|l| !l.starts_with('#')).map(fields).filter(|f| f.len() == 5).collect())
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

    #[test]
    fn the_first_line_that_matches_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        std::fs::write(&path, "# db:*:*:*:no\ndb:1\ndb:5432:*:u:a\\:b:c\r\n*:*:*:*:any\n").unwrap();
        let password = |wanted| Passfile::of(Some(path.clone()), None).and_then(|file| file.password(wanted));
        let close = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        close(0o600);
        assert_eq!(password(["db", "5432", "shop", "u"]).as_deref(), Some("a:b:c"));
        assert_eq!(password(["db", "5433", "shop", "u"]).as_deref(), Some("any"));
        close(0o640);
        assert_eq!(password(["db", "5432", "shop", "u"]), None);
    }
}
