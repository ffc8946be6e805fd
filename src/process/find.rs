//! Finding a client program.

use std::path::{Path, PathBuf};

use crate::domain::Failure;
use crate::stores::Client;

/// Finds a client: the configured one, or the first of the card's programs on the search path.
///
/// # Errors
/// [`crate::FailureKind::Unreachable`] that names the program, the script that needs it and how to install it.
pub fn client(
    card: &Client,
    configured: Option<&str>,
    section: &str,
    needed_by: Option<&str>,
) -> Result<PathBuf, Failure> {
    let found = match configured {
        Some(path) => which::which(path).ok(),
        None => card.programs.iter().find_map(|program| which::which(program).ok()).map(behind_wrapper),
    };
    found.ok_or_else(|| {
        let program = configured.unwrap_or(card.programs[0]);
        let needs = needed_by.map(|n| format!(", and {n} needs it")).unwrap_or_default();
        Failure::unreachable(format!("`{program}` was not found{needs}")).hint(format!(
            "{} · or set `client = \"/path/to/{}\"` under [stores.{section}]",
            card.install, card.programs[0]
        ))
    })
}

/// Debian's `/usr/bin/psql` is a Perl script that costs 20 ms a start; the real program lies beside the server's.
fn behind_wrapper(found: PathBuf) -> PathBuf {
    let is_wrapper = std::fs::canonicalize(&found).is_ok_and(|p| p.ends_with("postgresql-common/pg_wrapper"));
    if !is_wrapper {
        return found;
    }
    let name = found.file_name().unwrap_or_default().to_owned();
    newest_of(Path::new("/usr/lib/postgresql"), &name).unwrap_or(found)
}

fn newest_of(folder: &Path, program: &std::ffi::OsStr) -> Option<PathBuf> {
    let versions = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, path)| (version, path.join("bin").join(program)))
        .filter(|(_, path)| path.is_file())
        .max_by_key(|(version, _)| *version)
        .map(|(_, path)| path)
}
