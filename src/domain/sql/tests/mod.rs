//! The lexer against what real scripts hold.

mod laws;
mod mysql;
mod postgres;
mod sqlite;
mod transactions;

use super::*;

/// The statements' texts.
fn texts(text: &str, dialect: Dialect) -> Vec<&str> {
    scan(text, dialect).statements.iter().map(|s| s.text).collect()
}

/// `line: text` of a mark.
fn shown(mark: Option<&Mark>) -> String {
    mark.map_or_else(String::new, |mark| format!("{}: {}", mark.line, mark.what))
}

/// `line: what` of something unclosed.
fn unclosed(text: &str, dialect: Dialect) -> String {
    scan(text, dialect).unclosed.map_or_else(String::new, |u| format!("{}: {}", u.line, u.what))
}
