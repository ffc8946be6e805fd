//! A client at work: in a process group of its own, its pipes in our hands, ended with all its children.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::process::CommandExt;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::command::CommandLine;

/// How long a client has after a cancel to end by itself.
pub const GRACE: Duration = Duration::from_secs(3);

/// A started client.
pub struct Running {
    handle: Arc<duct::Handle>,
    group: i32,
    /// Where the client reads from; dropping it is the end of its input. Taken by whoever writes.
    pub stdin: Option<PipeWriter>,
    /// What the client prints. Taken by whoever reads.
    pub stdout: Option<PipeReader>,
    stderr: Collector,
}

/// How a client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Everything it wrote to standard error, made UTF-8; the middle is left out beyond some megabytes.
    pub stderr: String,
}

impl Running {
    /// Starts a client with three pipes, in a process group of its own.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(line: &CommandLine) -> io::Result<Self> {
        let (stdin_reader, stdin) = io::pipe()?;
        let (stdout, stdout_writer) = io::pipe()?;
        let (stderr, mut stderr_writer) = io::pipe()?;
        if line.merged {
            stderr_writer = stdout_writer.try_clone()?;
        }
        let mut expression = duct::cmd(&line.program, &line.args)
            .stdin_file(stdin_reader)
            .stdout_file(stdout_writer)
            .stderr_file(stderr_writer)
            .unchecked()
            .before_spawn(|command| {
                command.process_group(0);
                die_with_parent(command);
                Ok(())
            });
        for name in &line.without {
            expression = expression.env_remove(name);
        }
        for (name, value) in &line.env {
            expression = expression.env(name, value.reveal());
        }
        if let Some(folder) = &line.folder {
            expression = expression.dir(folder);
        }
        let handle = expression.start()?;
        // The expression keeps our copies of the child's pipe ends; without this drop the client's end of
        // output would never be seen.
        drop(expression);
        let group = handle.pids().first().map_or(0, |pid| i32::try_from(*pid).unwrap_or(0));
        let stderr = Collector::start(stderr);
        Ok(Self { handle: Arc::new(handle), group, stdin: Some(stdin), stdout: Some(stdout), stderr })
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        !matches!(self.handle.try_wait(), Ok(None))
    }

    /// Tells of its end at once; hung up without a word where its end cannot be waited for. A thread waits and not a handler of
    /// SIGCHLD, which would interrupt whatever else this process waits for.
    pub fn end(&self) -> Receiver<()> {
        let (sender, receiver) = mpsc::channel();
        let handle = Arc::clone(&self.handle);
        thread::spawn(move || handle.wait().is_ok().then(|| sender.send(())));
        receiver
    }

    /// What it has written to standard error so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Something that can end it from another thread.
    pub fn ender(&self) -> Ender {
        Ender { handle: Arc::clone(&self.handle), group: self.group }
    }

    /// Closes its input, waits for its end and collects its errors. Read its output to the end first.
    ///
    /// # Errors
    /// Waiting failed.
    pub fn finish(mut self) -> io::Result<Finished> {
        drop(self.stdin.take());
        let code = self.handle.wait()?.status.code();
        // A grandchild may hold the pipe open after the client has gone.
        signal(self.group, libc::SIGKILL);
        Ok(Finished { code, stderr: self.stderr.finish() })
    }
}

/// Nobody drops a client and leaves it running.
impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended() {
            signal(self.group, libc::SIGKILL);
            let _ = self.handle.wait();
        }
    }
}

/// Ends a client and its children.
#[derive(Clone)]
pub struct Ender {
    handle: Arc<duct::Handle>,
    group: i32,
}

impl Ender {
    /// Asks the client to cancel (SIGINT, which psql turns into a cancel request), waits for [`GRACE`], then ends
    /// its whole process group.
    pub fn cancel(&self) {
        self.with_signals(&[(libc::SIGINT, GRACE), (libc::SIGTERM, Duration::from_millis(500))]);
    }

    /// Ends the client without asking: for one whose script must not go on after what it was at was cancelled.
    pub fn end(&self) {
        self.with_signals(&[(libc::SIGTERM, Duration::from_millis(500))]);
    }

    fn with_signals(&self, signals: &[(i32, Duration)]) {
        for (number, patience) in signals {
            signal(self.group, *number);
            let until = Instant::now() + *patience;
            while Instant::now() < until {
                if !matches!(self.handle.try_wait(), Ok(None)) {
                    break;
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        signal(self.group, libc::SIGKILL);
    }
}

/// Signals a whole process group.
fn signal(group: i32, number: i32) {
    if group > 1 {
        // SAFETY: `killpg` takes any numbers; a group that is gone answers ESRCH.
        unsafe { libc::killpg(group, number) };
    }
}

/// Where the system can, a client ends when we are killed: nobody would be left to read its answers.
#[cfg(target_os = "linux")]
fn die_with_parent(command: &mut std::process::Command) {
    // SAFETY: `prctl` is async-signal-safe and touches the child only.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut std::process::Command) {}

/// Bytes kept of the beginning and of the end of what a client writes to standard error.
const KEEP: usize = 2 << 20;

/// Reads a pipe to its end on a thread of its own, so that a chatty client never blocks on it.
struct Collector {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Collector {
    fn start(mut pipe: PipeReader) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&text);
        let thread = thread::spawn(move || {
            let mut buffer = [0u8; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut buffer) {
                let Ok(mut text) = shared.lock() else { return };
                text.extend_from_slice(&buffer[..n]);
                if text.len() > 4 * KEEP {
                    let tail = text.len() - KEEP;
                    text.drain(KEEP..tail);
                }
            }
        });
        Self { text, thread: Some(thread) }
    }

    fn text(&self) -> String {
        self.text.lock().map(|t| String::from_utf8_lossy(&t).into_owned()).unwrap_or_default()
    }

    /// The whole text. A child that inherited the pipe and lives on is not waited for.
    fn finish(&mut self) -> String {
        if let Some(thread) = self.thread.take() {
            let until = Instant::now() + Duration::from_secs(2);
            while !thread.is_finished() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.text()
    }
}
