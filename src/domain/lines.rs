//! Scripts of command lines (`.kafka`), as a person types them, read without a shell.
//!
//! Quotes, `\` at a line's end and `#` comments mean what they mean to a shell. `<<WORD` and `<<<` feed a program's
//! input, which is how records get into a topic. Everything else that only a shell can do is refused with its line.

use super::wrong::Wrong;

/// A command line of a script: one journalled part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The line it begins on.
    pub line: usize,
    /// `KAFKA_HEAP_OPTS=-Xmx1g` before the program.
    pub env: Vec<(String, String)>,
    /// The program and its arguments.
    pub words: Vec<String>,
    /// What the program reads.
    pub input: Option<String>,
}

const ONE: &str = "write one command a line; the lines run one after the other and stop at the first that fails";
const SHELL: &str = "nothing here goes to a shell; a `.up.sh` script does, and gets the connection in its environment";
const EXPAND: &str = "variables are not expanded here; leave `--bootstrap-server` and `--command-config` out, the store adds them. \
    A `$` that is meant stands in single quotes";

/// Reads a script.
///
/// # Errors
/// The first thing that cannot be read, with its line.
pub fn parts(text: &str) -> Result<Vec<Part>, Wrong> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut reader = Reader { rest: &text, line: 1 };
    let mut parts = Vec::new();
    while let Some(part) = reader.command()? {
        parts.extend((!part.words.is_empty()).then_some(part));
    }
    Ok(parts)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

/// What `<<` and `<<<` say while their command is still being read.
enum Input {
    Text(String),
    Until(String),
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn take(&mut self, what: &str) -> bool {
        let there = self.rest.starts_with(what);
        if there {
            self.line += what.matches('\n').count();
            self.rest = &self.rest[what.len()..];
        }
        there
    }

    fn wrong<T>(&self, message: impl Into<String>, hint: &'static str) -> Result<T, Wrong> {
        Err(Wrong { line: self.line, message: message.into(), hint })
    }

    /// The next line's command; one without words for an empty line; none at the end.
    fn command(&mut self) -> Result<Option<Part>, Wrong> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut part = Part { line: self.line, ..Part::default() };
        let mut input = None;
        loop {
            self.blanks();
            match self.peek() {
                None => break,
                Some('\n') => {
                    self.next();
                    break;
                }
                Some('#') => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                Some('<') => input = Some(self.input()?),
                Some(_) => {
                    if part.words.is_empty() && part.env.is_empty() {
                        part.line = self.line;
                    }
                    let (word, quoted) = self.word()?;
                    match assignment(&word).filter(|_| part.words.is_empty() && !quoted) {
                        Some(pair) => part.env.push(pair),
                        None => part.words.push(word),
                    }
                }
            }
        }
        part.input = match input {
            None => None,
            Some(Input::Text(text)) => Some(text + "\n"),
            Some(Input::Until(end)) => Some(self.here(&end, part.line)?),
        };
        if part.words.is_empty() && (!part.env.is_empty() || part.input.is_some()) {
            let line = part.line;
            return Err(Wrong { line, message: "there is no command in this line".to_owned(), hint: ONE });
        }
        Ok(Some(part))
    }

    fn blanks(&mut self) {
        while self.take("\\\n") || matches!(self.peek(), Some(' ' | '\t')) && self.next().is_some() {}
    }

    /// `<<< text` or `<<WORD`.
    fn input(&mut self) -> Result<Input, Wrong> {
        if self.take("<<<") {
            self.blanks();
            return Ok(Input::Text(self.word()?.0));
        }
        if self.take("<<-") || !self.take("<<") {
            return self.wrong("`<` reads a file, which only a shell does", SHELL);
        }
        self.blanks();
        let (word, _) = self.word()?;
        match word.is_empty() {
            true => self.wrong("`<<` needs a word that ends the text", SHELL),
            false => Ok(Input::Until(word)),
        }
    }

    /// The lines up to the one that ends them.
    fn here(&mut self, end: &str, began: usize) -> Result<String, Wrong> {
        let mut at = 0;
        for line in self.rest.split_inclusive('\n') {
            if line.strip_suffix('\n').unwrap_or(line) == end {
                let text = self.rest[..at].to_owned();
                self.rest = &self.rest[at + line.len()..];
                self.line += text.matches('\n').count() + line.matches('\n').count();
                return Ok(text);
            }
            at += line.len();
        }
        let message = format!("the text that begins here has no end: there is no line `{end}`");
        Err(Wrong { line: began, message, hint: "end it with that word in a line of its own" })
    }

    /// One word, without its quotes, and whether it had any.
    fn word(&mut self) -> Result<(String, bool), Wrong> {
        let (mut word, mut quoted) = (String::new(), false);
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' => break,
                '\'' | '"' => {
                    quoted = true;
                    self.quoted(c, &mut word)?;
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(c) => word.push(c),
                        None => return self.wrong("a `\\` stands at the end of the script", ONE),
                    }
                }
                '|' => return self.wrong("`|` feeds another program, which only a shell does", SHELL),
                '>' | '<' => return self.wrong(format!("`{c}` is a redirection, which only a shell does"), SHELL),
                ';' | '&' => return self.wrong(format!("`{c}` joins commands, which only a shell does"), ONE),
                '`' | '(' | ')' => return self.wrong(format!("`{c}` means something to a shell only"), SHELL),
                '$' if self.is_expansion() => return self.wrong("`$` stands for a variable or a command", EXPAND),
                _ => {
                    word.push(c);
                    self.next();
                }
            }
        }
        Ok((word, quoted))
    }

    fn is_expansion(&self) -> bool {
        let after = self.rest[1..].chars().next();
        after.is_some_and(|c| c.is_ascii_alphanumeric() || "_({@*#?!$".contains(c))
    }

    fn quoted(&mut self, quote: char, word: &mut String) -> Result<(), Wrong> {
        let began = self.line;
        self.next();
        while let Some(c) = self.peek() {
            match c {
                _ if c == quote => {
                    self.next();
                    return Ok(());
                }
                '\\' if quote == '"' => {
                    self.next();
                    match self.next() {
                        Some('\n') => {}
                        Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                        Some(c) => word.extend(['\\', c]),
                        None => break,
                    }
                }
                '`' if quote == '"' => return self.wrong("a backtick runs a command, which only a shell does", SHELL),
                '$' if quote == '"' && self.is_expansion() => {
                    return self.wrong("`$` stands for a variable or a command", EXPAND);
                }
                _ => {
                    word.push(c);
                    self.next();
                }
            }
        }
        let message = format!("a quote {quote} is opened here and never closed");
        Err(Wrong { line: began, message, hint: "close it, or put a `\\` before a quote that is meant as it is" })
    }
}

/// `NAME=value` in capitals, as before a command.
fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let fine = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(fine);
    is_name.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, Vec<String>)> {
        parts(text).unwrap().into_iter().map(|p| (p.line, p.words)).collect()
    }

    fn wrong(text: &str) -> (usize, String) {
        let wrong = parts(text).unwrap_err();
        (wrong.line, wrong.message)
    }

    #[test]
    fn lines_are_commands_and_keep_their_numbers() {
        let text = "# top\r\n\r\nkafka-topics --list\r\n  kafka-configs \\\r\n  --describe # why\r\n#\nx 'a b' \"c\\\"d\" e\\ f g#h";
        let expected: Vec<(usize, Vec<&str>)> = vec![
            (3, vec!["kafka-topics", "--list"]),
            (4, vec!["kafka-configs", "--describe"]),
            (7, vec!["x", "a b", "c\"d", "e f", "g#h"]),
        ];
        let found = words(text);
        let found: Vec<(usize, Vec<&str>)> =
            found.iter().map(|(n, w)| (*n, w.iter().map(String::as_str).collect())).collect();
        assert_eq!(found, expected);
        assert_eq!(parts("\u{feff}# only\n\n"), Ok(vec![]));
        assert_eq!(parts(""), Ok(vec![]));
    }

    #[test]
    fn programs_get_their_input_from_the_script() {
        let found = parts("p --topic t <<'END'\nk:'v' $x | y\n\nEND\nq <<< 'a\nb' r\n# e").unwrap();
        assert_eq!(found[0].input.as_deref(), Some("k:'v' $x | y\n\n"));
        assert_eq!(found[0].words, ["p", "--topic", "t"]);
        assert_eq!((found[1].line, found[1].input.as_deref()), (5, Some("a\nb\n")));
        assert_eq!(found[1].words, ["q", "r"]);
        assert_eq!(wrong("\np <<END\nx\n").0, 2);
    }

    #[test]
    fn variables_before_the_program_are_its_environment() {
        let found = parts("KAFKA_HEAP_OPTS=-Xmx64m kafka-topics --config a=b").unwrap();
        assert_eq!(found[0].env, [("KAFKA_HEAP_OPTS".to_owned(), "-Xmx64m".to_owned())]);
        assert_eq!(found[0].words, ["kafka-topics", "--config", "a=b"]);
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused_with_its_line() {
        for (text, line, word) in [
            ("a\nkafka-topics --list | grep x", 2, "`|`"),
            ("a > b", 1, "redirection"),
            ("a < b", 1, "reads a file"),
            ("a && b", 1, "joins"),
            ("a; b", 1, "joins"),
            ("a `b`", 1, "shell"),
            ("a $(b)", 1, "variable"),
            ("\n\na --bootstrap-server $BROKERS", 3, "variable"),
            ("a \"${X}\"", 1, "variable"),
            ("a\nb 'c\nd\n", 2, "never closed"),
            ("a \"b", 1, "never closed"),
            ("A=b", 1, "no command"),
        ] {
            let (at, message) = wrong(text);
            assert!(at == line && message.contains(word), "{text:?}: {at} {message}");
        }
        assert_eq!(words("a '$X|y' \"5$\" \\$X").remove(0).1, ["a", "$X|y", "5$", "$X"]);
    }
}
