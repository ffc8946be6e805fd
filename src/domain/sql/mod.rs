//! SQL read as statements, without a server: where each begins and ends, and what in them decides how a script must
//! be run. It is a lexer and no parser, on purpose: the servers know their grammars, and a script that no rule here
//! recognises is a plain one. Words in comments, strings, quoted names and dollar-quoted bodies decide nothing.
//!
//! One pass, linear in the text and without copying it; no input makes it panic. MySQL's `DELIMITER` is
//! obeyed and reported as the client's command that it is.

mod head;
mod lexeme;
mod line;
mod mark;
mod meta;
mod mysql;
mod postgres;
mod session;
mod shape;
mod split;
mod sqlite;
mod token;
mod transaction;

#[cfg(test)]
mod tests;

pub use session::is_session_setting;
pub use shape::shape;
pub use transaction::{tables_locked_after, transaction_open_after};

use line::Lines;
use split::{Part, Splitter};

/// Whose SQL a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL and TimescaleDB, as psql reads them.
    Postgres,
    /// SQLite, as its library reads it.
    Sqlite,
    /// MySQL and MariaDB.
    Mysql,
}

/// One statement of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// From its first token to its last: no terminator, and no comments around it.
    pub text: &'a str,
    /// The 1-based line of its first token.
    pub line: usize,
    /// Offset of its first token in the script.
    pub start: usize,
    /// Offset behind its terminator, and behind the `\.` line of a `COPY`'s data.
    pub end: usize,
    /// Whether it has a terminator; the last statement of a script may do without.
    pub terminated: bool,
}

/// A place in a script, and what stands there on one short line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The 1-based line.
    pub line: usize,
    /// The statement or command, shortened, on one line, without secrets.
    pub what: String,
}

/// Something that is opened and never closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclosed {
    /// The 1-based line where it is opened.
    pub line: usize,
    /// What it is: `string`, `block comment`, `trigger body`…
    pub what: &'static str,
}

/// A script, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The statements in their order, empty ones left out.
    pub statements: Vec<Statement<'a>>,
    /// Commands of the client's own language: psql's backslash commands, sqlite3's dot commands, `DELIMITER`.
    pub meta_commands: Vec<Mark>,
    /// What is opened and never closed; the text behind it is part of it.
    pub unclosed: Option<Unclosed>,
}

/// What decides how a script must be run. Each mark is the first of its sort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How many statements there are.
    pub statements: usize,
    /// What is opened and never closed.
    pub unclosed: Option<Unclosed>,
    /// A statement that begins or ends a transaction. Savepoints do neither.
    pub own_transaction: Option<Mark>,
    /// A statement that certainly fails inside a transaction.
    pub outside_transaction: Option<Mark>,
    /// A command of the client's own language.
    pub client_language: Option<Mark>,
    /// A COMMIT or ROLLBACK inside a DO block, which fails inside a transaction once it is reached.
    pub commit_in_do: Option<Mark>,
    /// SET ROLE or SET SESSION AUTHORIZATION.
    pub sets_role: Option<Mark>,
    /// SQLite's `PRAGMA foreign_keys = …`, which does nothing inside a transaction.
    pub foreign_keys_pragma: Option<Mark>,
}

/// Reads a script.
pub fn scan(text: &str, dialect: Dialect) -> Scan<'_> {
    let mut scan = Scan::default();
    // Two counters: a command in the middle of a statement comes before it, and each counts forward only.
    let (mut lines, mut command_lines) = (Lines::new(text), Lines::new(text));
    let mut parts = Splitter::new(text, dialect);
    for part in &mut parts {
        match part {
            Part::Statement(piece) => scan.statements.push(Statement {
                text: &text[piece.start..piece.stop],
                line: lines.of(piece.start),
                start: piece.start,
                end: piece.end,
                terminated: piece.terminated,
            }),
            Part::Meta(start, end) => {
                let line = command_lines.of(start);
                scan.meta_commands.push(Mark { line, what: mark::command(&text[start..end]) });
            }
        }
    }
    scan.unclosed = parts.unclosed.map(|(at, what)| Unclosed { line: line::line_of(text, at), what });
    scan
}
