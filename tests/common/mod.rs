//! A sealed world for tests of the binary: a project folder and a HOME of its own, an environment that holds
//! nothing but PATH, and output in which paths, times and run ids are always the same.

#![allow(dead_code, reason = "each test program uses its own part of it")]

pub mod processes;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No run of the binary takes longer than this; one that does is killed and fails its test.
const LIMIT: Duration = Duration::from_secs(120);

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_stepladder");

/// A temporary project with everything around it.
pub struct World {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// What one run of the binary said.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Progress and messages.
    pub stderr: String,
}

/// A run of the binary that goes on while the test does something else.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl World {
    /// An empty project.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("stepladder-world-").tempdir().unwrap();
        for name in ["project", "home", "tmp", "output"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, environment: BTreeMap::new() }
    }

    /// The project's folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// A path in the project.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file of the project, with the folders it needs.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Reads a file of the project.
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// Removes a file of the project.
    pub fn remove(&self, path: impl AsRef<Path>) {
        fs::remove_file(self.path(path)).unwrap();
    }

    /// Sets a variable for every run from now on.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.environment.insert(name.into(), value.into());
    }

    /// The binary in this world, ready to start.
    pub fn command<S: AsRef<str>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(args.iter().map(AsRef::as_ref)).current_dir(self.root()).env_clear().stdin(Stdio::null());
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", path).env("USER", "tester").env("TZ", "UTC").env("LC_ALL", "C.UTF-8");
        command.env("HOME", self.folder.path().join("home")).env("TMPDIR", self.folder.path().join("tmp"));
        command.envs(&self.environment);
        command
    }

    /// Runs the binary to its end.
    pub fn run<S: AsRef<str>>(&self, args: &[S]) -> Output {
        self.spawn(args).wait()
    }

    /// Starts the binary.
    pub fn spawn<S: AsRef<str>>(&self, args: &[S]) -> Running {
        let output = tempfile::tempdir_in(self.folder.path().join("output")).unwrap().keep();
        let (stdout, stderr) = (output.join("stdout"), output.join("stderr"));
        // Files, not pipes: nobody has to read them while the binary writes.
        let child = self
            .command(args)
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .spawn()
            .unwrap();
        Running { child, stdout, stderr }
    }
}

impl Running {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would, and waits until it is gone.
    pub fn kill9(mut self) -> Output {
        // It may have ended by itself already.
        let _ = self.child.kill();
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, number: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: `kill` takes any numbers, and the child has not been waited for, so its id is still its own.
        unsafe { libc::kill(pid, number) };
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has said so far.
    pub fn so_far(&self) -> String {
        format!("{}{}", read(&self.stdout), read(&self.stderr))
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Output {
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("it ran for more than {} s, and had said:\n{}", LIMIT.as_secs(), self.so_far());
            }
            thread::sleep(Duration::from_millis(3));
        };
        Output { code: code(status), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Output {
    /// Fails the test unless it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "another exit code was expected, it said:\n{self}");
        self
    }

    /// Everything it said.
    pub fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    /// Its one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON document ({e}):\n{self}"))
    }

    /// Fails the test unless it said this.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.all().contains(text), "it should have said `{text}`:\n{self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "--- exit code {}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(-1)
}

/// Waits until something holds; false when it did not within `limit`.
pub fn until(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}
