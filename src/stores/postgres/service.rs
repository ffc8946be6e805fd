//! Service files: connections that have a name.

use std::path::{Path, PathBuf};

use super::dsn::{self, Means};
use crate::config::Environment;
use crate::domain::Failure;

/// Adds what the named service says: it stands below the URL and above the environment.
///
/// # Errors
/// A service that is in no file; a line that cannot be understood, with its place.
pub fn add(means: &mut Means, variables: &Environment, home: Option<&Path>, root: &Path) -> Result<(), Failure> {
    let Some(service) = means.get("service").cloned().or_else(|| variables.get("PGSERVICE").map(str::to_owned)) else {
        return Ok(());
    };
    let named = means.get("servicefile").map(String::as_str).or(variables.get("PGSERVICEFILE"));
    let own = named.map(|file| root.join(file)).or_else(|| home.map(|h| h.join(".pg_service.conf")));
    let system = variables.get("PGSYSCONFDIR").unwrap_or("/etc/postgresql-common");
    let files: Vec<PathBuf> = own.into_iter().chain([Path::new(system).join("pg_service.conf")]).collect();
    for file in &files {
        let Ok(text) = std::fs::read_to_string(file) else { continue };
        if let Some(section) = section(&text, &service, file)? {
            for (keyword, value) in section {
                means.entry(keyword).or_insert(value);
            }
            return Ok(());
        }
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Err(Failure::usage(format!("the connection service `{service}` is in no service file"))
        .detail(format!("looked for in {}", files.join(" and ")))
        .hint("a service file has sections such as [name] with lines such as host=db"))
}

fn section(text: &str, service: &str, file: &Path) -> Result<Option<Means>, Failure> {
    let lines = text.lines().enumerate().map(|(n, l)| (n + 1, l.trim()));
    let mut lines = lines.filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
    if !lines.any(|(_, line)| line == format!("[{service}]")) {
        return Ok(None);
    }
    let mut means = Means::new();
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with('[')) {
        let place = |what: &str| Failure::usage(format!("{}:{number}: {what}", file.display()));
        let (keyword, value) = line.split_once('=').ok_or_else(|| place("a line without `=`"))?;
        dsn::parameter(&mut means, keyword.trim(), value.trim()).map_err(|f| place(&f.message))?;
    }
    Ok(Some(means))
}
