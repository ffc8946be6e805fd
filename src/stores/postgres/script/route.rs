//! How a script gets to psql.

use crate::domain::sql::{self, Dialect};
use crate::stores::Step;

/// How a script gets to psql.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// psql reads the file, and names it and its lines in messages.
    Include(String),
    /// The whole text through psql's input: `\q` then ends the client, instead of ending the script unseen.
    Whole(&'a str),
    /// Statement by statement, with the ledger told after each; and how many there are in all.
    Parts(Vec<Part<'a>>, u32),
}

/// A statement of a script that is no single transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// From its first word to behind its terminator and data.
    pub text: &'a str,
    /// Its first line in the user's file.
    pub line: usize,
    /// Its number, from 1.
    pub number: u32,
    /// Whether psql needs a terminator.
    pub open: bool,
    /// Whether a transaction of the script's own is open behind it, so that nothing may be written yet.
    pub within: bool,
    /// A setting that is repeated because what follows needs it, in a script that goes on where it had stopped.
    pub replayed: bool,
}

/// Whether psql reads the script from a file of its own, and nothing in it outlasts its transaction.
pub fn is_plain(step: &Step) -> bool {
    step.mode.is_atomic() && !has_commands(step)
}

/// Whether it has commands of psql's own, whose effects nobody sees or takes back.
pub fn has_commands(step: &Step) -> bool {
    step.shape.client_language.is_some()
}

/// How a script has to get to psql; `path` is what psql would read it from. One that has no entry is not fed by parts.
pub fn route<'a>(step: &'a Step, path: &str, journalled: bool) -> Route<'a> {
    if is_plain(step) {
        return Route::Include(path.to_owned());
    }
    let scan = sql::scan(&step.text, Dialect::Postgres);
    if scan.meta_commands.iter().any(|m| m.what.starts_with("\\q") && !m.what.starts_with("\\qecho")) {
        return Route::Whole(&step.text);
    }
    let whole = !journalled
        || step.mode.is_atomic()
        || !scan.meta_commands.is_empty()
        || step.shape.sets_role.is_some()
        || scan.unclosed.is_some();
    if whole { Route::Include(path.to_owned()) } else { parts(step, &scan) }
}

/// The statements of a script, from where it has to begin.
fn parts<'a>(step: &'a Step, scan: &sql::Scan<'a>) -> Route<'a> {
    let within = sql::transaction_open_after(&scan.statements, Dialect::Postgres);
    let mut parts = Vec::with_capacity(scan.statements.len());
    for ((number, statement), within) in (1u32..).zip(&scan.statements).zip(within) {
        let skipped = number <= step.resume_from;
        if skipped && !sql::is_session_setting(statement, Dialect::Postgres) {
            continue;
        }
        parts.push(Part {
            text: &step.text[statement.start..statement.end],
            line: statement.line,
            number,
            open: !statement.terminated,
            within,
            replayed: skipped,
        });
    }
    Route::Parts(parts, u32::try_from(scan.statements.len()).unwrap_or(u32::MAX))
}
