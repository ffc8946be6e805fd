//! Runs the statements of a script, one after the other, as SQLite itself finds them.
//!
//! SQLite's own functions are called directly, because `rusqlite` neither tells where a statement ends nor takes a
//! text that ends in a zero byte; without one SQLite copies all that is left of the script for each statement, which
//! makes long scripts quadratic.

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;

use rusqlite::{Connection, ffi};

/// A script's text in the form that SQLite reads best.
pub(super) struct Script {
    text: CString,
}

/// A statement that SQLite did not accept or could not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    /// The extended code.
    pub code: c_int,
    /// SQLite's own words.
    pub message: String,
    /// The line of the script.
    pub line: usize,
}

impl Script {
    /// Refuses a text with a zero byte, at its line: SQLite would take it for the end.
    pub fn new(text: &str) -> Result<Self, Rejected> {
        let text = CString::new(text).map_err(|e| Rejected {
            code: ffi::SQLITE_ERROR,
            message: "the script holds a NUL byte, and SQLite reads no further than that".to_owned(),
            line: line_at(text.as_bytes(), e.nul_position()),
        })?;
        Ok(Self { text })
    }

    fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The line of a byte.
    pub fn line(&self, at: usize) -> usize {
        line_at(self.bytes(), at)
    }
}

/// 1-based.
fn line_at(bytes: &[u8], at: usize) -> usize {
    bytes[..at.min(bytes.len())].iter().filter(|b| **b == b'\n').count() + 1
}

/// The first byte from `at` on that is neither white space, nor in a comment, nor an empty statement's semicolon.
fn skip_blank(bytes: &[u8], mut at: usize) -> usize {
    let behind = |from: usize, what: &[u8]| {
        let found = bytes[from..].windows(what.len()).position(|w| w == what);
        found.map_or(bytes.len(), |p| from + p + what.len())
    };
    while at < bytes.len() {
        at = match &bytes[at..] {
            [b'-', b'-', ..] => behind(at + 2, b"\n"),
            [b'/', b'*', ..] => behind(at + 2, b"*/"),
            [b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b';', ..] => at + 1,
            [0xef, 0xbb, 0xbf, ..] => at + 3,
            _ => return at,
        };
    }
    bytes.len()
}

/// Goes through a script on one connection.
pub(super) struct Cursor<'a> {
    script: &'a Script,
    db: *mut ffi::sqlite3,
    /// Where the next statement begins.
    pub at: usize,
    // The handle lives as long as the connection.
    _connection: PhantomData<&'a Connection>,
}

/// A statement, ready to be carried out.
pub(super) struct Prepared<'a> {
    raw: *mut ffi::sqlite3_stmt,
    db: *mut ffi::sqlite3,
    /// Where it begins.
    pub start: usize,
    // It must not outlive its connection.
    _connection: PhantomData<&'a Connection>,
}

impl<'a> Cursor<'a> {
    /// Begins at a byte of the script.
    pub fn new(connection: &'a Connection, script: &'a Script, at: usize) -> Self {
        // SAFETY: the handle is used only as long as the connection is borrowed, and never closed.
        let db = unsafe { connection.handle() };
        Self { script, db, at, _connection: PhantomData }
    }

    /// The next statement; none at the end of the script.
    pub fn next(&mut self) -> Result<Option<Prepared<'a>>, Rejected> {
        let bytes = self.script.text.as_bytes_with_nul();
        loop {
            self.at = skip_blank(self.script.bytes(), self.at);
            let rest = &bytes[self.at..];
            if rest.len() <= 1 {
                return Ok(None);
            }
            let mut raw = ptr::null_mut();
            let mut tail = ptr::null();
            let start = rest.as_ptr().cast::<c_char>();
            // With the zero byte counted in, SQLite reads the text where it is.
            let length = c_int::try_from(rest.len()).unwrap_or(-1);
            // SAFETY: `rest` ends in a zero byte and outlives the call; `db` is open.
            let code = unsafe { ffi::sqlite3_prepare_v2(self.db, start, length, &raw mut raw, &raw mut tail) };
            if code != ffi::SQLITE_OK {
                return Err(self.rejected(code));
            }
            let begin = self.at;
            // SAFETY: SQLite points `tail` into the text that it was given.
            let read = usize::try_from(unsafe { tail.offset_from(start) }).unwrap_or(0);
            self.at = if read == 0 { self.script.bytes().len() } else { begin + read };
            if !raw.is_null() {
                return Ok(Some(Prepared { raw, db: self.db, start: begin, _connection: PhantomData }));
            }
        }
    }

    fn rejected(&self, code: c_int) -> Rejected {
        // SAFETY: `db` is open.
        let offset = unsafe { ffi::sqlite3_error_offset(self.db) };
        let message = message(self.db);
        // What is missing at the end is best looked for where its statement begins.
        let inside = usize::try_from(offset).ok().filter(|_| message != "incomplete input").unwrap_or(0);
        Rejected { code, message, line: self.script.line(self.at + inside) }
    }

    /// Carries a statement out, to its last row.
    pub fn carry_out(&self, mut statement: Prepared<'_>, said: &mut Said) -> Result<(), Rejected> {
        statement.step_through(said).map_err(|(code, message)| {
            let line = self.script.line(statement.start);
            Rejected { code, message, line }
        })
    }
}

impl Prepared<'_> {
    /// Whether it writes nothing.
    pub fn is_readonly(&self) -> bool {
        // SAFETY: the statement is not finalised before it is dropped.
        unsafe { ffi::sqlite3_stmt_readonly(self.raw) != 0 }
    }

    fn step_through(&mut self, said: &mut Said) -> Result<(), (c_int, String)> {
        loop {
            // SAFETY: the statement is not finalised before it is dropped.
            match unsafe { ffi::sqlite3_step(self.raw) } {
                ffi::SQLITE_ROW => said.row(self),
                ffi::SQLITE_DONE => {
                    said.end();
                    return Ok(());
                }
                code => return Err((code, message(self.db))),
            }
        }
    }

    fn columns(&self) -> impl Iterator<Item = String> {
        // SAFETY: the statement stands on a row.
        let count = unsafe { ffi::sqlite3_column_count(self.raw) };
        (0..count).map(|column| {
            // SAFETY: as above; SQLite gives null for NULL, otherwise a text that ends in a zero byte and lives until
            // the next step.
            let text = unsafe { ffi::sqlite3_column_text(self.raw, column) };
            if text.is_null() {
                return String::new();
            }
            unsafe { CStr::from_ptr(text.cast::<c_char>()) }.to_string_lossy().into_owned()
        })
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // SAFETY: made by `sqlite3_prepare_v2` and finalised only here.
        unsafe { ffi::sqlite3_finalize(self.raw) };
    }
}

fn message(db: *mut ffi::sqlite3) -> String {
    // SAFETY: `db` is open; the text is copied before anything else is done with it.
    unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(db)) }.to_string_lossy().into_owned()
}

/// The first rows that a script's queries give, for whoever wants to see them.
#[derive(Debug, Default)]
pub(super) struct Said {
    lines: Vec<String>,
    rows: usize,
}

const ROWS: usize = 10;
const WIDTH: usize = 200;

impl Said {
    fn row(&mut self, statement: &Prepared<'_>) {
        self.rows += 1;
        if self.rows <= ROWS && self.lines.len() < 10 * ROWS {
            let line = statement.columns().collect::<Vec<_>>().join("|");
            self.lines.push(match line.char_indices().nth(WIDTH) {
                Some((cut, _)) => format!("{}…", &line[..cut]),
                None => line,
            });
        }
    }

    fn end(&mut self) {
        if self.rows > ROWS {
            self.lines.push(format!("… ({} rows)", self.rows));
        }
        self.rows = 0;
    }

    /// All of it, if there is anything.
    pub fn text(self) -> Option<String> {
        (!self.lines.is_empty()).then(|| self.lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::sql::{Dialect, scan};

    #[test]
    fn what_sqlite_prepares_and_what_is_counted_agree() {
        let text = "create table a(b); insert into a values(';');\n\
            create trigger t after insert on a begin select 1; select 2; end;\n-- end\n;select 1;select 2";
        let connection = Connection::open_in_memory().unwrap();
        let script = Script::new(text).unwrap();
        let mut cursor = Cursor::new(&connection, &script, 0);
        let mut ends = Vec::new();
        while let Some(statement) = cursor.next().unwrap() {
            cursor.carry_out(statement, &mut Said::default()).unwrap();
            ends.push(cursor.at);
        }
        assert_eq!(ends, scan(text, Dialect::Sqlite).statements.iter().map(|s| s.end).collect::<Vec<_>>());
    }

    fn reject(text: &str) -> Rejected {
        let connection = Connection::open_in_memory().unwrap();
        let script = Script::new(text).unwrap();
        let mut cursor = Cursor::new(&connection, &script, 0);
        loop {
            match cursor.next() {
                Ok(Some(statement)) => {
                    if let Err(rejected) = cursor.carry_out(statement, &mut Said::default()) {
                        return rejected;
                    }
                }
                Ok(None) => panic!("accepted"),
                Err(rejected) => return rejected,
            }
        }
    }

    #[test]
    fn errors_carry_the_line_of_the_script() {
        let syntax = reject("-- c\r\nselect 1;\n\nselect\n  1 +\n  from x;");
        assert_eq!((syntax.line, syntax.message.as_str()), (6, "near \"from\": syntax error"));
        let unknown = reject("create table a(b);\nselect b,\n  c\nfrom a;");
        assert_eq!((unknown.line, unknown.message.as_str()), (3, "no such column: c"));
        let at_run_time = reject("create table a(b not null);\n\n/* x */ insert into a\nvalues (null);");
        assert_eq!((at_run_time.line, at_run_time.code), (3, ffi::SQLITE_CONSTRAINT_NOTNULL));
        let open = reject("select 1;\nselect 'x\n\n");
        assert_eq!(open.line, 2, "{open:?}");
        let unfinished = reject("select 1;\ncreate table a (\n b,\n");
        assert_eq!((unfinished.line, unfinished.message.as_str()), (2, "incomplete input"));
        assert_eq!(Script::new("select 1;\nselect '\0'").err().unwrap().line, 2);
    }

    #[test]
    fn rows_are_said_in_short() {
        let connection = Connection::open_in_memory().unwrap();
        let text =
            "with n(i) as (select 1 union all select i + 1 from n where i < 30) select i, 'x' from n; select null";
        let script = Script::new(text).unwrap();
        let mut cursor = Cursor::new(&connection, &script, 0);
        let mut said = Said::default();
        while let Some(statement) = cursor.next().unwrap() {
            cursor.carry_out(statement, &mut said).unwrap();
        }
        let text = said.text().unwrap();
        assert!(text.starts_with("1|x\n2|x\n") && text.contains("10|x\n… (30 rows)\n"), "{text}");
    }
}
