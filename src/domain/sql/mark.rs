//! The short texts that name a statement in a plan or a message. What could be a secret stays out of them.

use super::Dialect;
use super::lexeme::tokens;
use super::token::Kind;

/// The most characters of a text, the mark of omission included.
const WIDTH: usize = 60;

/// A statement on one line, without its comments, shortened.
pub(super) fn statement(code: &str, dialect: Dialect) -> String {
    let mut shown = String::new();
    let mut end = 0;
    // A subscription's connection and a server's settings hold passwords.
    let mut secret = false;
    for (index, token) in tokens(code, dialect).enumerate() {
        secret |= index == 1 && token.is_any(&["subscription", "system"]);
        if token.start > end {
            shown.push(' ');
        }
        end = token.start + token.text.len();
        if secret && token.kind == Kind::Text {
            shown.push_str("'…'");
        } else {
            shown.extend(token.text.chars().take(WIDTH + 1).map(plain));
        }
        if shown.len() > WIDTH * 4 {
            break;
        }
    }
    shortened(&shown)
}

/// A client's command on one line, shortened. The arguments of those that take passwords are left out.
pub(super) fn command(code: &str) -> String {
    let line: String = code.chars().take(WIDTH * 4).map(plain).collect();
    let (name, arguments) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
    match name {
        "\\c" | "\\connect" | "\\password" | "\\!" => name.to_owned(),
        "\\set" | "\\setenv" => format!("{name} {}", arguments.split_whitespace().next().unwrap_or_default()),
        _ => shortened(line.trim_end()),
    }
}

fn plain(character: char) -> char {
    if character.is_control() { ' ' } else { character }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        None => text.to_owned(),
        Some(_) => text.chars().take(WIDTH - 1).chain(['…']).collect(),
    }
}
