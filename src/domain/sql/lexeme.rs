//! A statement's tokens with their text, for the rules that ask what it does.

use std::iter::Peekable;
use std::ops::Range;

use super::Dialect;
use super::token::{Kind, Lexer};

/// One token of a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexeme<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// Offset in the text that was lexed.
    pub start: usize,
}

impl<'a> Lexeme<'a> {
    /// Whether it is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is one of these keywords.
    pub fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether it is this character.
    pub fn is_punct(&self, byte: u8) -> bool {
        self.kind == Kind::Punct(byte)
    }

    /// The word in small letters, to match on.
    pub fn keyword(&self) -> Keyword {
        let word = if self.kind == Kind::Word { self.text.as_bytes() } else { &[] };
        let mut keyword = Keyword { letters: [0; LONGEST], length: 0 };
        if let Some(letters) = keyword.letters.get_mut(..word.len()) {
            letters.copy_from_slice(word);
            letters.make_ascii_lowercase();
            keyword.length = word.len();
        }
        keyword
    }

    /// What stands between a string's quotes, as written.
    pub fn literal(&self) -> Option<&'a str> {
        self.text.get(self.inside()?)
    }

    /// Where in the token the text between a string's quotes stands.
    pub fn inside(&self) -> Option<Range<usize>> {
        if self.kind != Kind::Text {
            return None;
        }
        let (before, after) = match self.text.as_bytes() {
            [b'e' | b'E', ..] => (2, 1),
            [b'$', ..] => {
                let width = self.text[1..].find('$')? + 2;
                (width, width)
            }
            _ => (1, 1),
        };
        let end = self.text.len().checked_sub(after)?;
        (before <= end).then_some(before..end)
    }
}

/// No keyword that a rule asks for is longer.
const LONGEST: usize = 16;

/// A word in small letters; empty for other tokens and for words longer than every keyword.
#[derive(Clone, Copy)]
pub(super) struct Keyword {
    letters: [u8; LONGEST],
    length: usize,
}

impl Keyword {
    pub fn letters(&self) -> &[u8] {
        &self.letters[..self.length]
    }
}

/// A statement's first word, by which most rules know at once that it is none of theirs, and what follows it.
pub(super) struct Opening<'a> {
    first: Keyword,
    rest: Tokens<'a>,
}

impl<'a> Opening<'a> {
    /// Reads the first word of a statement.
    pub fn of(text: &'a str, dialect: Dialect) -> Self {
        let mut rest = tokens(text, dialect);
        let first = rest.next().map_or(Keyword { letters: [0; LONGEST], length: 0 }, |first| first.keyword());
        Self { first, rest }
    }

    /// The first word in small letters; empty if the statement begins with something else.
    pub fn word(&self) -> &[u8] {
        self.first.letters()
    }

    /// What follows the first word.
    pub fn rest(&self) -> Tokens<'a> {
        self.rest.clone()
    }
}

/// Walks over a statement's tokens.
#[derive(Clone)]
pub(super) struct Lexemes<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
}

/// The tokens of a statement, with one to look ahead.
pub(super) type Tokens<'a> = Peekable<Lexemes<'a>>;

/// The tokens of a text.
pub(super) fn tokens(text: &str, dialect: Dialect) -> Tokens<'_> {
    Lexemes { text, lexer: Lexer::new(text, dialect) }.peekable()
}

/// Steps over the keyword if it comes next, and says so.
pub(super) fn takes(tokens: &mut Tokens<'_>, keyword: &str) -> bool {
    tokens.next_if(|t| t.is(keyword)).is_some()
}

impl<'a> Iterator for Lexemes<'a> {
    type Item = Lexeme<'a>;

    fn next(&mut self) -> Option<Lexeme<'a>> {
        let token = self.lexer.next()?;
        Some(Lexeme { kind: token.kind, text: &self.text[token.start..token.end], start: token.start })
    }
}
