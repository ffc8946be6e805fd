//! Statements that begin and end transactions.

use super::lexeme::{Opening, Tokens, takes};
use super::{Dialect, Statement};

/// What a statement does to the transaction around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control<'a> {
    Begin,
    /// The transaction is over; chained, the next one has begun.
    End {
        chain: bool,
    },
    /// A named part of a transaction. SQLite begins one with it where there is none.
    Savepoint(&'a str),
    Release(&'a str),
}

/// What a statement does to the transaction around it, if anything.
pub(super) fn control<'a>(opening: &Opening<'a>, dialect: Dialect) -> Option<Control<'a>> {
    match (opening.word(), dialect) {
        (b"begin", _) => Some(Control::Begin),
        (b"start", Dialect::Postgres | Dialect::Mysql) => transaction(opening, Control::Begin),
        (b"commit" | b"rollback", _)
        | (b"end", Dialect::Postgres | Dialect::Sqlite)
        | (b"abort", Dialect::Postgres) => end(opening.rest()),
        (b"prepare", Dialect::Postgres) => transaction(opening, Control::End { chain: false }),
        (b"savepoint", _) => opening.rest().next().map(|name| Control::Savepoint(name.text)),
        (b"release", _) => {
            let mut rest = opening.rest();
            takes(&mut rest, "savepoint");
            rest.next().map(|name| Control::Release(name.text))
        }
        _ => None,
    }
}

fn transaction<'a>(opening: &Opening<'a>, control: Control<'a>) -> Option<Control<'a>> {
    takes(&mut opening.rest(), "transaction").then_some(control)
}

/// What follows COMMIT, END, ROLLBACK or ABORT. Going back to a savepoint ends nothing, and a prepared
/// transaction is another one.
fn end(mut rest: Tokens<'_>) -> Option<Control<'_>> {
    rest.next_if(|t| t.is_any(&["work", "transaction"]));
    if rest.peek().is_some_and(|t| t.is_any(&["to", "prepared"])) {
        return None;
    }
    let chain = takes(&mut rest, "and") && takes(&mut rest, "chain");
    Some(Control::End { chain })
}

/// Whether a transaction of the script's own is open after each of its statements, were they run one by one with
/// no transaction around them.
pub fn transaction_open_after(statements: &[Statement<'_>], dialect: Dialect) -> Vec<bool> {
    let mut begun = false;
    // Only SQLite begins a transaction with a savepoint; the others take one as part of what has begun.
    let mut savepoints: Vec<&str> = Vec::new();
    let mut after = Vec::with_capacity(statements.len());
    for statement in statements {
        match control(&Opening::of(statement.text, dialect), dialect) {
            Some(Control::Begin) => begun = true,
            Some(Control::End { chain }) => {
                begun = begun && chain;
                savepoints.clear();
            }
            Some(Control::Savepoint(name)) if dialect == Dialect::Sqlite => savepoints.push(bare(name)),
            Some(Control::Release(name)) => {
                let at = savepoints.iter().rposition(|point| point.eq_ignore_ascii_case(bare(name)));
                savepoints.truncate(at.unwrap_or(savepoints.len()));
            }
            Some(Control::Savepoint(_)) | None => {}
        }
        after.push(begun || !savepoints.is_empty());
    }
    after
}

/// Whether tables are locked by `LOCK TABLES` after each of MySQL's statements. Until `UNLOCK TABLES`, or a transaction that
/// begins, the server lets the session touch no other table.
pub fn tables_locked_after(statements: &[Statement<'_>]) -> Vec<bool> {
    let mut locked = false;
    let after = statements.iter().map(|statement| {
        let opening = Opening::of(statement.text, Dialect::Mysql);
        let tables = || opening.rest().next().is_some_and(|t| t.is_any(&["table", "tables"]));
        match opening.word() {
            b"lock" if tables() => locked = true,
            b"unlock" if tables() => locked = false,
            _ if control(&opening, Dialect::Mysql) == Some(Control::Begin) => locked = false,
            _ => {}
        }
        locked
    });
    after.collect()
}

fn bare(name: &str) -> &str {
    name.trim_matches(['"', '`', '\'', '[', ']'])
}
