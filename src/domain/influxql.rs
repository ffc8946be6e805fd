//! InfluxQL scripts: statements that end in `;`, and two commands that the server does not know: `INSERT`, as its own
//! shell has it, and `SLEEP`.
//!
//! A lexer and no parser, on purpose: the server knows its grammar. No input makes it panic.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::sql::Unclosed;

/// A statement of a script: one journalled part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The 1-based line of its first character.
    pub line: usize,
    /// From its first character to its last: no terminator, no comments around it.
    pub text: &'a str,
    /// What it is.
    pub sort: Sort<'a>,
}

/// Who carries a statement out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sort<'a> {
    /// The server.
    Query,
    /// `INSERT [INTO ["db".]"rp"] line protocol`: a write.
    Insert {
        /// Where to, unless it is the store's database.
        database: Option<String>,
        /// Which retention policy, unless it is the default.
        policy: Option<String>,
        /// The point, in line protocol.
        point: &'a str,
    },
    /// `SLEEP 5s`: a pause.
    Sleep(Duration),
}

/// A script, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan<'a> {
    /// Its statements in their order.
    pub statements: Vec<Statement<'a>>,
    /// What is opened and never closed.
    pub unclosed: Option<Unclosed>,
    /// A command that cannot be read: its line, and why.
    pub wrong: Option<(usize, String)>,
}

/// Reads a script.
pub fn scan(text: &str) -> Scan<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { text, at: 0, line: 1, scan: Scan::default() };
    while reader.statement() {}
    reader.scan
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    scan: Scan<'a>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        // A lone CR ends a line too.
        self.line += usize::from(c == '\n' || c == '\r' && self.peek() != Some('\n'));
        Some(c)
    }

    fn skip(&mut self, bytes: usize) {
        let end = self.at + bytes;
        while self.at < end && self.next().is_some() {}
    }

    fn unclosed(&mut self, what: &'static str, line: usize) {
        self.scan.unclosed.get_or_insert(Unclosed { what, line });
    }

    /// Skips a comment, if one is here.
    fn comment(&mut self) -> bool {
        let line = self.line;
        if self.rest().starts_with("--") {
            let end = self.rest().find(['\n', '\r']).unwrap_or(self.rest().len());
            self.skip(end);
        } else if self.rest().starts_with("/*") {
            match self.rest()[2..].find("*/") {
                Some(end) => self.skip(end + 4),
                None => {
                    self.skip(self.rest().len());
                    self.unclosed("comment", line);
                }
            }
        } else {
            return false;
        }
        true
    }

    /// Reads up to the next statement's end; false at the script's.
    fn statement(&mut self) -> bool {
        while self.comment() || self.peek().is_some_and(|c| c.is_whitespace() || c == ';') {
            if self.peek().is_some_and(|c| c.is_whitespace() || c == ';') {
                self.next();
            }
        }
        let (start, line) = (self.at, self.line);
        let word: String = self.rest().chars().take_while(char::is_ascii_alphabetic).collect();
        let end = match word.to_ascii_uppercase().as_str() {
            "" if self.rest().is_empty() => return false,
            "INSERT" => self.insert_end(),
            _ => self.query_end(),
        };
        let text = self.text[start..end].trim_end();
        match sort(&word, text) {
            Ok(sort) => self.scan.statements.push(Statement { line, text, sort }),
            Err(why) => _ = self.scan.wrong.get_or_insert((line, why)),
        }
        true
    }

    /// Where a point ends: with its line, or at a `;`, outside quotes.
    fn insert_end(&mut self) -> usize {
        let (mut quoted, line) = (false, self.line);
        while let Some(c) = self.peek() {
            match c {
                '\\' => _ = self.next(),
                '"' => quoted = !quoted,
                ';' | '\n' | '\r' if !quoted => return self.at,
                _ => {}
            }
            self.next();
        }
        if quoted {
            self.unclosed("double-quoted text", line);
        }
        self.at
    }

    /// Where a statement of the server's ends, without the comments behind it.
    fn query_end(&mut self) -> usize {
        let mut end = self.at;
        // Whether a `/` here would divide: an operand stands before it.
        let mut operand = false;
        loop {
            if self.comment() {
                continue;
            }
            let Some(c) = self.peek() else { return end };
            operand = match c {
                ';' => return end,
                c if c.is_whitespace() => {
                    self.next();
                    continue;
                }
                '\'' => self.quoted('\'', "single-quoted text"),
                '"' => self.quoted('"', "quoted name"),
                '/' if !operand && self.regex() => true,
                c if c.is_alphanumeric() || c == '_' => self.word(),
                c => {
                    self.next();
                    c == ')'
                }
            };
            end = self.at;
        }
    }

    /// Skips a text or a name, which is an operand.
    fn quoted(&mut self, quote: char, what: &'static str) -> bool {
        let line = self.line;
        self.next();
        while let Some(c) = self.next() {
            match c {
                '\\' => _ = self.next(),
                c if c == quote => return true,
                _ => {}
            }
        }
        self.unclosed(what, line);
        true
    }

    /// A regular expression, if its end is on this line.
    fn regex(&mut self) -> bool {
        let mut escaped = false;
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                '\n' | '\r' => return false,
                '/' if !escaped => {
                    self.skip(at + 1);
                    return true;
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        false
    }

    /// A word; whether it is an operand rather than a keyword before one.
    fn word(&mut self) -> bool {
        const BEFORE: [&str; 9] = ["SELECT", "FROM", "BY", "WHERE", "AND", "OR", "DISTINCT", "KEYS", "MEASUREMENTS"];
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.next();
        }
        let word = &self.text[start..self.at];
        !BEFORE.iter().any(|w| w.eq_ignore_ascii_case(word))
    }
}

fn sort<'a>(word: &str, text: &'a str) -> Result<Sort<'a>, String> {
    let rest = text[word.len()..].trim_start();
    match word.to_ascii_uppercase().as_str() {
        "INSERT" => insert(rest),
        "SLEEP" => {
            let time = duration(rest).ok_or("SLEEP takes a time, such as `SLEEP 5s` or `SLEEP 200ms`")?;
            Ok(Sort::Sleep(time))
        }
        _ => Ok(Sort::Query),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..at].parse().ok().filter(|n| (0.0..1e9).contains(n))?;
    let unit = match &text[at..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number * unit))
}

fn insert(rest: &str) -> Result<Sort<'_>, String> {
    let wrong = || "INSERT takes a point in line protocol: `INSERT cpu,host=a value=1`, or `INSERT INTO \"db\".\"rp\" cpu value=1`";
    let into = rest.get(..4).is_some_and(|w| w.eq_ignore_ascii_case("into"))
        && (rest.len() == 4 || rest[4..].starts_with([' ', '\t']));
    let (mut names, mut point) = (Vec::new(), rest);
    if into {
        let mut left = rest[4..].trim_start();
        loop {
            let (name, after) = name(left).ok_or_else(wrong)?;
            names.push(name);
            match after.strip_prefix('.') {
                Some(after) => left = after,
                None => {
                    point = after.trim_start();
                    break;
                }
            }
        }
    }
    if point.is_empty() || names.len() > 2 {
        return Err(wrong().to_owned());
    }
    let policy = names.pop().filter(|p| !p.is_empty());
    Ok(Sort::Insert { database: names.pop(), policy, point })
}

/// A name, quoted or not, and what follows it.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', '.']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((name, &inside[at + 1..])),
            '\\' => name.push(chars.next()?.1),
            c => name.push(c),
        }
    }
    None
}

/// A name as InfluxQL takes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
