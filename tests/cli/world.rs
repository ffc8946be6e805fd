//! A temporary project with its own HOME and a cleared environment. What a command says is normalised: times, run
//! ids, process ids, user, host and the folder itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

/// A project in a folder of its own.
pub struct World {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command said, and how it ended.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
    folder: PathBuf,
}

impl World {
    /// An empty folder.
    pub fn new() -> Self {
        Self { folder: TempDir::new().expect("a temporary folder"), variables: Vec::new() }
    }

    /// A project with one memory store in a file, and these up and down scripts: `001_one` sets a key.
    pub fn with_memory(migrations: &[&str]) -> Self {
        let world = Self::new().file("stepladder.toml", "[stores.memory]\nurl = \"memory:data.json\"\n");
        migrations.iter().fold(world, |world, name| world.pair("memory", name))
    }

    /// The same with a file.
    pub fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let full = self.path(path);
        fs::create_dir_all(full.parent().expect("a parent")).expect("folders");
        fs::write(full, text).expect("a file");
    }

    /// The same with a pair of memory scripts that set and delete a key of the migration's name.
    pub fn pair(self, store: &str, name: &str) -> Self {
        self.file(&format!("migrations/{store}/{name}.up.mem"), format!("set {name} 1\n"))
            .file(&format!("migrations/{store}/{name}.down.mem"), format!("delete {name}\n"))
    }

    /// The same with a variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a variable.
    pub fn value(&self, name: &str) -> &str {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).expect("a variable of the world's")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("a file")
    }

    /// Runs the binary with a line of arguments, as a shell would split it.
    pub fn run(&self, line: &str) -> Said {
        let output = self.command(line).output().expect("the binary runs");
        Said::new(&output, self.folder.path())
    }

    /// What [`World::run`] shows.
    pub fn shows(&self, line: &str) -> String {
        self.run(line).all()
    }

    /// Runs and insists on exit 0.
    pub fn ok(&self, line: &str) -> Said {
        let said = self.run(line);
        assert_eq!(said.code, 0, "`stepladder {line}`\n{}", said.all());
        said
    }

    /// Where a migration stands, whichever store it is in; nothing where there is none.
    #[allow(dead_code)] // the kinds of this build may not need it
    pub fn standing(&self, label: &str) -> String {
        let status = self.run("status --json").json();
        let stores = status["stores"].as_array().into_iter().flatten();
        let mut migrations = stores.flat_map(|store| store["migrations"].as_array().into_iter().flatten());
        let found = migrations.find(|migration| migration["migration"] == label);
        found.map(|m| m["standing"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }

    /// The command itself.
    pub fn command(&self, line: &str) -> Command {
        let args = shell_words::split(line).expect("a line of arguments");
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepladder"));
        command.args(args).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.folder.path()).env("PATH", "/usr/bin:/bin").env("USER", "tester");
        command.envs(self.variables.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        command
    }

    /// Every file of the project with its bytes, to see that nothing was touched.
    pub fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files: Vec<_> = walkdir::WalkDir::new(self.folder.path())
            .into_iter()
            .filter_map(Result::ok)
            .filter(|e| e.file_type().is_file())
            .map(|e| (e.path().to_owned(), fs::read(e.path()).unwrap_or_default()))
            .collect();
        files.sort();
        files
    }
}

/// Insists on an exit code, and on words among what was said.
#[track_caller]
#[allow(dead_code)] // the kinds of this build may not need it
pub fn says(said: &Said, code: i32, words: &[&str]) {
    let all = said.all();
    assert_eq!(said.code, code, "{all}");
    for word in words {
        assert!(all.contains(word), "`{word}` is not in:\n{all}");
    }
}

impl Said {
    pub fn new(output: &Output, folder: &Path) -> Self {
        Self {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
            folder: folder.to_owned(),
        }
    }

    /// Everything that a person sees, normalised.
    pub fn all(&self) -> String {
        let mut all = String::new();
        for (name, text) in [("", &self.stdout), ("[stderr]\n", &self.stderr)] {
            if !text.is_empty() {
                all.push_str(name);
                all.push_str(&self.normal(text));
            }
        }
        if self.code != 0 {
            all.push_str(&format!("[exit {}]\n", self.code));
        }
        all
    }

    fn normal(&self, text: &str) -> String {
        let folder = self.folder.display().to_string();
        // The statements of a ledger are its kind's own affair.
        let ledger = |line: &str| {
            if line.contains("main.stepladder_") { "        <ledger>".to_owned() } else { line.to_owned() }
        };
        let mut text: String = text.replace(&folder, "<folder>").split('\n').map(ledger).collect::<Vec<_>>().join("\n");
        for (pattern, with) in [
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
            (r"\b\d\d:\d\d:\d\dZ", "<clock>"),
            (r" +\d+(\.\d+)? ms\b", " <ms>"),
            (r"\b\d+\.\d s\b", "<s>"),
            (r"run [0-9a-f]{4}\b", "run <run>"),
            (r"tester@[A-Za-z0-9._-]+", "tester@<host>"),
            (r"\(pid \d+\)", "(pid <pid>)"),
        ] {
            text = Regex::new(&format!("(?-u){pattern}")).expect("a pattern").replace_all(&text, with).into_owned();
        }
        text
    }

    /// The one JSON document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.all()))
    }

    /// The JSON objects on standard output, one a line.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|l| serde_json::from_str(l).expect("JSON on every line")).collect()
    }
}
