//! Scripts of Redis commands (`.redis`), a command a line, quoted as `redis-cli` takes them.
//!
//! Two things are more than `redis-cli` knows: lines that begin with `#` are comments, and a quoted value may go on over
//! several lines. A line break inside quotes is one LF whatever the file's line ends are, as the script's checksum has it.

use std::borrow::Cow;

use super::wrong::Wrong;

/// A command of a script: one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The line it begins on.
    pub line: usize,
    /// Its name and its arguments, as bytes: `\x` escapes need not be UTF-8.
    pub words: Vec<Vec<u8>>,
}

impl Command {
    /// Its name in upper case.
    pub fn name(&self) -> String {
        self.word(0)
    }

    /// A word in upper case; empty where there is none.
    pub fn word(&self, at: usize) -> String {
        self.words.get(at).map(|w| String::from_utf8_lossy(w).to_uppercase()).unwrap_or_default()
    }
}

const QUOTES: &str = "inside double quotes `\\\"`, `\\\\`, `\\n`, `\\r`, `\\t` and `\\xff` are understood, inside single quotes `\\'` alone";

/// Reads a script.
///
/// # Errors
/// A quote that is never closed, or that something follows without a blank.
pub fn commands(text: &str) -> Result<Vec<Command>, Wrong> {
    let text = text.trim_start_matches('\u{feff}');
    let text = match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    };
    let mut reader = Reader { bytes: text.as_bytes(), at: 0, line: 1 };
    let mut commands = Vec::new();
    while reader.at < reader.bytes.len() {
        commands.extend(reader.command()?);
    }
    Ok(commands)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    /// The command of the next line; none for an empty one or a comment.
    fn command(&mut self) -> Result<Option<Command>, Wrong> {
        let mut command = Command { line: self.line, words: Vec::new() };
        loop {
            match self.peek() {
                None => break,
                Some(b'\n') => {
                    self.next();
                    break;
                }
                Some(b'#') if command.words.is_empty() => {
                    while self.peek().is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                Some(blank) if blank.is_ascii_whitespace() => {
                    self.next();
                }
                Some(_) => {
                    let word = self.word()?;
                    command.words.push(word);
                }
            }
        }
        Ok(Some(command).filter(|c| !c.words.is_empty()))
    }

    fn word(&mut self) -> Result<Vec<u8>, Wrong> {
        let mut word = Vec::new();
        while let Some(byte) = self.peek().filter(|b| !b.is_ascii_whitespace()) {
            let opened = self.line;
            self.next();
            let closed = match byte {
                b'"' => self.double(&mut word),
                b'\'' => self.single(&mut word),
                plain => {
                    word.push(plain);
                    continue;
                }
            };
            if !closed {
                let message = "a quote is opened here and never closed".to_owned();
                return Err(Wrong { line: opened, message, hint: QUOTES });
            }
            if self.peek().is_some_and(|b| !b.is_ascii_whitespace()) {
                let message = "a closing quote has to be followed by a blank".to_owned();
                return Err(Wrong { line: self.line, message, hint: QUOTES });
            }
        }
        Ok(word)
    }

    fn double(&mut self, word: &mut Vec<u8>) -> bool {
        while let Some(byte) = self.next() {
            match byte {
                b'"' => return true,
                b'\\' => {
                    let Some(escaped) = self.next() else { return false };
                    let byte = match escaped {
                        b'x' => self.hex(),
                        b'n' => Some(b'\n'),
                        b'r' => Some(b'\r'),
                        b't' => Some(b'\t'),
                        b'b' => Some(8),
                        b'a' => Some(7),
                        _ => None,
                    };
                    word.push(byte.unwrap_or(escaped));
                }
                plain => word.push(plain),
            }
        }
        false
    }

    /// The byte of `\xff`; without two digits the `x` stands for itself.
    fn hex(&mut self) -> Option<u8> {
        let digits = self.bytes.get(self.at..self.at + 2).filter(|d| d.iter().all(u8::is_ascii_hexdigit))?;
        let byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        self.at += 2;
        Some(byte)
    }

    fn single(&mut self, word: &mut Vec<u8>) -> bool {
        while let Some(byte) = self.next() {
            match byte {
                b'\'' => return true,
                b'\\' if self.peek() == Some(b'\'') => {
                    self.next();
                    word.push(b'\'');
                }
                plain => word.push(plain),
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, Vec<String>)> {
        let text_of = |w: &Vec<u8>| String::from_utf8_lossy(w).into_owned();
        commands(text).unwrap().iter().map(|c| (c.line, c.words.iter().map(text_of).collect())).collect()
    }

    fn expect(line: usize, words: &[&str]) -> (usize, Vec<String>) {
        (line, words.iter().map(|w| (*w).to_owned()).collect())
    }

    #[test]
    fn a_command_a_line_and_comments() {
        let text = "\u{feff}# top\r\n\r\nSET a 1\r  # in between\n\tGET  a \nSET b #1";
        assert_eq!(
            words(text),
            [expect(3, &["SET", "a", "1"]), expect(5, &["GET", "a"]), expect(6, &["SET", "b", "#1"])]
        );
        assert!(words("").is_empty() && words("\n# only").is_empty());
    }

    #[test]
    fn quotes_are_those_of_redis_cli() {
        assert_eq!(words(r#"SET "a b" 'it\'s "x" \n'"#), [expect(1, &["SET", "a b", r#"it's "x" \n"#])]);
        assert_eq!(words(r#"SET k "\"q\" \\ \t|\x41\xZZ""#), [expect(1, &["SET", "k", "\"q\" \\ \t|AxZZ"])]);
        assert_eq!(words(r#"SET k """#), [expect(1, &["SET", "k", ""])]);
        assert_eq!(commands(r#"SET k "\xff\x00""#).unwrap()[0].words[2], [0xff, 0]);
    }

    #[test]
    fn values_go_on_over_lines() {
        let text = "JSON '{\r\n  \"a\": 1\r\n}'\nGET x";
        assert_eq!(words(text), [expect(1, &["JSON", "{\n  \"a\": 1\n}"]), expect(4, &["GET", "x"])]);
    }

    #[test]
    fn a_slip_with_quotes_is_told_with_its_line() {
        let wrong = commands("SET a 1\nSET b \"x\nSET c 2\n").unwrap_err();
        assert_eq!((wrong.line, wrong.message.as_str()), (2, "a quote is opened here and never closed"));
        let wrong = commands("\nSET b 'x'y").unwrap_err();
        assert_eq!((wrong.line, wrong.message.as_str()), (2, "a closing quote has to be followed by a blank"));
        assert_eq!(commands("SET a \"\\").unwrap_err().line, 1);
    }
}
