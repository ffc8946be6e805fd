//! What SQLite does not let run inside a transaction.

use super::Dialect;
use super::lexeme::{Tokens, takes, tokens};
use super::token::Kind;

/// A PRAGMA, and whether it is given a value.
pub(super) struct Pragma<'a> {
    pub name: &'a str,
    pub has_value: bool,
}

/// PRAGMAs that fail when they are given a value inside a transaction.
const REFUSED: [&str; 2] = ["journal_mode", "synchronous"];

/// Reads a PRAGMA from behind its first word: `[schema.]name [= value | (value)]`.
pub(super) fn pragma<'a>(mut rest: Tokens<'a>) -> Option<Pragma<'a>> {
    let mut name = rest.next()?;
    if rest.next_if(|t| t.is_punct(b'.')).is_some() {
        name = rest.next()?;
    }
    let has_value = rest.next().is_some_and(|t| matches!(t.kind, Kind::Punct(b'=' | b'(')));
    Some(Pragma { name: name.text.trim_matches('"'), has_value })
}

/// Whether the statement fails inside a transaction, whatever the database holds.
pub(super) fn refuses_transaction(text: &str) -> bool {
    let mut rest = tokens(text, Dialect::Sqlite);
    let Some(first) = rest.next() else { return false };
    match () {
        () if first.is_any(&["vacuum", "detach"]) => true,
        () if first.is("pragma") => pragma(rest)
            .is_some_and(|pragma| pragma.has_value && REFUSED.iter().any(|r| pragma.name.eq_ignore_ascii_case(r))),
        () => false,
    }
}

/// Whether the statement turns foreign keys on or off, which SQLite ignores without a word inside a transaction.
pub(super) fn sets_foreign_keys(text: &str) -> bool {
    let mut rest = tokens(text, Dialect::Sqlite);
    takes(&mut rest, "pragma")
        && pragma(rest).is_some_and(|pragma| pragma.has_value && pragma.name.eq_ignore_ascii_case("foreign_keys"))
}
