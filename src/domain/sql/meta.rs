//! Commands that a client obeys itself and a server never sees: psql's backslash commands, sqlite3's dot
//! commands, `DELIMITER` of mysql.

use super::line::line_end;

/// What a client's command does to the statement around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// `\g` and its kin send what has been typed, as a semicolon would.
    Sends,
    /// `\r` throws away what has been typed.
    Clears,
    /// `\copy … from stdin`: data follows, beginning with the next line.
    Data,
}

/// Reads the psql command whose backslash is at `start`: where it ends, and what it does.
pub(super) fn backslash(text: &str, start: usize) -> (usize, Effect) {
    let bytes = text.as_bytes();
    // `\;` and `\:` put the character itself into the statement.
    if matches!(bytes.get(start + 1), Some(b';' | b':')) {
        return (start + 2, Effect::None);
    }
    let letters = bytes[start + 1..].iter().take_while(|b| b.is_ascii_alphabetic() || **b == b'_').count();
    let name = &text[start + 1..start + 1 + letters];
    let arguments = start + 1 + letters;
    let whole_line = || line_end(text, start).0;
    match name {
        "copy" => {
            let line = whole_line();
            let reads = reads_stdin(&text[arguments..line]);
            (line, if reads { Effect::Data } else { Effect::None })
        }
        "ef" | "ev" | "sf" | "sv" | "h" | "help" => (whole_line(), Effect::None),
        "" if bytes.get(start + 1) == Some(&b'!') => (whole_line(), Effect::None),
        _ => (arguments_end(bytes, arguments), effect(name)),
    }
}

fn effect(name: &str) -> Effect {
    match name {
        "g" | "gx" | "gset" | "gexec" | "gdesc" | "crosstabview" | "watch" => Effect::Sends,
        "r" | "reset" => Effect::Clears,
        _ => Effect::None,
    }
}

/// Arguments go to the end of the line or to the next backslash outside quotes; `\\` only parts commands.
fn arguments_end(bytes: &[u8], from: usize) -> usize {
    let mut quote = None;
    let mut at = from;
    while let Some(byte) = bytes.get(at).copied() {
        match (quote, byte) {
            (_, b'\n' | b'\r') => return at,
            (Some(open), _) if byte == open => quote = None,
            (None, b'\'' | b'"' | b'`') => quote = Some(byte),
            (None, b'\\') if bytes.get(at + 1) == Some(&b'\\') => return at + 2,
            // Right behind the first backslash it is the command's own name.
            (None, b'\\') if at > from => return at,
            (Some(b'\''), b'\\') if matches!(bytes.get(at + 1), Some(b'\'' | b'\\')) => at += 1,
            _ => {}
        }
        at += 1;
    }
    at
}

fn reads_stdin(arguments: &str) -> bool {
    let words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    words
        .windows(2)
        .any(|pair| pair[0].eq_ignore_ascii_case("from") && pair[1].trim_end_matches(';').eq_ignore_ascii_case("stdin"))
}

/// The end of the `COPY` data that begins at `from`: behind its `\.` line, or the end of the text.
pub(super) fn data_end(text: &str, from: usize) -> usize {
    let mut start = from;
    loop {
        let (end, next) = line_end(text, start);
        if &text[start..end] == "\\." || next == end {
            return next;
        }
        start = next;
    }
}

/// Whether nothing but blanks and a comment follows on the line.
pub(super) fn rest_of_line_is_blank(text: &str, from: usize) -> bool {
    let rest = text[from..].trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with(['\n', '\r']) || rest.starts_with("--")
}

/// Whether only blanks stand before the offset on its line.
pub(super) fn starts_its_line(text: &str, offset: usize) -> bool {
    let before = text.as_bytes()[..offset].iter().rev().find(|b| !matches!(b, b' ' | b'\t'));
    before.is_none_or(|b| matches!(b, b'\n' | b'\r')) || text[..offset].trim_matches([' ', '\t']) == "\u{feff}"
}
