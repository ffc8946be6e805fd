//! A script as a process of its own: which program runs it, and what came of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use crate::config::Secret;
use crate::domain::Failure;
use crate::process::CommandLine;
use crate::stores::{Step, StepFailure};

/// The file that is run: the user's own, or a private copy of a text that is not, or not like this, on disk.
pub enum ScriptFile {
    /// The user's.
    Own(PathBuf),
    /// Ours; it goes when this does.
    Copy(TempPath),
}

impl ScriptFile {
    /// A byte order mark and CRLF are no part of a shell's language: such a file is run as a copy without them.
    ///
    /// # Errors
    /// A file that cannot be read, or a copy that cannot be written.
    pub fn of(step: &Step) -> Result<Self, Failure> {
        if let Some(file) = &step.file {
            let bytes = fs::read(file).map_err(|e| Failure::failed(format!("{} cannot be read: {e}", step.path)))?;
            if !bytes.starts_with("\u{feff}".as_bytes()) && !bytes.windows(2).any(|w| w == b"\r\n") {
                return Ok(Self::Own(file.clone()));
            }
        }
        let write = || -> std::io::Result<TempPath> {
            let end = format!(".{}", step.extension);
            let file = tempfile::Builder::new().prefix("stepladder-").suffix(&end).tempfile()?;
            fs::write(file.path(), step.text.replace("\r\n", "\n"))?;
            let mode = if step.text.starts_with("#!") { 0o700 } else { 0o600 };
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
            Ok(file.into_temp_path())
        };
        write().map(Self::Copy).map_err(|e| Failure::failed(format!("a temporary file cannot be written: {e}")))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(path) => path,
            Self::Copy(path) => path,
        }
    }
}

/// The command line of a script: itself where it has a run bit, else by its extension.
///
/// # Errors
/// Nothing here can run it.
pub fn command(
    step: &Step,
    path: &Path,
    root: &Path,
    environment: &[(String, Secret)],
) -> Result<CommandLine, Failure> {
    let runs_itself = fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o111 != 0);
    let mut line = match step.extension.as_str() {
        _ if runs_itself => CommandLine::new(path, step.path.clone()),
        // A shell goes on after a command that failed unless it is told not to.
        "sh" => interpreter("sh", step)?.arg("-e").arg(path),
        "py" => interpreter("python3", step)?.arg(path),
        other => {
            return Err(Failure::unreachable(format!(
                "{} cannot be run: it has no run bit, and nothing is known to run .{other}",
                step.path
            ))
            .hint(format!("`chmod +x {}`, with a first line such as `#!/usr/bin/env ruby`", step.path)));
        }
    };
    line.env.extend(environment.iter().cloned());
    let own = [
        ("STEPLADDER_STORE", step.store.clone()),
        ("STEPLADDER_VERSION", step.version.to_string()),
        ("STEPLADDER_DIRECTION", step.direction.word().to_owned()),
    ];
    line.env.extend(own.map(|(name, value)| (name.to_owned(), Secret::open(value))));
    line.folder = Some(root.to_owned());
    Ok(line)
}

fn interpreter(name: &str, step: &Step) -> Result<CommandLine, Failure> {
    let program = which::which(name)
        .map_err(|_| Failure::unreachable(format!("`{name}` was not found, and {} needs it", step.path)))?;
    Ok(CommandLine::new(program, name))
}

/// The same failure with the line that the script's interpreter named, and the user's path instead of a copy's.
pub fn placed(mut failure: StepFailure, step: &Step, path: &Path) -> StepFailure {
    let shown = path.to_string_lossy();
    failure.line = failure.message.lines().filter_map(|line| line_of(line, &shown)).next_back();
    failure.message = failure.message.replace(&*shown, &step.path).trim_end().to_owned();
    failure
}

/// `PATH: 3: ...` (dash), `PATH: line 3: ...` (bash), `File "PATH", line 3` (Python), `PATH:3:...` (Ruby and others).
fn line_of(said: &str, path: &str) -> Option<usize> {
    let after = &said[said.find(path)? + path.len()..];
    let number = after.trim_start_matches(['"', ',', ':', ' ']);
    let number = number.strip_prefix("line ").unwrap_or(number);
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    number[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_name_lines_in_their_own_ways() {
        for said in [
            "/p/x.sh: 3: cannot open y",
            "/p/x.sh: line 3: y: not found",
            "  File \"/p/x.sh\", line 3, in f",
            "/p/x.sh:3:in f",
        ] {
            assert_eq!(line_of(said, "/p/x.sh"), Some(3), "{said}");
        }
        assert_eq!(line_of("/p/x.sh: no such file", "/p/x.sh"), None);
        assert_eq!(line_of("something else: 3", "/p/x.sh"), None);
    }
}
