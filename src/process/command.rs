//! A command line is a value: built by pure functions, shown by a dry run, run in one place.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::Secret;

/// A client's command line with the environment that it gets on top of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The program, as found.
    pub program: PathBuf,
    /// What a person would type for it, such as `psql`.
    pub shown: String,
    /// Its arguments. No secret stands here.
    pub args: Vec<OsString>,
    /// Variables added to the environment.
    pub env: Vec<(String, Secret)>,
    /// Variables taken out of the environment.
    pub without: Vec<&'static str>,
    /// The folder it is started in.
    pub folder: Option<PathBuf>,
    /// Whether its standard error goes where its standard output goes, so that their order is kept.
    pub merged: bool,
}

impl CommandLine {
    /// A command line without arguments.
    pub fn new(program: impl Into<PathBuf>, shown: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            shown: shown.into(),
            args: Vec::new(),
            env: Vec::new(),
            without: Vec::new(),
            folder: None,
            merged: false,
        }
    }

    /// The same with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// The same with more arguments.
    #[must_use]
    pub fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.env.push((name.into(), value));
        self
    }
}

/// As a shell would take it, secrets as `***`.
impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.env {
            match value.is_open() {
                true => write!(f, "{name}={} ", shell_words::quote(value.reveal()))?,
                false => write!(f, "{name}=*** ")?,
            }
        }
        write!(f, "{}", shell_words::quote(&self.shown))?;
        for arg in &self.args {
            write!(f, " {}", shell_words::quote(&arg.to_string_lossy()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_as_a_shell_takes_it_without_its_secrets() {
        let line = CommandLine::new("/usr/lib/postgresql/15/bin/psql", "psql")
            .args(["--no-psqlrc", "--set=a b"])
            .env("PGHOST", Secret::open("db"))
            .env("PGPASSWORD", Secret::new("hunter2"));
        assert_eq!(line.to_string(), "PGHOST=db PGPASSWORD=*** psql --no-psqlrc '--set=a b'");
        assert!(!format!("{line:?}").contains("hunter2"));
    }
}
