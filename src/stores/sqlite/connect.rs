//! Opening the database: to look, which leaves no trace, and to work.
//!
//! Nothing in this kind ever opens the database's file by itself: on POSIX systems closing *any* descriptor of a
//! file drops all the locks that the process holds on it, and SQLite's with them.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};

use super::errors;
use super::gate::Gate;
use super::url::{Access, Location};
use crate::domain::Failure;

/// A database and how to work with it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Where it is.
    pub location: Location,
    /// Whether foreign keys are enforced. SQLite's own default is no.
    pub foreign_keys: bool,
    /// How long locks of other programs are waited for.
    pub busy_timeout: Duration,
    /// The journal mode to switch to, if one is asked for.
    pub journal_mode: Option<String>,
}

/// A connection to work on, with its hooks.
pub(super) struct Session {
    /// The connection.
    pub connection: Connection,
    /// What its hooks share with us.
    pub gate: Arc<Gate>,
}

impl Target {
    /// Opens it to look; none when there is no file.
    ///
    /// The file is opened for reading and writing where it can be, and then not written: a connection that cannot
    /// write leaves `-wal` and `-shm` files behind, and cannot clean up after a crash.
    pub fn look(&self) -> Result<Option<Connection>, Failure> {
        if !self.is_there()? {
            return Ok(None);
        }
        let flags = match self.location.access {
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
            _ => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        let opened = self.open_to_look(flags, &[]);
        let cannot_open = |e: &rusqlite::Error| errors::code(e) & 0xff == ffi::SQLITE_CANTOPEN;
        let opened = match opened {
            // In WAL mode, in a folder where the -shm file cannot be made: then nobody else can be writing either.
            Err(e) if cannot_open(&e) && !self.location.beside("-wal").exists() => {
                self.open_to_look(OpenFlags::SQLITE_OPEN_READ_ONLY, &[("immutable", "1")]).map_err(|_| e)
            }
            opened => opened,
        };
        opened.map(Some).map_err(|e| errors::failure(&self.location, &e))
    }

    fn open_to_look(&self, flags: OpenFlags, further: &[(&str, &str)]) -> rusqlite::Result<Connection> {
        let connection = self.connect(flags, further)?;
        connection.pragma_update(None, "query_only", true)?;
        // The file is first read here.
        connection.query_row("select count(*) from (select 1 from main.sqlite_schema limit 1)", [], |_| Ok(()))?;
        Ok(connection)
    }

    /// Opens it to work; `create` makes the file where there is none.
    pub fn work(&self, create: bool) -> Result<Session, Failure> {
        let there = self.is_there()?;
        let shown = &self.location.shown;
        if self.location.access == Access::ReadOnly {
            return Err(Failure::unreachable(format!("{shown} is opened read-only: its URL says mode=ro"))
                .hint("remove `mode=ro` from the URL to migrate it; nothing was run"));
        }
        if !there && (!create || self.location.access == Access::Existing) {
            return Err(Failure::unreachable(format!("there is no database {shown}"))
                .hint("without `mode=rw` in its URL it is created"));
        }
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
        self.open_to_work(flags).map_err(|e| errors::failure(&self.location, &e)).and_then(|session| {
            match session.connection.is_readonly("main") {
                Ok(false) => Ok(session),
                _ => Err(Failure::unreachable(format!("{shown} cannot be written"))
                    .hint("this user needs write permission on the file; nothing was run")),
            }
        })
    }

    fn open_to_work(&self, flags: OpenFlags) -> rusqlite::Result<Session> {
        let mut connection = self.connect(flags, &[])?;
        let gate = Gate::set(&mut connection)?;
        Ok(Session { connection, gate })
    }

    /// Opens it for one short write beside the session, such as a heartbeat.
    pub fn beside(&self) -> rusqlite::Result<Connection> {
        self.connect(OpenFlags::SQLITE_OPEN_READ_WRITE, &[])
    }

    fn connect(&self, flags: OpenFlags, further: &[(&str, &str)]) -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(self.location.uri(further), flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        // The library is built with foreign keys on; its documentation and its shell have them off.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, self.foreign_keys)?;
        Ok(connection)
    }

    /// Whether the file is there; what else may be in its place is an error.
    pub fn is_there(&self) -> Result<bool, Failure> {
        let Location { path, shown, .. } = &self.location;
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => Err(Failure::unreachable(format!("{shown} is a folder, not a database"))
                .hint("let the URL name a file in it")),
            Ok(meta) if !meta.is_file() => Err(Failure::unreachable(format!("{shown} is not a regular file"))),
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Failure::unreachable(format!("{shown} cannot be opened: {e}"))),
        }
    }

    /// The folder that the file would be created in has to be there.
    pub fn check_folder(&self) -> Result<(), Failure> {
        let folder = self.location.path.parent().unwrap_or(Path::new("/"));
        if folder.is_dir() {
            return Ok(());
        }
        let failure = Failure::unreachable(format!("the folder of {} does not exist", self.location.shown));
        Err(failure.hint(format!("mkdir -p {}", folder.display())))
    }
}
