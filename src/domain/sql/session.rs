//! Statements that set something for the rest of a connection.

use super::lexeme::{Tokens, takes, tokens};
use super::sqlite::pragma;
use super::token::Kind;
use super::{Dialect, Statement};

/// PRAGMAs with a value that write into the database or do something at once.
const LASTING: [&str; 6] =
    ["user_version", "application_id", "schema_version", "wal_checkpoint", "incremental_vacuum", "optimize"];

/// Whether a statement sets up its connection, so that a script that resumes in its middle needs it again:
/// `SET x = y`, `SET ROLE`, `RESET x`; of SQLite a PRAGMA with a value, ATTACH and DETACH; of MySQL `USE`, too.
/// What ends with a transaction (`SET LOCAL`, `SET TRANSACTION`, `SET CONSTRAINTS`) is none.
pub fn is_session_setting(statement: &Statement<'_>, dialect: Dialect) -> bool {
    let mut rest = tokens(statement.text, dialect);
    if dialect == Dialect::Mysql {
        skip_conditional(&mut rest);
    }
    let Some(first) = rest.next() else { return false };
    match dialect {
        Dialect::Postgres if first.is("set") => {
            !rest.peek().is_some_and(|t| t.is_any(&["local", "transaction", "constraints"]))
        }
        Dialect::Postgres => first.is("reset"),
        Dialect::Sqlite if first.is("pragma") => pragma(rest)
            .is_some_and(|pragma| pragma.has_value && !LASTING.iter().any(|l| pragma.name.eq_ignore_ascii_case(l))),
        Dialect::Sqlite => first.is_any(&["attach", "detach"]),
        Dialect::Mysql if first.is("set") => !rest
            .peek()
            .is_some_and(|t| t.is_any(&["global", "persist", "persist_only", "password", "transaction", "default"])),
        Dialect::Mysql => first.is("use"),
    }
}

/// Whether a PostgreSQL statement takes on another role.
pub(super) fn sets_role(text: &str) -> bool {
    let mut rest = tokens(text, Dialect::Postgres);
    if !takes(&mut rest, "set") {
        return false;
    }
    while rest.next_if(|t| t.is_any(&["session", "local"])).is_some() {}
    rest.next().is_some_and(|t| t.is_any(&["role", "authorization", "session_authorization"]))
}

/// MySQL hides settings in comments that it runs: `/*!40101 SET NAMES utf8 */`.
fn skip_conditional(rest: &mut Tokens<'_>) {
    if rest.next_if(|t| t.is_punct(b'/')).is_some() {
        while rest.next_if(|t| matches!(t.kind, Kind::Punct(b'*' | b'!') | Kind::Number) || t.text == "M").is_some() {}
    }
}
