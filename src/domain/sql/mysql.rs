//! What the clients of MySQL and MariaDB obey themselves, and what their servers commit without being asked.

use super::lexeme::{Opening, takes};
use super::token::{Kind, Token};

/// Words that the clients take for a command of their own where a statement could begin. MySQL's client obeys `DELIMITER`
/// alone while it reads a script, MariaDB's all of them; none begins a statement. `USE` is left out: the servers know it.
const COMMANDS: [&str; 24] = [
    "charset",
    "clear",
    "connect",
    "delimiter",
    "edit",
    "ego",
    "exit",
    "go",
    "help",
    "nopager",
    "notee",
    "nowarning",
    "pager",
    "print",
    "prompt",
    "quit",
    "rehash",
    "resetconnection",
    "sandbox",
    "source",
    "status",
    "system",
    "tee",
    "warnings",
];

/// Whether a line that begins with this word is a client's.
pub(super) fn is_client_command(word: &str) -> bool {
    COMMANDS.iter().any(|command| word.eq_ignore_ascii_case(command))
}

/// What a `DELIMITER` line sets, if it is one: its first word, as both clients read it.
pub(super) fn delimiter_set(line: &str) -> Option<&str> {
    let (word, rest) = line.split_once(|c: char| c.is_ascii_whitespace())?;
    let delimiter = rest.split_ascii_whitespace().next()?;
    word.eq_ignore_ascii_case("delimiter").then_some(delimiter)
}

/// Where in a token a delimiter begins: `END//` and `END$$` are two things. Strings and quoted names hold none.
pub(super) fn delimiter_within(text: &str, token: Token, delimiter: &str) -> Option<usize> {
    match token.kind {
        Kind::Text | Kind::Name => None,
        Kind::Punct(_) => text[token.start..].starts_with(delimiter).then_some(token.start),
        Kind::Word | Kind::Number => {
            (token.start..token.end).find(|at| text.as_bytes()[*at..].starts_with(delimiter.as_bytes()))
        }
    }
}

/// Whether a statement may commit what came before it, or be one that nothing takes back: everything that is not certainly
/// data, a question, or a setting of the session.
pub(super) fn ends_transaction(opening: &Opening<'_>) -> bool {
    let mut rest = opening.rest();
    match opening.word() {
        b"select" | b"insert" | b"update" | b"delete" | b"replace" | b"with" | b"values" | b"do" | b"use" | b"show"
        | b"explain" | b"describe" | b"desc" | b"savepoint" | b"release" | b"rollback" => false,
        // LOAD INDEX, LOAD XML of files: the first is about caches.
        b"load" => !takes(&mut rest, "data"),
        // What is set for others stays, a password is committed at once, and turning autocommit on commits.
        b"set" => {
            rest.next().is_some_and(|t| t.is_any(&["global", "persist", "persist_only", "password", "default", "role"]))
                || opening.rest().any(|t| t.is("autocommit") || t.text.eq_ignore_ascii_case("@@autocommit"))
        }
        _ => true,
    }
}
