//! What SQLite does not let run inside a transaction.

use super::lexeme::Opening;
use super::token::Kind;

/// A PRAGMA, and whether it is given a value.
pub(super) struct Pragma<'a> {
    pub name: &'a str,
    pub has_value: bool,
}

/// PRAGMAs that fail when they are given a value inside a transaction.
const REFUSED: [&str; 2] = ["journal_mode", "synchronous"];

/// Reads a PRAGMA: `PRAGMA [schema.]name [= value | (value)]`.
pub(super) fn pragma<'a>(opening: &Opening<'a>) -> Option<Pragma<'a>> {
    if opening.word() != b"pragma" {
        return None;
    }
    let mut rest = opening.rest();
    let mut name = rest.next()?;
    if rest.next_if(|t| t.is_punct(b'.')).is_some() {
        name = rest.next()?;
    }
    let has_value = rest.next().is_some_and(|t| matches!(t.kind, Kind::Punct(b'=' | b'(')));
    Some(Pragma { name: name.text.trim_matches('"'), has_value })
}

impl Pragma<'_> {
    /// Whether it gives a value to one of these.
    pub fn sets(&self, names: &[&str]) -> bool {
        self.has_value && names.iter().any(|name| self.name.eq_ignore_ascii_case(name))
    }
}

/// Whether the statement fails inside a transaction, whatever the database holds.
pub(super) fn refuses_transaction(opening: &Opening<'_>) -> bool {
    match opening.word() {
        b"vacuum" | b"detach" => true,
        _ => pragma(opening).is_some_and(|pragma| pragma.sets(&REFUSED)),
    }
}

/// Whether the statement turns foreign keys on or off, which SQLite ignores without a word inside a transaction.
pub(super) fn sets_foreign_keys(opening: &Opening<'_>) -> bool {
    pragma(opening).is_some_and(|pragma| pragma.sets(&["foreign_keys"]))
}
