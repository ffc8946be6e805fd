//! One cypher-shell: started, and given all its text at once.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::endpoint::Endpoint;
use super::talk::{Talk, Talked};
use super::{jvm, trust_store};
use crate::config::Secret;
use crate::domain::Failure;
use crate::process::{CommandLine, Running, pipes};
use crate::stores::Settings;

/// Bytes of the longest line that is read as one.
const LONGEST: usize = 1 << 20;
/// How long a shell may wait for its text.
const FRESH: Duration = Duration::from_secs(30);

/// The command line that reads statements from its standard input, in a JVM that trusts the certificates of a key store.
pub fn command(program: PathBuf, endpoint: &Endpoint, settings: &Settings, store: Option<&Path>) -> CommandLine {
    let mut line = CommandLine::new(program, "cypher-shell").args([
        "--address",
        &endpoint.uri(),
        "--format",
        "plain",
        "--non-interactive",
        "--fail-fast",
    ]);
    if let Some(database) = &endpoint.database {
        line = line.args(["--database", database]);
    }
    let login = endpoint.environment().into_iter().filter(|(name, _)| name.ends_with("NAME") || name.ends_with("WORD"));
    line.env = login.collect();
    // Java reads its input in the locale's encoding.
    line.env.push(("LC_ALL".to_owned(), Secret::open("C.UTF-8")));
    line.env.push(("NEO4J_CYPHER_SHELL_HISTORY".to_owned(), Secret::open("disable")));
    // What the environment says has been resolved.
    line.without = ["NEO4J_URI", "NEO4J_ADDRESS", "NEO4J_DATABASE", "NEO4J_USERNAME", "NEO4J_PASSWORD"]
        .into_iter()
        .filter(|name| !line.env.iter().any(|(said, _)| said == name))
        .collect();
    let options = jvm::options(settings.variables.get(jvm::VARIABLE), store);
    line.env.push((jvm::VARIABLE.to_owned(), Secret::open(options)));
    line.folder = Some(settings.root.clone());
    line
}

/// A shell that was started and waits for its text.
pub struct Shell {
    running: Running,
    /// What its JVM trusts; the file stays until the shell has ended.
    store: Option<NamedTempFile>,
    since: Instant,
}

impl Shell {
    /// Starts one.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: PathBuf, endpoint: &Endpoint, settings: &Settings) -> Result<Self, Failure> {
        let certificates = endpoint.certificates();
        let store = (!certificates.is_empty()).then(|| trust_store::file(certificates)).transpose();
        let store = store.map_err(|e| Failure::failed(format!("the client's trust store cannot be written: {e}")))?;
        let line = command(program, endpoint, settings, store.as_ref().map(NamedTempFile::path));
        let running =
            Running::start(&line).map_err(|e| Failure::unreachable(format!("cypher-shell cannot be started: {e}")))?;
        Ok(Self { running, store, since: Instant::now() })
    }

    /// Whether the connection that it made can be relied upon: what has been idle for long may have been cut.
    pub fn is_fresh(&self) -> bool {
        self.since.elapsed() < FRESH
    }

    /// Gives it its text and listens until it has done everything, or ends.
    ///
    /// # Errors
    /// Waiting for its end failed.
    pub fn talk(mut self, text: String, talk: Talk<'_>, ask_to_stop: &mut dyn FnMut()) -> std::io::Result<Talked> {
        let output = pipes::listen(&mut self.running, LONGEST);
        if let Some(mut stdin) = self.running.stdin.take() {
            thread::spawn(move || {
                // A client that has gone says so through its end.
                let _ = stdin.write_all(text.as_bytes());
            });
        }
        let steps = talk.steps.len();
        let mut talked = talk.listen(&self.running, &output, ask_to_stop);
        let Self { running, store, .. } = self;
        if talked.done == steps {
            // It has nothing left to do, and takes a fifth of a second to go.
            thread::spawn(move || drop(running));
            return Ok(talked);
        }
        talked.finished = running.finish()?;
        talked.finished.stderr = jvm::without_echo(&talked.finished.stderr);
        drop(store);
        Ok(talked)
    }
}
