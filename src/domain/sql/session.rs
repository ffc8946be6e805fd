//! Statements that set something for the rest of a connection.

use super::lexeme::{Opening, takes, tokens};
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
    let opening = Opening::of(statement.text, dialect);
    match dialect {
        Dialect::Postgres => postgres(&opening),
        Dialect::Sqlite => match pragma(&opening) {
            Some(pragma) => pragma.has_value && !pragma.sets(&LASTING),
            None => matches!(opening.word(), b"attach" | b"detach"),
        },
        Dialect::Mysql => mysql(statement.text),
    }
}

fn postgres(opening: &Opening<'_>) -> bool {
    match opening.word() {
        b"set" => !opening.rest().next().is_some_and(|t| t.is_any(&["local", "transaction", "constraints"])),
        word => word == b"reset",
    }
}

fn mysql(text: &str) -> bool {
    let mut rest = tokens(text, Dialect::Mysql);
    // MySQL's dumps hide settings in comments that it runs: `/*!40101 SET NAMES utf8 */`.
    while rest.next_if(|t| t.is_punct(b'/')).is_some() {
        while rest.next_if(|t| matches!(t.kind, Kind::Punct(b'*' | b'!') | Kind::Number) || t.text == "M").is_some() {}
        // MariaDB's begin with a command of its client's: `/*M!999999\- enable the sandbox mode */`.
        if rest.next_if(|t| t.is_punct(b'\\')).is_none() {
            break;
        }
        while rest.next().is_some_and(|t| !t.is_punct(b'/')) {}
    }
    let elsewhere = ["global", "persist", "persist_only", "password", "transaction", "default"];
    rest.next_if(|t| t.is("use")).is_some()
        || takes(&mut rest, "set") && !rest.next().is_some_and(|t| t.is_any(&elsewhere))
}

/// Whether a PostgreSQL statement takes on another role.
pub(super) fn sets_role(opening: &Opening<'_>) -> bool {
    if opening.word() != b"set" {
        return false;
    }
    let mut rest = opening.rest();
    while rest.next_if(|t| t.is_any(&["session", "local"])).is_some() {}
    rest.next().is_some_and(|t| t.is_any(&["role", "authorization", "session_authorization"]))
}
