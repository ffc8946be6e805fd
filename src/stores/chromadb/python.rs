//! One Python at work: scripts are handed to it one after the other, and what it answers is heard.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::endpoint::Endpoint;
use crate::config::Environment;
use crate::domain::Failure;
use crate::process::program::Ended;
use crate::process::{CommandLine, Finished, Running};
use crate::stores::{Client, Context, Settings, Step};

/// What Python runs; it comes through its standard input.
pub const DRIVER: &str = include_str!("driver.py");
/// Reads as many bytes as a first line says, and runs them.
const BOOT: &str = "import os; orders = os.fdopen(os.dup(0), 'rb'); \
                    exec(compile(orders.read(int(orders.readline())), 'stepladder', 'exec'))";
/// How long it may take for its own end.
const FAREWELL: Duration = Duration::from_secs(3);
/// Bytes kept of what a script prints, from its end.
const KEEP: usize = 2 << 20;

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
    running: Option<Running>,
    orders: Option<Sender<String>>,
    output: Receiver<Vec<String>>,
    /// Lines that came and were not looked at yet.
    heard: VecDeque<String>,
    mark: String,
    ready: bool,
    /// What the script at hand printed.
    pub printed: String,
}

impl Python {
    /// Starts it. It gets ready while we do something else.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(line: &CommandLine, endpoint: &Endpoint) -> std::io::Result<Self> {
        let mut running = Running::start(line)?;
        let (output, orders) = (listen(&mut running), speak(&mut running));
        let mark = crate::process::identity::token();
        let headers: BTreeMap<&str, String> =
            endpoint.headers().iter().map(|(name, value)| (*name, value.reveal().to_owned())).collect();
        let config = json!({
            "mark": mark,
            "host": endpoint.base(),
            "headers": headers,
            "tenant": endpoint.tenant,
            "database": endpoint.database,
        });
        let _ = orders.send(format!("{}\n{DRIVER}{config}\n", DRIVER.len()));
        let (printed, mark) = (String::new(), format!("{mark} "));
        Ok(Self {
            running: Some(running),
            orders: Some(orders),
            output,
            heard: VecDeque::new(),
            mark,
            ready: false,
            printed,
        })
    }

    /// Has a script compiled; nothing of it runs.
    pub fn load(&mut self, step: &Step, root: &Path, context: &Context<'_>) -> Said {
        self.order(&load(step, root));
        if !self.ready {
            match self.hear(None, context) {
                Said::Well => self.ready = true,
                other => return other,
            }
        }
        self.printed.clear();
        self.hear(None, context)
    }

    /// Runs the script that was loaded.
    pub fn run(&mut self, timeout: Option<Duration>, context: &Context<'_>) -> Said {
        self.order(&json!({ "do": "run" }));
        self.hear(timeout, context)
    }

    /// Ends it, and says how it ended. What a script left for the interpreter's end may take a moment, and no longer.
    ///
    /// # Errors
    /// Waiting failed.
    pub fn finish(&mut self) -> std::io::Result<Finished> {
        self.orders = None;
        match self.running.take() {
            Some(running) => {
                let until = Instant::now() + FAREWELL;
                while !running.has_ended() && Instant::now() < until {
                    thread::sleep(Duration::from_millis(2));
                }
                if !running.has_ended() {
                    running.ender().end();
                }
                running.finish()
            }
            None => Ok(Finished { code: None, stderr: String::new() }),
        }
    }

    fn order(&self, order: &Value) {
        if let Some(orders) = &self.orders {
            // A Python that has gone says so through its end.
            let _ = orders.send(format!("{order}\n"));
        }
    }

    /// Waits for the next answer; ends Python at its deadline or when asked to stop at once.
    fn hear(&mut self, timeout: Option<Duration>, context: &Context<'_>) -> Said {
        let began = Instant::now();
        let mut ended = None;
        let mut silent_since: Option<Instant> = None;
        loop {
            // Several answers may have come at once.
            while let Some(line) = self.heard.pop_front() {
                // What comes after a cancel is no answer any more.
                if let Some(said) = self.read(&line).filter(|_| ended.is_none()) {
                    return said;
                }
            }
            match self.output.recv_timeout(Duration::from_millis(10)) {
                Ok(lines) => {
                    silent_since = None;
                    self.heard.extend(lines);
                }
                Err(RecvTimeoutError::Disconnected) => return Said::Gone(ended),
                // A child of a script may hold its output open after Python has gone.
                Err(RecvTimeoutError::Timeout) if self.running.as_ref().is_none_or(Running::has_ended) => {
                    let since = *silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > Duration::from_millis(300) {
                        return Said::Gone(ended);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if ended.is_none() {
                ended = match (context.stop.at_once(), timeout) {
                    (Some(reason), _) => Some(Ended::Stopped(reason)),
                    (None, Some(limit)) if began.elapsed() >= limit => Some(Ended::Deadline(limit)),
                    _ => None,
                };
                if let Some(running) = self.running.as_ref().filter(|_| ended.is_some()) {
                    self.orders = None;
                    running.ender().cancel();
                }
            }
        }
    }

    /// An answer, if the line holds one; what is none was printed by the script.
    fn read(&mut self, line: &str) -> Option<Said> {
        let Some(at) = line.find(&self.mark) else {
            self.keep(line);
            return None;
        };
        if at > 0 {
            self.keep(&line[..at]);
        }
        let (word, what) = line[at + self.mark.len()..].split_once(' ')?;
        let what: Value = serde_json::from_str(what).ok()?;
        let text = |key: &str| what[key].as_str().unwrap_or_default().to_owned();
        Some(match word {
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
        })
    }

    /// Keeps what a script prints; of an endless flood the end.
    fn keep(&mut self, line: &str) {
        self.printed.push_str(line);
        self.printed.push('\n');
        if self.printed.len() > 2 * KEEP {
            let cut = (self.printed.len() - KEEP..self.printed.len()).find(|at| self.printed.is_char_boundary(*at));
            self.printed.drain(..cut.unwrap_or(0));
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

/// Writes on a thread of its own: a script may be longer than the pipe is wide.
fn speak(running: &mut Running) -> Sender<String> {
    let (sender, receiver) = channel::<String>();
    let stdin = running.stdin.take();
    thread::spawn(move || {
        let Some(mut stdin) = stdin else { return };
        for text in receiver {
            if stdin.write_all(text.as_bytes()).is_err() {
                return;
            }
        }
    });
    sender
}

/// Reads on a thread of its own, in whole lines as far as they are not endless.
fn listen(running: &mut Running) -> Receiver<Vec<String>> {
    let (sender, receiver) = sync_channel(64);
    let stdout = running.stdout.take();
    thread::spawn(move || {
        let Some(mut stdout) = stdout else { return };
        let (mut buffer, mut rest) = (vec![0u8; 1 << 16], Vec::new());
        while let Ok(n @ 1..) = stdout.read(&mut buffer) {
            rest.extend_from_slice(&buffer[..n]);
            let end = match rest.iter().rposition(|b| *b == b'\n') {
                Some(at) => at + 1,
                None if rest.len() > 8 << 20 => rest.len(),
                None => continue,
            };
            let lines = String::from_utf8_lossy(&rest[..end]).lines().map(str::to_owned).collect();
            rest.drain(..end);
            if sender.send(lines).is_err() {
                return;
            }
        }
        let _ = sender.send(vec![String::from_utf8_lossy(&rest).into_owned()]);
    });
    receiver
}
