//! One Python at work: scripts are handed to it one after the other, and what it answers is heard.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::endpoint::Endpoint;
use crate::config::Environment;
use crate::domain::Failure;
use crate::process::dialogue::{Dialogue, Heard};
use crate::process::program::Ended;
use crate::process::{CommandLine, Finished};
use crate::stores::{Client, Context, Settings, Step};

/// What Python runs; it comes through its standard input.
pub const DRIVER: &str = include_str!("driver.py");
/// Reads as many bytes as a first line says, and runs them.
const BOOT: &str = "import os; orders = os.fdopen(os.dup(0), 'rb'); \
                    exec(compile(orders.read(int(orders.readline())), 'stepladder', 'exec'))";

/// Finds the interpreter: the configured one, that of the active virtual environment, of `.venv` beside the project,
/// or the first on the search path.
///
/// # Errors
/// None is found.
pub fn find(card: &Client, settings: &Settings, needed_by: Option<&str>) -> Result<PathBuf, Failure> {
    let configured = settings.client.as_deref().map(|named| match named.contains('/') {
        true => settings.root.join(named).to_string_lossy().into_owned(),
        false => named.to_owned(),
    });
    if configured.is_none()
        && let Some(found) = virtual_environment(&settings.variables, &settings.root)
    {
        return Ok(found);
    }
    crate::process::find::client(card, configured.as_deref(), &settings.name, needed_by)
}

fn virtual_environment(variables: &Environment, root: &Path) -> Option<PathBuf> {
    let active = variables.get("VIRTUAL_ENV").map(PathBuf::from);
    let folders = active.into_iter().chain([".venv", "venv"].map(|name| root.join(name)));
    folders.map(|folder| folder.join("bin/python3")).find(|program| program.is_file())
}

/// The command line that reads the driver, the connection and the scripts from its standard input.
pub fn command(program: PathBuf, settings: &Settings, endpoint: &Endpoint) -> CommandLine {
    // Nothing is written beside the scripts, prints are seen when they happen, and text is UTF-8 wherever we run.
    let mut line = CommandLine::new(program, "python3").args(["-u", "-B", "-X", "utf8", "-c", BOOT]);
    line.env = endpoint.environment();
    line.folder = Some(settings.root.clone());
    line.merged = true;
    line
}

/// What Python said about a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The line in the script.
    pub line: Option<usize>,
    /// The traceback.
    pub text: String,
    /// What the script gave to `sys.exit`, when it called it.
    pub exit: Option<String>,
}

/// How Python answered.
pub enum Said {
    /// It is ready, or has done what it was told.
    Well,
    /// It cannot go on at all: the message, and whether its chromadb package is missing; with its own path.
    Fault {
        /// Whether there is no chromadb package.
        missing: bool,
        /// The interpreter.
        python: String,
        /// What it said.
        text: String,
    },
    /// The script is wrong.
    Wrong(Trouble),
    /// Python was ended, or ended by itself.
    Gone(Option<Ended>),
}

/// A Python that waits for scripts.
pub struct Python {
    dialogue: Dialogue,
    ready: bool,
}

impl Python {
    /// Starts it. It gets ready while we do something else.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(line: &CommandLine, endpoint: &Endpoint) -> std::io::Result<Self> {
        let mark = crate::process::identity::token();
        let dialogue = Dialogue::start(line, &mark)?;
        let headers: BTreeMap<&str, String> =
            endpoint.headers().iter().map(|(name, value)| (*name, value.reveal().to_owned())).collect();
        let config = json!({
            "mark": mark,
            "host": endpoint.base(),
            "headers": headers,
            "tenant": endpoint.tenant,
            "database": endpoint.database,
        });
        dialogue.say(format!("{}\n{DRIVER}{config}\n", DRIVER.len()));
        Ok(Self { dialogue, ready: false })
    }

    /// Has a script compiled; nothing of it runs.
    pub fn load(&mut self, step: &Step, root: &Path, context: &Context<'_>) -> Said {
        self.dialogue.order(&load(step, root));
        if !self.ready {
            match self.hear(None, context) {
                Said::Well => self.ready = true,
                other => return other,
            }
        }
        self.dialogue.printed.clear();
        self.hear(None, context)
    }

    /// Runs the script that was loaded.
    pub fn run(&mut self, timeout: Option<Duration>, context: &Context<'_>) -> Said {
        self.dialogue.order(&json!({ "do": "run" }));
        self.hear(timeout, context)
    }

    /// What was printed since somebody asked.
    pub fn printed(&mut self) -> String {
        std::mem::take(&mut self.dialogue.printed)
    }

    /// Ends it, and says how it ended. What a script left for the interpreter's end may take a moment, and no longer.
    ///
    /// # Errors
    /// Waiting failed.
    pub fn finish(&mut self) -> std::io::Result<Finished> {
        self.dialogue.finish()
    }

    /// Waits for the next answer.
    fn hear(&mut self, timeout: Option<Duration>, context: &Context<'_>) -> Said {
        let (word, what) = match self.dialogue.hear(timeout, context.stop) {
            Heard::Answer(word, what) => (word, what),
            Heard::Gone(ended) => return Said::Gone(ended),
        };
        let text = |key: &str| what[key].as_str().unwrap_or_default().to_owned();
        match word.as_str() {
            "ready" | "loaded" | "done" => Said::Well,
            "fault" => Said::Fault {
                missing: what["missing"].as_bool().unwrap_or(false),
                python: text("python"),
                text: text("text"),
            },
            _ => Said::Wrong(Trouble {
                line: what["line"].as_u64().and_then(|n| usize::try_from(n).ok()),
                text: text("text"),
                exit: what["exit"].as_bool().filter(|e| *e).map(|_| text("code")),
            }),
        }
    }
}

/// The order that hands a script over.
fn load(step: &Step, root: &Path) -> Value {
    let from_ledger = step.path.starts_with("ledger:");
    let file = match &step.file {
        Some(file) => file.clone(),
        None if from_ledger => PathBuf::from(&step.path),
        None => root.join(&step.path),
    };
    let folder = file.parent().filter(|_| !from_ledger).map(|f| f.to_string_lossy().into_owned());
    json!({
        "do": "load",
        "path": step.path,
        "file": file.to_string_lossy(),
        "folder": folder,
        "text": &*step.text,
        "environment": {
            "STEPLADDER_STORE": step.store,
            "STEPLADDER_VERSION": step.version.to_string(),
            "STEPLADDER_DIRECTION": step.direction.word(),
        },
    })
}
