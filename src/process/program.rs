//! `.sh` and `.py` scripts, which every store takes: run as programs with the store's connection in their
//! environment.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use super::{CommandLine, Finished, Running};
use crate::config::Secret;
use crate::domain::{Failure, FailureKind};
use crate::stores::{Kept, Step, StepFailure, Stop, StopReason};

/// The command line that runs a program script.
///
/// # Errors
/// The interpreter that the extension needs cannot be found.
pub fn command(
    step: &Step,
    path: &Path,
    root: &Path,
    environment: &[(String, Secret)],
) -> Result<CommandLine, Failure> {
    let name = if step.extension == "py" { "python3" } else { "sh" };
    let program = which::which(name)
        .map_err(|_| Failure::unreachable(format!("`{name}` was not found, and {} needs it", step.path)))?;
    let mut line = CommandLine::new(program, name).arg(path.as_os_str());
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

/// Runs a program script to its end, its deadline or a stop; gives back what it printed.
///
/// # Errors
/// It cannot be started, ends with another code than 0, or was ended.
pub fn run(step: &Step, line: &CommandLine, stop: &Stop) -> Result<String, StepFailure> {
    let fail = |what: String, message: String, kind: FailureKind| StepFailure {
        index: step.index,
        what,
        line: None,
        message,
        kept: Kept::Half(None),
        hints: Vec::new(),
        kind,
    };
    let mut running = Running::start(line)
        .map_err(|e| fail("could not be started".to_owned(), e.to_string(), FailureKind::Failed))?;
    let mut stdout = running.stdout.take();
    drop(running.stdin.take());
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        if let Some(pipe) = stdout.as_mut() {
            let _ = pipe.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    });
    let ended = watch(&running, step.timeout, stop);
    let finished =
        running.finish().map_err(|e| fail("could not be waited for".to_owned(), e.to_string(), FailureKind::Failed))?;
    let said = reader.join().unwrap_or_default();
    match ended {
        Some(Ended::Deadline(after)) => {
            Err(fail(format!("ran out of time after {} s", after.as_secs_f64()), finished.stderr, FailureKind::Failed))
        }
        Some(Ended::Stopped(StopReason::Interrupted)) => {
            Err(fail("was interrupted".to_owned(), finished.stderr, FailureKind::Interrupted))
        }
        Some(Ended::Stopped(_)) => {
            Err(fail("was ended: the lease was lost".to_owned(), finished.stderr, FailureKind::Failed))
        }
        None if finished.code == Some(0) => Ok(said),
        None => Err(fail(exit_sentence(&finished), finished.stderr, FailureKind::Failed)),
    }
}

fn exit_sentence(finished: &Finished) -> String {
    match finished.code {
        Some(code) => format!("ended with exit code {code}"),
        None => "was ended by a signal".to_owned(),
    }
}

/// Why a client was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It had run for so long.
    Deadline(Duration),
    /// Somebody asked.
    Stopped(StopReason),
}

impl Ended {
    /// Why something that began then has to end now, if it has to.
    pub fn due(stop: &Stop, timeout: Option<Duration>, began: Instant) -> Option<Self> {
        let late = || timeout.filter(|limit| began.elapsed() >= *limit).map(Self::Deadline);
        stop.at_once().map(Self::Stopped).or_else(late)
    }
}

/// How often somebody is asked whether a client is to be ended.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for a client's end; ends it at its deadline or when asked to stop at once.
pub fn watch(running: &Running, timeout: Option<Duration>, stop: &Stop) -> Option<Ended> {
    let (started, end) = (Instant::now(), running.end());
    while end.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if let Some(ended) = Ended::due(stop, timeout, started) {
            running.ender().cancel();
            return Some(ended);
        }
    }
    None
}
