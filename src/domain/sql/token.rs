//! Tokens: where a word, a name, a string or a comment starts and ends. Everything above this file sees neither
//! comments nor blanks, so what stands in them can decide nothing.

use super::Dialect;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bare word: a keyword or an unquoted name.
    Word,
    /// A quoted name.
    Name,
    /// A string, dollar-quoted ones too.
    Text,
    /// A run of digits.
    Number,
    /// Any other character, all of them ASCII.
    Punct(u8),
}

/// A token and its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Walks over a text, token by token. It never looks back, and looks ahead at most once over the same bytes.
#[derive(Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    /// Where the next token is looked for.
    pub at: usize,
    dialect: Dialect,
    /// Offset and name of what was opened and not closed; the text is at its end then.
    pub unclosed: Option<(usize, &'static str)>,
}

const STRING: &str = "string";
const NAME: &str = "quoted name";
const CR_COMMENT: &str = "`--` comment (a line feed ends it, the carriage returns of this file do not)";

/// The bytes that continue a word. Bytes of characters beyond ASCII do in every dialect.
const IN_WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80;
        byte += 1;
    }
    table
};

/// The bytes that [`Lexer::skim`] stops at: a quote, a comment, a parenthesis, a semicolon or a client's command may
/// begin there, in one dialect or another.
const STOPS: [bool; 256] = {
    let mut table = [false; 256];
    // The last one begins a byte order mark, which SQLite takes for a blank.
    let stops = b"'\"`[$-/#();\\\xef";
    let mut index = 0;
    while index < stops.len() {
        table[stops[index] as usize] = true;
        index += 1;
    }
    table
};

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        Self { text, at: 0, dialect, unclosed: None }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes().get(at).copied()
    }

    /// The next token's offset, behind blanks and comments.
    fn skip_blank(&mut self) -> Option<usize> {
        let mut at = self.at;
        loop {
            at = match self.byte(at)? {
                b' ' | b'\t'..=b'\r' => at + 1,
                b'-' if self.byte(at + 1) == Some(b'-') && self.dashes_comment(at) => self.line_comment(at),
                b'#' if self.dialect == Dialect::Mysql => self.line_comment(at),
                b'/' if self.byte(at + 1) == Some(b'*') && !self.runs_in_mysql(at) => self.block_comment(at),
                // SQLite takes a byte order mark between tokens for a blank: files that were joined have them.
                0xef if self.dialect == Dialect::Sqlite && self.text[at..].starts_with('\u{feff}') => at + 3,
                _ => return Some(at),
            };
        }
    }

    /// Steps over words, numbers and punctuation that cannot end a statement, faster than token by token. Returns
    /// where the last of them ends, if there are any.
    pub fn skim(&mut self) -> Option<usize> {
        let bytes = self.bytes();
        let from = self.at;
        let mut at = from;
        loop {
            let rest = &bytes[at..];
            at += rest.iter().position(|b| STOPS[usize::from(*b)]).unwrap_or(rest.len());
            match bytes.get(at) {
                Some(b'$') if ends_in_word(&bytes[from..at]) => at = self.word_end(at),
                Some(b'\'') if ends_in_escape_mark(&bytes[from..at]) => {
                    at -= 1;
                    break;
                }
                _ => break,
            }
        }
        self.at = at;
        let last = bytes[from..at].iter().rposition(|b| !matches!(b, b' ' | b'\t'..=b'\r'))?;
        Some(from + last + 1)
    }

    /// MySQL wants a blank behind the dashes, so that `5--1` stays a sum.
    fn dashes_comment(&self, at: usize) -> bool {
        self.dialect != Dialect::Mysql || self.byte(at + 2).is_none_or(|b| b <= b' ')
    }

    /// `/*!40101 … */` is no comment for MySQL: it runs what is inside.
    fn runs_in_mysql(&self, at: usize) -> bool {
        self.dialect == Dialect::Mysql && {
            let inside = &self.bytes()[at + 2..];
            inside.starts_with(b"!") || inside.starts_with(b"M!")
        }
    }

    fn line_comment(&mut self, start: usize) -> usize {
        let rest = &self.bytes()[start..];
        if self.dialect == Dialect::Postgres {
            return start + rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        }
        if let Some(length) = self.text[start..].find('\n') {
            return start + length;
        }
        // The author saw lines where the server sees one comment to the end, and would run nothing without a word.
        if self.text[start..].split('\r').skip(1).any(|line| !line.trim().is_empty()) {
            self.unclosed = Some((start, CR_COMMENT));
        }
        self.text.len()
    }

    fn block_comment(&mut self, start: usize) -> usize {
        let bytes = self.bytes();
        let nests = self.dialect == Dialect::Postgres;
        let (mut at, mut depth) = (start + 2, 1);
        while let Some(pair) = bytes.get(at..at + 2) {
            at += match pair {
                b"*/" if depth == 1 => return at + 2,
                b"*/" => {
                    depth -= 1;
                    2
                }
                b"/*" if nests => {
                    depth += 1;
                    2
                }
                _ => 1,
            };
        }
        self.never_closed(start, "block comment")
    }

    fn never_closed(&mut self, start: usize, what: &'static str) -> usize {
        self.unclosed = Some((start, what));
        self.text.len()
    }

    fn word_end(&self, from: usize) -> usize {
        let rest = &self.bytes()[from..];
        from + rest.iter().position(|b| !IN_WORD[usize::from(*b)]).unwrap_or(rest.len())
    }

    fn digits_end(&self, from: usize) -> usize {
        let rest = &self.bytes()[from..];
        from + rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len())
    }

    /// The end of what the quote at `open` opens; the quote twice stands for itself.
    fn quoted(&mut self, open: usize, what: &'static str) -> usize {
        let bytes = self.bytes();
        let quote = bytes[open];
        let mut at = open + 1;
        while let Some(length) = bytes[at..].iter().position(|b| *b == quote) {
            at += length + 1;
            if self.byte(at) != Some(quote) {
                return at;
            }
            at += 1;
        }
        self.never_closed(open, what)
    }

    /// As [`Self::quoted`], where a backslash takes the character behind it along.
    fn escaped(&mut self, start: usize, open: usize) -> usize {
        let bytes = self.bytes();
        let quote = bytes[open];
        let mut at = open + 1;
        while let Some(byte) = self.byte(at) {
            at += 1;
            match byte {
                b'\\' => at += 1,
                _ if byte != quote => {}
                _ if self.byte(at) == Some(quote) => at += 1,
                _ => match self.continued(at) {
                    Some(inside) => at = inside,
                    None => return at,
                },
            }
        }
        self.never_closed(start, STRING)
    }

    /// PostgreSQL joins strings with a line end between them, and the second one keeps the first one's escapes.
    fn continued(&self, from: usize) -> Option<usize> {
        if self.dialect != Dialect::Postgres {
            return None;
        }
        let (mut at, mut line_end) = (from, false);
        loop {
            match self.byte(at)? {
                b'\n' | b'\r' => line_end = true,
                b' ' | b'\t' | b'\x0b' | b'\x0c' => {}
                b'\'' if line_end => return Some(at + 1),
                _ => return None,
            }
            at += 1;
        }
    }

    fn bracketed(&mut self, open: usize) -> usize {
        match self.text[open..].find(']') {
            Some(length) => open + length + 1,
            None => self.never_closed(open, NAME),
        }
    }

    /// A dollar quote, a parameter (`$1`), or a lone dollar sign.
    fn dollar(&mut self, start: usize) -> (Kind, usize) {
        let bytes = self.bytes();
        let punct = Kind::Punct(b'$');
        if self.byte(start + 1).is_some_and(|b| b.is_ascii_digit()) {
            return (punct, self.digits_end(start + 1));
        }
        let tag = bytes[start + 1..].iter().position(|b| *b == b'$' || !IN_WORD[usize::from(*b)]);
        let body = match tag {
            Some(length) if bytes[start + 1 + length] == b'$' => start + length + 2,
            _ => return (punct, start + 1),
        };
        let delimiter = &bytes[start..body];
        let mut at = body;
        while let Some(length) = self.text[at..].find('$') {
            at += length;
            if bytes[at..].starts_with(delimiter) {
                return (Kind::Text, at + delimiter.len());
            }
            at += 1;
        }
        (Kind::Text, self.never_closed(start, "dollar-quoted string"))
    }

    fn word(&mut self, start: usize) -> (Kind, usize) {
        let end = self.word_end(start + 1);
        let is_escape_string = self.dialect == Dialect::Postgres
            && end == start + 1
            && matches!(self.bytes()[start], b'e' | b'E')
            && self.byte(end) == Some(b'\'');
        if is_escape_string {
            return (Kind::Text, self.escaped(start, end));
        }
        (Kind::Word, end)
    }
}

/// Whether a word reaches to the end; digits alone are none.
fn ends_in_word(bytes: &[u8]) -> bool {
    let before = bytes.iter().rposition(|b| !b.is_ascii_digit());
    before.is_some_and(|at| IN_WORD[usize::from(bytes[at])])
}

/// Whether a string that follows is an escape string: its mark belongs to it.
fn ends_in_escape_mark(bytes: &[u8]) -> bool {
    match bytes {
        [.., before, b'e' | b'E'] => !IN_WORD[usize::from(*before)],
        _ => matches!(bytes, [b'e' | b'E']),
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let Some(start) = self.skip_blank() else {
            self.at = self.text.len();
            return None;
        };
        let mysql = self.dialect == Dialect::Mysql;
        let byte = self.bytes()[start];
        let (kind, end) = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word(start),
            b'0'..=b'9' => (Kind::Number, self.digits_end(start)),
            b'\'' | b'"' if mysql => (Kind::Text, self.escaped(start, start)),
            b'\'' => (Kind::Text, self.quoted(start, STRING)),
            b'"' => (Kind::Name, self.quoted(start, NAME)),
            b'`' if self.dialect != Dialect::Postgres => (Kind::Name, self.quoted(start, NAME)),
            b'[' if self.dialect == Dialect::Sqlite => (Kind::Name, self.bracketed(start)),
            b'$' if self.dialect == Dialect::Postgres => self.dollar(start),
            _ => (Kind::Punct(byte), start + 1),
        };
        self.at = end;
        Some(Token { kind, start, end })
    }
}
