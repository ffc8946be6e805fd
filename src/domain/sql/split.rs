//! Cuts a script into statements, in one pass and without copying or collecting anything.

use super::Dialect;
use super::head::Head;
use super::line::line_end;
use super::meta::{Effect, backslash, data_end, rest_of_line_is_blank, starts_its_line};
use super::mysql;
use super::token::{Kind, Lexer, Token};

/// A statement's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Its first token.
    pub start: usize,
    /// Behind its last token, the terminator not counted.
    pub stop: usize,
    /// Behind its terminator, and behind the data of a `COPY`.
    pub end: usize,
    pub terminated: bool,
}

/// What a script is made of.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Statement(Piece),
    /// A command for the client, from here to there.
    Meta(usize, usize),
}

#[derive(Clone, Copy, Debug)]
struct Open {
    start: usize,
    stop: usize,
    head: Head,
}

/// An iterator over the parts of a script, in their order. A command in the middle of a statement comes before it.
pub(super) struct Splitter<'a> {
    text: &'a str,
    dialect: Dialect,
    lexer: Lexer<'a>,
    open: Option<Open>,
    /// A statement that a client's command has ended.
    sent: Option<Piece>,
    /// How many blocks of `COPY` data begin with the next line.
    data_due: usize,
    commands: usize,
    /// What ends a statement in place of the semicolon, once a `DELIMITER` has said so.
    delimiter: Option<&'a str>,
    /// Offset and name of what was opened and not closed, once the iterator has ended.
    pub unclosed: Option<(usize, &'static str)>,
}

impl<'a> Splitter<'a> {
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        let mut lexer = Lexer::new(text, dialect);
        if text.starts_with('\u{feff}') {
            lexer.at = '\u{feff}'.len_utf8();
        }
        Self { text, dialect, lexer, open: None, sent: None, data_due: 0, commands: 0, delimiter: None, unclosed: None }
    }

    fn grow(&mut self, token: Token) {
        let open = self.open.get_or_insert(Open { start: token.start, stop: token.end, head: Head::new() });
        open.stop = token.end;
        match token.kind {
            Kind::Word => open.head.word(&self.text[token.start..token.end], token.start, self.dialect),
            Kind::Punct(byte) => open.head.other(byte, token.start, self.dialect),
            Kind::Name | Kind::Text | Kind::Number => open.head.other(0, token.start, self.dialect),
        }
        // Anything may be a delimiter, so there every token is looked at.
        while open.head.is_plain() && self.delimiter.is_none() {
            open.stop = self.lexer.skim().unwrap_or(open.stop);
            let at = self.lexer.at;
            let Some(byte @ (b'(' | b')')) = self.text.as_bytes().get(at).copied() else { break };
            open.head.other(byte, at, self.dialect);
            self.lexer.at = at + 1;
            open.stop = at + 1;
        }
    }

    /// A semicolon: the statement that it ends, if it ends one.
    fn semicolon(&mut self, token: Token) -> Option<Piece> {
        let open = self.open.as_mut()?;
        if !open.head.ends_at_semicolon() {
            open.stop = token.end;
            return None;
        }
        let (start, stop, has_data) = (open.start, open.stop, open.head.has_data());
        self.open = None;
        self.data_due += usize::from(has_data);
        let end = self.skip_data(token.end);
        Some(Piece { start, stop, end, terminated: true })
    }

    /// Data begins with the line after the statement's, so what else is on that line comes first.
    fn skip_data(&mut self, from: usize) -> usize {
        if self.data_due == 0 || !rest_of_line_is_blank(self.text, from) {
            return from;
        }
        let (_, mut at) = line_end(self.text, from);
        for _ in 0..std::mem::take(&mut self.data_due) {
            at = data_end(self.text, at);
        }
        self.lexer.at = at;
        at
    }

    fn backslash(&mut self, token: Token) -> Part {
        let (end, effect) = backslash(self.text, token.start);
        self.lexer.at = end;
        match effect {
            Effect::None => {}
            Effect::Clears => self.open = None,
            Effect::Data => {
                self.data_due += 1;
                self.skip_data(end);
            }
            Effect::Sends => {
                let piece = |open: Open| Piece { start: open.start, stop: open.stop, end, terminated: true };
                self.sent = self.open.take().map(piece);
            }
        }
        self.meta(token.start, end)
    }

    fn meta(&mut self, start: usize, end: usize) -> Part {
        self.commands += 1;
        Part::Meta(start, end)
    }

    /// Whether the token begins a command that takes the rest of its line.
    fn is_line_command(&self, token: Token) -> bool {
        if self.open.is_some() {
            return false;
        }
        match (self.dialect, token.kind) {
            (Dialect::Sqlite, Kind::Punct(b'.')) => starts_its_line(self.text, token.start),
            (Dialect::Mysql, Kind::Word) => {
                starts_its_line(self.text, token.start) && mysql::is_client_command(&self.text[token.start..token.end])
            }
            _ => false,
        }
    }

    /// Ends the statement where a delimiter stands in a token, or begins with it.
    fn delimited(&mut self, token: Token) -> Option<Option<Piece>> {
        let delimiter = self.delimiter?;
        let (start, stop) = (token.start, mysql::delimiter_within(self.text, token, delimiter)?);
        self.lexer.at = stop + delimiter.len();
        if stop > start {
            self.grow(Token { end: stop, ..token });
        }
        let end = stop + delimiter.len();
        let piece = |open: Open| Piece { start: open.start, stop: open.stop, end, terminated: true };
        Some(self.open.take().map(piece))
    }

    fn finish(&mut self) -> Option<Part> {
        let open = self.open.take();
        if self.unclosed.is_none() {
            self.unclosed = self.lexer.unclosed;
        }
        let Open { start, stop, head } = open?;
        // Between \if and \else parentheses need not balance.
        let trusted = self.commands == 0;
        self.unclosed = self.unclosed.or_else(|| head.open().filter(|_| trusted));
        Some(Part::Statement(Piece { start, stop, end: stop, terminated: false }))
    }
}

impl Iterator for Splitter<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if let Some(piece) = self.sent.take() {
            return Some(Part::Statement(piece));
        }
        loop {
            let Some(token) = self.lexer.next() else {
                return self.finish();
            };
            if let Some(ended) = self.delimited(token) {
                match ended {
                    Some(piece) => return Some(Part::Statement(piece)),
                    None => continue,
                }
            }
            match token.kind {
                Kind::Punct(b';') if self.delimiter.is_none() => {
                    if let Some(piece) = self.semicolon(token) {
                        return Some(Part::Statement(piece));
                    }
                }
                Kind::Punct(b'\\') if self.dialect == Dialect::Postgres => return Some(self.backslash(token)),
                // `\N` is an old way to write NULL; every other one is a command, wherever it stands.
                Kind::Punct(b'\\') if self.dialect == Dialect::Mysql && !self.text[token.end..].starts_with('N') => {
                    let letter = self.text[token.end..].chars().next().map_or(0, char::len_utf8);
                    self.lexer.at = token.end + letter;
                    return Some(self.meta(token.start, token.end + letter));
                }
                _ if self.is_line_command(token) => {
                    let (end, _) = line_end(self.text, token.start);
                    if let Some(delimiter) = mysql::delimiter_set(&self.text[token.start..end]) {
                        self.delimiter = Some(delimiter).filter(|d| *d != ";");
                    }
                    self.lexer.at = end;
                    return Some(self.meta(token.start, end));
                }
                _ => self.grow(token),
            }
        }
    }
}
