//! `.mem` scripts: a line per command, words as a shell takes them.

use std::time::Duration;

use crate::domain::directive::duration;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `set KEY VALUE`
    Set(String, String),
    /// `append KEY TEXT`: one more line at the end of a value.
    Append(String, String),
    /// `delete KEY`
    Delete(String),
    /// `fail MESSAGE`
    Fail(String),
    /// `sleep 500ms`
    Sleep(Duration),
    /// `say TEXT`
    Say(String),
    /// `noise BYTES`
    Noise(usize),
}

/// A command with the line it begins at, or why it is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub line: usize,
    pub command: Result<Command, String>,
}

/// The commands of a script in order. What is wrong with one is found when its turn comes, as a server would.
pub(super) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (logical, after) = logical_line(rest);
        let trimmed = logical.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            parts.push(Part { line, command: command(trimmed) });
        }
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    parts
}

/// Cuts at the first line end that is outside quotes: a quoted value may hold line ends of its own.
fn logical_line(text: &str) -> (&str, &str) {
    let is_comment = text.trim_start_matches([' ', '\t']).starts_with('#');
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\n', None) => return (&text[..at], &text[at + 1..]),
            _ if is_comment => {}
            ('\\', None | Some('"')) => escaped = true,
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    (text, "")
}

fn command(line: &str) -> Result<Command, String> {
    let words = shell_words::split(line).map_err(|_| "a quote is opened here and never closed".to_owned())?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = match words[..] {
        ["set", key, value] => Command::Set(key.to_owned(), value.to_owned()),
        ["append", key, text] => Command::Append(key.to_owned(), text.to_owned()),
        ["delete", key] => Command::Delete(key.to_owned()),
        ["fail", ref message @ ..] => Command::Fail(message.join(" ")),
        ["say", ref text @ ..] => Command::Say(text.join(" ")),
        ["sleep", time] => Command::Sleep(duration(time).ok_or_else(|| format!("`{time}` is not a time"))?),
        ["noise", bytes] => Command::Noise(bytes.parse().map_err(|_| format!("`{bytes}` is not a number"))?),
        ["set", ..] => return Err("expected `set KEY VALUE`; a value with blanks needs quotes".to_owned()),
        ["append", ..] => return Err("expected `append KEY TEXT`; a text with blanks needs quotes".to_owned()),
        ["delete", ..] => return Err("expected `delete KEY`".to_owned()),
        ["sleep", ..] => return Err("expected `sleep 500ms`".to_owned()),
        ["noise", ..] => return Err("expected `noise BYTES`".to_owned()),
        [] => return Err("there is no command here".to_owned()),
        [unknown, ..] => {
            return Err(format!(
                "unknown command `{unknown}`; the commands are set, append, delete, fail, sleep, say and noise"
            ));
        }
    };
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(line: usize, key: &str, value: &str) -> Part {
        Part { line, command: Ok(Command::Set(key.to_owned(), value.to_owned())) }
    }

    #[test]
    fn values_come_through_whole_and_lines_are_counted_over_them() {
        let text = "# it's a comment\nset a 'x\r\ny \"z\" \\'\r\n\n  set b \"it's \\\"so\\\" 🪜\"\nset c d\\ e";
        let expected = [set(2, "a", "x\r\ny \"z\" \\"), set(5, "b", "it's \"so\" 🪜"), set(6, "c", "d e")];
        assert_eq!(parts(text), expected);
    }

    #[test]
    fn a_bad_line_is_an_error_of_its_own_and_the_others_are_read() {
        let parts = parts("set a 1\nfrob\nset b\nsleep long\nset c 'x");
        let lines: Vec<usize> = parts.iter().filter(|p| p.command.is_err()).map(|p| p.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
    }

    #[test]
    fn nothing_is_in_an_empty_script() {
        assert_eq!(parts(""), []);
        assert_eq!(parts("\n  # only this\n\r\n"), []);
    }
}
