//! Where a shell store keeps its ledger: a file of lines that only ever grows, with the lease in a file beside it.
//!
//! Every change happens under a lock of the operating system on a third file, so that reading the lease and adding a
//! line are one step for everybody. Readers need no lock: a line counts once its end is there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::domain::Failure;
use crate::domain::ledger::FORMAT;
use crate::stores::Settings;
use crate::stores::memory::book::Book;

/// How long another process may keep the files to itself: it does so for one read and one write only.
const PATIENCE: Duration = Duration::from_secs(5);

/// The three files of a store.
#[derive(Clone, Debug)]
pub struct Place {
    ledger: PathBuf,
    lease: PathBuf,
    lock: PathBuf,
    shown: String,
}

impl Place {
    /// `shell:path` names the ledger's file; without a path it is `.stepladder/<store>.jsonl` beside the configuration.
    ///
    /// # Errors
    /// A URL of another kind.
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        let Some(path) = settings.url.reveal().strip_prefix("shell:") else {
            return Err(Failure::usage(format!("the connection of {} is no shell URL", settings.name))
                .hint("`shell:` keeps the ledger in .stepladder; `shell:path/to/ledger.jsonl` keeps it there"));
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        let shown = match path {
            "" => format!(".stepladder/{}.jsonl", settings.name),
            path => path.to_owned(),
        };
        let ledger = settings.root.join(&shown);
        let beside = |end: &str| {
            let mut name = ledger.as_os_str().to_owned();
            name.push(end);
            PathBuf::from(name)
        };
        Ok(Self { lease: beside(".lease"), lock: beside(".lock"), ledger, shown })
    }

    /// As a person would write it.
    pub fn address(&self) -> String {
        self.shown.clone()
    }

    /// As a script may need it.
    pub fn url(&self) -> String {
        format!("shell:{}", self.ledger.display())
    }

    /// Fails when the ledger could not be kept here. Our own folder is made when a lease is taken.
    ///
    /// # Errors
    /// Its folder is not there.
    pub fn check(&self) -> Result<(), Failure> {
        let folder = self.ledger.parent().unwrap_or(Path::new("/"));
        if folder.is_dir() || (folder.ends_with(".stepladder") && folder.parent().is_some_and(Path::is_dir)) {
            return Ok(());
        }
        Err(Failure::unreachable(format!(
            "{} cannot be kept: its folder {} is not there",
            self.shown,
            folder.display()
        ))
        .hint("make the folder, or correct the store's URL"))
    }

    /// Ledger and lease as they are; none where there are none.
    ///
    /// # Errors
    /// Files that cannot be read or understood; a newer format.
    pub fn read(&self) -> Result<Option<Book>, Failure> {
        let text = match fs::read_to_string(&self.ledger) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return self.check().map(|()| None),
            Err(error) => return Err(self.unusable(&error)),
        };
        self.parse(&text)
    }

    /// Makes the files where there are none, and changes them.
    ///
    /// # Errors
    /// As [`Place::read`]; what `change` says, which then changed nothing.
    pub fn create<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, Failure> {
        self.check()?;
        if let Some(folder) = self.ledger.parent() {
            fs::create_dir_all(folder).map_err(|e| self.unusable(&e))?;
        }
        let _guard = self.lock(true)?;
        let found = self.read()?;
        let is_new = found.is_none();
        let mut book = found.unwrap_or_default();
        let (known, lease) = (book.entries.len(), json!(book.lease));
        let answer = change(&mut book);
        if is_new {
            self.append(&head()).map_err(|e| self.unusable(&e))?;
        }
        self.write(&book, known, lease)?;
        Ok(answer)
    }

    /// Changes the files, if there are any: entries may be added, and the lease changed.
    ///
    /// # Errors
    /// As [`Place::read`].
    pub fn update<T>(&self, change: impl FnOnce(Option<&mut Book>) -> T) -> Result<T, Failure> {
        if !self.ledger.exists() {
            return Ok(change(None));
        }
        let _guard = self.lock(false)?;
        let Some(mut book) = self.read()? else { return Ok(change(None)) };
        let (known, lease) = (book.entries.len(), json!(book.lease));
        let answer = change(Some(&mut book));
        self.write(&book, known, lease)?;
        Ok(answer)
    }

    /// Forgets all entries: the ledger is replaced by an empty one in one rename.
    ///
    /// # Errors
    /// As [`Place::read`].
    pub fn empty(&self) -> Result<(), Failure> {
        let _guard = self.lock(false)?;
        replace(&self.ledger, &head()).map_err(|e| self.unusable(&e))
    }

    /// Entries behind the known ones, and the lease where it is another one.
    fn write(&self, book: &Book, known: usize, before: Value) -> Result<(), Failure> {
        let lines: String = book.entries.iter().skip(known).map(|row| json!(row).to_string() + "\n").collect();
        if !lines.is_empty() {
            self.append(&lines).map_err(|e| self.unusable(&e))?;
        }
        let lease = match &book.lease {
            same if json!(same) == before => return Ok(()),
            Some(lease) => replace(&self.lease, &json!(lease).to_string()),
            None => match fs::remove_file(&self.lease) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            },
        };
        lease.map_err(|e| self.unusable(&e))
    }

    /// Adds lines. What a crash left of a line without its end never counted, and makes room.
    fn append(&self, lines: &str) -> std::io::Result<()> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.ledger)?;
        let text = fs::read(&self.ledger)?;
        let end = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        file.set_len(u64::try_from(end).unwrap_or(0))?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    }

    fn parse(&self, text: &str) -> Result<Option<Book>, Failure> {
        let whole = text.rfind('\n').map_or("", |at| &text[..at]);
        let mut lines = whole.lines();
        let Some(head) = lines.next() else { return Ok(None) };
        let wrong = |line: usize, e: serde_json::Error| {
            Failure::failed(format!("line {line} of {} is no entry of a ledger: {e}", self.shown))
                .hint("bring the file back as it was, or name another one in the store's URL")
        };
        let head: Value = serde_json::from_str(head).map_err(|e| wrong(1, e))?;
        if let Some(newer) = head["format"].as_i64().filter(|f| *f > FORMAT) {
            return Err(Failure::failed(format!(
                "{} has format {newer}, and this stepladder knows formats up to {FORMAT}",
                self.shown
            ))
            .hint("a newer stepladder wrote it: use that one, nothing was changed"));
        }
        let mut book = Book::default();
        for (at, line) in lines.enumerate() {
            book.entries.push(serde_json::from_str(line).map_err(|e| wrong(at + 2, e))?);
        }
        book.lease = match fs::read_to_string(&self.lease) {
            Ok(text) => Some(serde_json::from_str(&text).map_err(|e| wrong(0, e))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(self.unusable(&error)),
        };
        Ok(Some(book))
    }

    /// The lock's file stays for ever: one that came and went would be two for two processes.
    fn lock(&self, create: bool) -> Result<File, Failure> {
        let deadline = Instant::now() + PATIENCE;
        let file = OpenOptions::new().read(true).append(true).create(create).open(&self.lock);
        let file = file.map_err(|e| self.unusable(&e))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::unreachable(format!(
                        "{} has been locked by another program for {} s",
                        self.shown,
                        PATIENCE.as_secs()
                    )));
                }
                Err(TryLockError::Error(error)) => return Err(self.unusable(&error)),
            }
        }
    }

    fn unusable(&self, error: &std::io::Error) -> Failure {
        Failure::unreachable(format!("{} cannot be used: {error}", self.shown))
    }
}

/// The first line of a ledger.
fn head() -> String {
    let head = json!({ "format": FORMAT, "what": "the ledger of the migrations: lines are only ever added" });
    format!("{head}\n")
}

/// Only whoever has the lock gets here, so the new file's name can always be the same.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()?;
    fs::rename(&beside, path)
}
