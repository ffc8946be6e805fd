//! SQLite's errors as failures: its own words with the code's name, and what to do about them.

use rusqlite::{Error, ffi};

use super::busy::blocker;
use super::url::Location;
use crate::domain::{Failure, FailureKind};

/// The extended code of an error, 0 where it is none of SQLite's.
pub(super) fn code(error: &Error) -> i32 {
    match error {
        Error::SqliteFailure(e, _) | Error::SqlInputError { error: e, .. } => e.extended_code,
        _ => 0,
    }
}

/// Whether a lock of somebody else stands in the way.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(code(error) & 0xff, ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED)
}

/// SQLite's own words with the name of the code: `UNIQUE constraint failed: t.a (SQLITE_CONSTRAINT_UNIQUE)`.
pub(super) fn words(error: &Error) -> String {
    let (code, message) = parts(error);
    with_name(&message, code)
}

/// The extended code of an error and SQLite's own words.
pub(super) fn parts(error: &Error) -> (i32, String) {
    let message = match error {
        Error::SqliteFailure(_, Some(message)) => message.clone(),
        Error::SqliteFailure(e, None) => ffi::code_to_str(e.extended_code).to_owned(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    (code(error), message)
}

/// A message of SQLite's with the name of its code, unless that says nothing (`SQLITE_ERROR`).
pub(super) fn with_name(message: &str, code: i32) -> String {
    match name(code) {
        Some(name) => format!("{message} ({name})"),
        None => message.to_owned(),
    }
}

/// The database could not be opened, read or written outside of any script.
pub(super) fn failure(location: &Location, error: &Error) -> Failure {
    let shown = &location.shown;
    let failure = match code(error) & 0xff {
        ffi::SQLITE_NOTADB => {
            return Failure::unreachable(format!("{shown} is not a SQLite database"))
                .detail(words(error))
                .hint("is the path right? An encrypted database looks like this too; nothing was changed");
        }
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => return locked(location, FailureKind::Unreachable, error),
        ffi::SQLITE_CANTOPEN => Failure::unreachable(format!("{shown} cannot be opened")),
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM => Failure::unreachable(format!("{shown} cannot be written")),
        _ => Failure::failed(format!("{shown} does not answer as it should")),
    };
    hints(code(error), &words(error)).into_iter().fold(failure.detail(words(error)), Failure::hint)
}

/// Somebody else has it locked; says who where the system tells.
pub(super) fn locked(location: &Location, kind: FailureKind, error: &Error) -> Failure {
    let who = blocker(location).map_or_else(|| "another program".to_owned(), |b| b.to_string());
    Failure::new(kind, format!("{} is locked by {who}", location.shown))
        .detail(words(error))
        .hint("let it finish or end it, or wait longer: `busy_timeout` in the store's section (5s by default)")
}

/// What to do about an error, where that is not plain from its message.
pub(super) fn hints(code: i32, message: &str) -> Vec<String> {
    let by_code = match code & 0xff {
        ffi::SQLITE_FULL => Some("make room on the disk (or raise max_page_count), then run it again"),
        ffi::SQLITE_IOERR => Some("the disk or file system failed: see the system's log before running anything again"),
        ffi::SQLITE_CORRUPT => {
            Some("the file is damaged: `sqlite3 FILE 'pragma integrity_check'` says where; restore a backup")
        }
        ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM => {
            Some("this user needs write permission on the file and on its folder, where SQLite keeps its journal")
        }
        _ => None,
    };
    let by_words = BY_WORDS.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| *hint);
    by_code.into_iter().chain(by_words).map(str::to_owned).collect()
}

const DIRECTIVE: &str = "put `-- stepladder: no-transaction` at the top of the script: it then runs statement by statement, outside a transaction";

/// Advice by what SQLite says.
const BY_WORDS: &[(&str, &str)] = &[
    ("from within a transaction", DIRECTIVE),
    ("within a transaction", DIRECTIVE),
    ("inside a transaction", DIRECTIVE),
    ("within transaction", DIRECTIVE),
    ("near \".\": syntax error", "lines that begin with a dot are commands of the sqlite3 shell, not SQL"),
    ("incomplete input", "a statement is not finished at the end of the file: a quote, parenthesis or END is missing"),
    ("no such function", "the sqlite3 shell has functions (readfile, regexp, sha3, ...) that SQLite itself has not"),
    ("no such module", "the module comes from an extension, and extensions are not loaded"),
    ("not authorized", "extensions are not loaded"),
    ("FOREIGN KEY constraint failed", "`pragma foreign_key_check` lists the rows without their parent"),
];

/// The name of an extended code.
fn name(code: i32) -> Option<&'static str> {
    let exact = NAMES.iter().find(|(known, _)| *known == code);
    exact.or_else(|| NAMES.iter().find(|(known, _)| *known == code & 0xff)).map(|(_, name)| *name)
}

macro_rules! names {
    ($($name:ident),* $(,)?) => { &[$((ffi::$name, stringify!($name))),*] };
}

/// `SQLITE_ERROR` is left out: it adds nothing to a message.
const NAMES: &[(i32, &str)] = names![
    SQLITE_INTERNAL,
    SQLITE_PERM,
    SQLITE_ABORT,
    SQLITE_ABORT_ROLLBACK,
    SQLITE_BUSY,
    SQLITE_BUSY_RECOVERY,
    SQLITE_BUSY_SNAPSHOT,
    SQLITE_LOCKED,
    SQLITE_LOCKED_SHAREDCACHE,
    SQLITE_NOMEM,
    SQLITE_READONLY,
    SQLITE_READONLY_DBMOVED,
    SQLITE_READONLY_DIRECTORY,
    SQLITE_READONLY_ROLLBACK,
    SQLITE_INTERRUPT,
    SQLITE_IOERR,
    SQLITE_IOERR_READ,
    SQLITE_IOERR_WRITE,
    SQLITE_IOERR_FSYNC,
    SQLITE_IOERR_TRUNCATE,
    SQLITE_IOERR_LOCK,
    SQLITE_IOERR_DELETE,
    SQLITE_IOERR_SHMOPEN,
    SQLITE_IOERR_SHMMAP,
    SQLITE_CORRUPT,
    SQLITE_CORRUPT_INDEX,
    SQLITE_CORRUPT_VTAB,
    SQLITE_FULL,
    SQLITE_CANTOPEN,
    SQLITE_CANTOPEN_ISDIR,
    SQLITE_PROTOCOL,
    SQLITE_SCHEMA,
    SQLITE_TOOBIG,
    SQLITE_CONSTRAINT,
    SQLITE_CONSTRAINT_CHECK,
    SQLITE_CONSTRAINT_DATATYPE,
    SQLITE_CONSTRAINT_FOREIGNKEY,
    SQLITE_CONSTRAINT_NOTNULL,
    SQLITE_CONSTRAINT_PRIMARYKEY,
    SQLITE_CONSTRAINT_ROWID,
    SQLITE_CONSTRAINT_TRIGGER,
    SQLITE_CONSTRAINT_UNIQUE,
    SQLITE_CONSTRAINT_VTAB,
    SQLITE_MISMATCH,
    SQLITE_NOLFS,
    SQLITE_AUTH,
    SQLITE_NOTADB,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names_and_plain_errors_none() {
        assert_eq!(with_name("m", ffi::SQLITE_CONSTRAINT_UNIQUE), "m (SQLITE_CONSTRAINT_UNIQUE)");
        // An extended code without a name of its own here shows its primary one.
        assert_eq!(with_name("m", ffi::SQLITE_IOERR_VNODE), "m (SQLITE_IOERR)");
        assert_eq!(with_name("m", ffi::SQLITE_ERROR), "m");
    }

    #[test]
    fn advice_is_given_where_the_message_alone_does_not_help() {
        assert!(hints(ffi::SQLITE_ERROR, "cannot VACUUM from within a transaction")[0].contains("no-transaction"));
        assert!(hints(ffi::SQLITE_FULL, "database or disk is full")[0].contains("room"));
        assert!(hints(ffi::SQLITE_ERROR, "no such table: x").is_empty());
    }
}
