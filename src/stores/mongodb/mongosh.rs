//! One mongosh at work: scripts are handed to it one after the other, and what it answers is heard.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::endpoint::Endpoint;
use super::script;
use crate::domain::Failure;
use crate::process::dialogue::{Dialogue, Heard};
use crate::process::program::Ended;
use crate::process::{CommandLine, Finished};
use crate::stores::{Client, Settings, Step, Stop};

/// What mongosh requires.
const DRIVER: &str = include_str!("driver.js");
/// What it loads, and rewrites: as little as can be. `await` is put in where it is missing.
const BOOT: &str =
    "(async () => { await require(__dirname + '/driver.js')({ world: globalThis, load, connect, version }); })();\n";

/// The oldest mongosh that is understood.
pub const OLDEST: &str = "2.0";

/// Finds the shell: the configured one, or the first on the search path.
///
/// # Errors
/// None is found.
pub fn find(card: &Client, settings: &Settings, needed_by: Option<&str>) -> Result<PathBuf, Failure> {
    let configured = settings.client.as_deref().map(|named| match named.contains('/') {
        true => settings.root.join(named).to_string_lossy().into_owned(),
        false => named.to_owned(),
    });
    crate::process::find::client(card, configured.as_deref(), &settings.name, needed_by)
}

/// The command line that loads the driver, which reads the connection and the scripts from its standard input.
pub fn command(program: PathBuf, boot: &Path, settings: &Settings) -> CommandLine {
    // No configuration of the user's runs, and no server is connected to before the driver does.
    let mut line =
        CommandLine::new(program, "mongosh").args(["--quiet", "--norc", "--nodb", "--file"]).arg(boot.as_os_str());
    line.folder = Some(settings.root.clone());
    line.merged = true;
    line
}

/// What mongosh said about a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The line in the script.
    pub line: Option<usize>,
    /// The error, with its place.
    pub text: String,
}

/// How mongosh answered.
pub enum Said {
    /// It is ready, or has done what it was told.
    Well,
    /// It cannot go on at all.
    Fault(String),
    /// It is too old: its version.
    Old(String),
    /// The script is wrong.
    Wrong(Trouble),
    /// It was ended, or ended by itself.
    Gone(Option<Ended>),
}

/// A mongosh that waits for scripts.
pub struct Mongosh {
    dialogue: Dialogue,
    folder: TempDir,
    ready: bool,
    loaded: usize,
}

impl Mongosh {
    /// Starts it. It gets ready while we do something else.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(program: PathBuf, settings: &Settings, endpoint: &Endpoint) -> io::Result<Self> {
        // Nobody else may read what is in there: scripts may hold what is secret.
        let folder = tempfile::Builder::new().prefix("stepladder-").tempdir()?;
        let boot = folder.path().join("boot.js");
        fs::write(folder.path().join("driver.js"), DRIVER)?;
        fs::write(&boot, BOOT)?;
        let mut line = command(program, &boot, settings);
        line.env = endpoint.environment();
        let mark = crate::process::identity::token();
        let dialogue = Dialogue::start(&line, &mark)?;
        dialogue.order(&json!({ "mark": mark, "url": endpoint.url().reveal(), "database": endpoint.database }));
        Ok(Self { dialogue, folder, ready: false, loaded: 0 })
    }

    /// Has a script checked; nothing of it runs.
    pub fn load(&mut self, step: &Step, root: &Path, stop: &Stop) -> Said {
        self.loaded += 1;
        let file = self.folder.path().join(format!("script-{}.js", self.loaded));
        self.dialogue.order(&load(step, root, &file));
        if !self.ready {
            match self.hear(None, stop) {
                Said::Well => self.ready = true,
                other => return other,
            }
        }
        self.dialogue.printed.clear();
        self.hear(None, stop)
    }

    /// Runs the script that was loaded.
    pub fn run(&mut self, timeout: Option<Duration>, stop: &Stop) -> Said {
        self.dialogue.order(&json!({ "do": "run" }));
        self.hear(timeout, stop)
    }

    /// What the script at hand printed.
    pub fn printed(&mut self) -> String {
        std::mem::take(&mut self.dialogue.printed)
    }

    /// Ends it, and says how it ended.
    ///
    /// # Errors
    /// Waiting failed.
    pub fn finish(&mut self) -> io::Result<Finished> {
        self.dialogue.finish()
    }

    fn hear(&mut self, timeout: Option<Duration>, stop: &Stop) -> Said {
        let (word, what) = match self.dialogue.hear(timeout, stop) {
            Heard::Gone(ended) => return Said::Gone(ended),
            Heard::Answer(word, what) => (word, what),
        };
        let text = |key: &str| what[key].as_str().unwrap_or_default().to_owned();
        match word.as_str() {
            "ready" | "loaded" | "done" => Said::Well,
            "fault" if what["old"].is_string() => Said::Old(text("old")),
            "fault" => Said::Fault(text("text")),
            _ => Said::Wrong(Trouble {
                line: what["line"].as_u64().and_then(|n| usize::try_from(n).ok()),
                text: text("text"),
            }),
        }
    }
}

/// The order that hands a script over.
fn load(step: &Step, root: &Path, file: &Path) -> Value {
    let source = match &step.file {
        Some(file) => file.clone(),
        None => root.join(&step.path),
    };
    // A name that no script has, and that the rewriting leaves alone.
    let mark = format!("__stepladder_{}", crate::process::identity::token());
    json!({
        "do": "load",
        "path": step.path,
        "file": file.to_string_lossy(),
        "source": source.to_string_lossy(),
        "text": &*step.text,
        "marked": script::marked(&step.text, &mark),
        "mark": mark,
        "environment": {
            "STEPLADDER_STORE": step.store,
            "STEPLADDER_VERSION": step.version.to_string(),
            "STEPLADDER_DIRECTION": step.direction.word(),
        },
    })
}
