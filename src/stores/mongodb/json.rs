//! `.json` scripts: one command document, or an array of them, as `db.runCommand` takes it, in extended JSON.

use bson::{Bson, Document};
use serde_json::Value;

/// A command of a script.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The line that it begins in, counted from 1.
    pub line: usize,
    /// What the server is told.
    pub document: Document,
}

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The line of it, counted from 1.
    pub line: usize,
    /// In words.
    pub message: String,
}

/// Takes a script apart. Lines of `//` before its first character are comments.
///
/// # Errors
/// What is no JSON, or no command.
pub fn commands(text: &str) -> Result<Vec<Command>, Unfit> {
    let text = without_comments(text);
    let blank = text.trim();
    if blank.is_empty() {
        return Ok(Vec::new());
    }
    // What is wrong as a whole is told by the parser; taking it apart is then safe.
    let _: Value = serde_json::from_str(&text)
        .map_err(|e| Unfit { line: e.line().max(1), message: format!("this is no JSON: {e}") })?;
    if !blank.starts_with('[') {
        let at = text.find('{').unwrap_or(0);
        return Ok(vec![command(&text, at, text.len())?]);
    }
    elements(&text).into_iter().map(|(from, to)| command(&text, from, to)).collect()
}

/// Comments become blanks, so that lines stay where they are.
fn without_comments(text: &str) -> String {
    let mut head = true;
    let lines = text.split_inclusive('\n').map(|line| {
        let trimmed = line.trim_start();
        match head && (trimmed.is_empty() || trimmed.starts_with("//")) {
            true if line.ends_with('\n') => "\n",
            true => "",
            false => {
                head = false;
                line
            }
        }
    });
    lines.collect()
}

fn command(text: &str, from: usize, to: usize) -> Result<Command, Unfit> {
    let line = text[..from].matches('\n').count() + 1;
    let unfit = |message: String| Unfit { line, message };
    let value: Value = serde_json::from_str(text[from..to].trim()).map_err(|e| unfit(e.to_string()))?;
    match Bson::try_from(value).map_err(|e| unfit(format!("this is no extended JSON: {e}")))? {
        Bson::Document(document) if !document.is_empty() => Ok(Command { line, document }),
        other => Err(unfit(format!("a command is an object such as {{\"create\": \"orders\"}}, and this is {other}"))),
    }
}

/// Where the elements of the outermost array begin and end. The text is JSON.
fn elements(text: &str) -> Vec<(usize, usize)> {
    let (mut found, mut depth, mut quoted, mut escaped) = (Vec::new(), 0_usize, false, false);
    let mut from = None;
    for (at, c) in text.char_indices() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        if depth == 1 && from.is_none() && !c.is_whitespace() && !matches!(c, ',' | ']') {
            from = Some(at);
        }
        match c {
            '"' => quoted = true,
            '[' | '{' => depth += 1,
            ',' if depth == 1 => found.extend(from.take().map(|from| (from, at))),
            ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    found.extend(from.take().map(|from| (from, at)));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[test]
    fn commands_come_with_their_lines() {
        let text = "// stepladder: timeout 30s\n\n[\n  {\"create\": \"a,]\\\"\"},\n\n  {\"insert\": \"a\",\n   \"documents\": [{\"n\": {\"$numberLong\": \"7\"}}]}\n]\n";
        let found = commands(text).unwrap();
        assert_eq!(found.iter().map(|c| c.line).collect::<Vec<_>>(), [4, 6]);
        assert_eq!(found[0].document, doc! { "create": "a,]\"" });
        assert_eq!(found[1].document, doc! { "insert": "a", "documents": [{ "n": 7_i64 }] });
        assert_eq!(commands("{\"create\": \"a\"}").unwrap().len(), 1);
        assert_eq!(commands("// nothing\n").unwrap(), []);
        assert_eq!(commands("[]").unwrap(), []);
    }

    #[test]
    fn what_is_no_command_is_told_with_its_line() {
        assert_eq!(commands("[\n {\"create\": }\n]").unwrap_err().line, 2);
        assert_eq!(commands("[\n {\"a\": 1},\n 7\n]").unwrap_err().line, 3);
        assert_eq!(commands("[\n {}]").unwrap_err().line, 2);
        assert_eq!(commands("{\"a\": {\"$oid\": \"x\"}}").unwrap_err().line, 1);
        assert!(commands("\"text\"").is_err());
    }
}
