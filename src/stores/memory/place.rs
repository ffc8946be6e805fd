//! Where a memory store keeps its document: in this process, or in a file that processes share.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::book::Book;
use crate::domain::Failure;
use crate::domain::ledger::FORMAT;
use crate::stores::Settings;

/// How long another process may keep the file to itself: it holds the lock for one read and one write only.
const PATIENCE: Duration = Duration::from_secs(5);

/// The stores of this process, by project and name.
static INSIDE: Mutex<BTreeMap<(PathBuf, String), Shared>> = Mutex::new(BTreeMap::new());

type Shared = Arc<Mutex<Option<Book>>>;

/// Where the document is. There is none until a lease is taken.
#[derive(Clone)]
pub(super) enum Place {
    /// In this process.
    Inside(Shared),
    /// In a file, with its path as shown to a person.
    File(PathBuf, String),
}

impl Place {
    pub fn of(settings: &Settings) -> Result<Self, Failure> {
        let Some(path) = settings.url.reveal().strip_prefix("memory:") else {
            return Err(Failure::usage(format!("the connection of {} is no memory URL", settings.name))
                .hint("`memory://` forgets everything at the end; `memory:data.json` keeps it in a file"));
        };
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            let key = (settings.root.clone(), settings.name.clone());
            return Ok(Self::Inside(locked(&INSIDE).entry(key).or_default().clone()));
        }
        Ok(Self::File(settings.root.join(path), path.to_owned()))
    }

    pub fn address(&self) -> String {
        match self {
            Self::Inside(_) => "inside this process".to_owned(),
            Self::File(_, shown) => shown.clone(),
        }
    }

    pub fn url(&self) -> String {
        match self {
            Self::Inside(_) => "memory://".to_owned(),
            Self::File(path, _) => format!("memory:{}", path.display()),
        }
    }

    /// Whether the document could be kept here.
    pub fn check(&self) -> Result<(), Failure> {
        let Self::File(path, shown) = self else { return Ok(()) };
        let folder = path.parent().unwrap_or(Path::new("/"));
        if folder.is_dir() {
            return Ok(());
        }
        Err(Failure::unreachable(format!("{shown} cannot be reached: its folder {} is not there", folder.display()))
            .hint("make the folder, or correct the store's URL"))
    }

    /// The document as it is. Needs no lock, since a file is only ever replaced as a whole.
    pub fn read(&self) -> Result<Option<Book>, Failure> {
        match self {
            Self::Inside(book) => Ok(locked(book).clone()),
            Self::File(path, shown) => match fs::read(path) {
                Ok(bytes) => parse(&bytes, shown),
                Err(error) if error.kind() == ErrorKind::NotFound => self.check().map(|()| None),
                Err(error) => Err(unreachable(shown, &error)),
            },
        }
    }

    /// Makes the document where there is none, and changes it: all of the change or, on an error, none of it.
    pub fn create<T>(&self, change: impl FnOnce(&mut Book) -> Result<T, Failure>) -> Result<T, Failure> {
        self.check()?;
        self.change(true, |book| change(book.get_or_insert_default()))
    }

    /// Changes the document, if there is one: all of the change or, on an error, none of it.
    pub fn update<T>(&self, change: impl FnOnce(Option<&mut Book>) -> Result<T, Failure>) -> Result<T, Failure> {
        self.change(false, |book| change(book.as_mut()))
    }

    fn change<T>(
        &self,
        create: bool,
        change: impl FnOnce(&mut Option<Book>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match self {
            Self::Inside(book) => {
                let mut book = locked(book);
                let mut copy = book.clone();
                let answer = change(&mut copy)?;
                *book = copy;
                Ok(answer)
            }
            Self::File(path, shown) => {
                let Some(_guard) = lock(path, shown, create)? else { return change(&mut None) };
                let bytes = fs::read(path).map_err(|e| unreachable(shown, &e))?;
                let mut book = parse(&bytes, shown)?;
                let answer = change(&mut book)?;
                if let Some(book) = &book {
                    replace(path, book).map_err(|e| unreachable(shown, &e))?;
                }
                Ok(answer)
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks the file, if there is one or it may be made. The lock belongs to the file and not to its name, so after
/// getting it one has to see whether the name still means that file.
fn lock(path: &Path, shown: &str, create: bool) -> Result<Option<File>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let file = match OpenOptions::new().read(true).append(true).create(create).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound && !create => return Ok(None),
            Err(error) => return Err(unreachable(shown, &error)),
        };
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) | Err(TryLockError::WouldBlock) if Instant::now() < deadline => {}
            Ok(()) | Err(TryLockError::WouldBlock) => {
                let seconds = PATIENCE.as_secs();
                return Err(Failure::unreachable(format!(
                    "{shown} has been locked by another program for {seconds} s"
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unreachable(shown, &error)),
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let id = |m: fs::Metadata| (m.dev(), m.ino());
    matches!((file.metadata().map(id), fs::metadata(path).map(id)), (Ok(ours), Ok(there)) if ours == there)
}

/// Only whoever has the lock gets here, so the name of the new file can always be the same: one that a crash left
/// behind is written over.
fn replace(path: &Path, book: &Book) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(book)?)?;
    file.write_all(b"\n")?;
    file.set_permissions(fs::metadata(path)?.permissions())?;
    file.sync_data()?;
    fs::rename(&beside, path)
}

/// An empty file is one that was just made, or that a crash left before its first content: no ledger yet.
fn parse(bytes: &[u8], shown: &str) -> Result<Option<Book>, Failure> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let wrong = |e: serde_json::Error| {
        Failure::failed(format!("{shown} is not a memory store's file: {e}"))
            .hint("bring the file back as it was, or name another one in the store's URL")
    };
    let document: serde_json::Value = serde_json::from_slice(bytes).map_err(wrong)?;
    // The format comes first: a newer one may look different altogether.
    let format = document.get("format").and_then(serde_json::Value::as_i64);
    if let Some(newer) = format.filter(|f| *f > FORMAT) {
        return Err(Failure::failed(format!(
            "{shown} has a ledger of format {newer}, and this stepladder knows formats up to {FORMAT}"
        ))
        .hint("a newer stepladder wrote it: use that one, nothing was changed"));
    }
    serde_json::from_value(document).map(Some).map_err(wrong)
}

fn unreachable(shown: &str, error: &std::io::Error) -> Failure {
    Failure::unreachable(format!("{shown} cannot be used: {error}"))
}
