//! Cypher read as cypher-shell reads it: statements that end in `;`, and lines of the shell's own that begin with `:`.
//!
//! A lexer and no parser, on purpose: the server knows its grammar. Words in comments, strings and quoted names decide
//! nothing. One pass, linear in the text; no input makes it panic.

use super::sql::{Mark, Shape, Unclosed};

/// A statement, or a command of the shell's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// From its first character to its last: no terminator, no comments around it.
    pub text: &'a str,
    /// The 1-based line of its first character.
    pub line: usize,
    /// Whether it is a command such as `:param`.
    pub is_command: bool,
}

/// A script, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan<'a> {
    /// Statements and commands in their order, empty ones left out.
    pub items: Vec<Item<'a>>,
    /// What is opened and never closed; the text behind it is part of it.
    pub unclosed: Option<Unclosed>,
}

/// What a statement does, as far as it decides how it may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// It reads or writes nodes and relationships: it can share a transaction with a ledger write.
    Data,
    /// Schema, administration, procedures, batches: it gets a transaction of its own.
    Alone,
}

impl<'a> Item<'a> {
    /// What a statement does. Only what is certainly data is called so.
    pub fn sort(&self) -> Sort {
        const DATA: [&str; 10] =
            ["MATCH", "OPTIONAL", "CREATE", "MERGE", "UNWIND", "WITH", "RETURN", "FOREACH", "INSERT", "LOAD"];
        let words = words(self.text);
        let Some((first, _)) = words.first() else { return Sort::Alone };
        let is = |at: usize, word: &str| words.get(at).is_some_and(|(w, _)| w.eq_ignore_ascii_case(word));
        if !DATA.iter().any(|word| first.eq_ignore_ascii_case(word)) {
            return Sort::Alone;
        }
        // CREATE INDEX, but not CREATE (n) nor CREATE p = (n).
        let follows = |(word, next): &(&str, Option<char>)| words[0].1 == word.chars().next() && *next != Some('=');
        if is(0, "CREATE") && words.get(1).is_some_and(follows) {
            return Sort::Alone;
        }
        // Procedures may do anything, batches and USE need transactions that nobody opened for them.
        let alone = words.iter().enumerate().any(|(at, (word, next))| {
            let word = word.to_ascii_uppercase();
            match word.as_str() {
                "TRANSACTIONS" | "PERIODIC" => at > 0,
                "CALL" => !matches!(next, Some('{' | '(')),
                "USE" => true,
                _ => false,
            }
        });
        if alone { Sort::Alone } else { Sort::Data }
    }

    /// A command's name without its colon, and what follows it.
    pub fn command(&self) -> (&'a str, &'a str) {
        let text = self.text.trim_start_matches(':').trim_end_matches([';', ' ', '\t']);
        text.split_once(char::is_whitespace).map_or((text, ""), |(name, rest)| (name, rest.trim()))
    }
}

/// What `validate` and plans need to know of a script.
pub fn shape(text: &str) -> Shape {
    let scan = scan(text);
    let statements = scan.items.iter().filter(|item| !item.is_command).count();
    let own =
        scan.items.iter().find(|item| item.is_command && matches!(item.command().0, "begin" | "commit" | "rollback"));
    // A command may set something or read another file, and schema and data are never in one transaction.
    let outside = scan.items.iter().find(|item| item.is_command || item.sort() == Sort::Alone);
    let mark = |item: &Item<'_>| Mark { line: item.line, what: brief(item.text) };
    Shape {
        statements,
        unclosed: scan.unclosed,
        own_transaction: own.map(mark),
        outside_transaction: outside.map(mark),
        ..Shape::default()
    }
}

/// A statement as plans name it, on one line. What stands in quotes could be a password.
fn brief(text: &str) -> String {
    const WIDTH: usize = 60;
    let open = text.find(['\'', '"']).map_or(text, |at| &text[..at]);
    let line = open.split_whitespace().collect::<Vec<_>>().join(" ");
    let whole = open.len() == text.len() && line.chars().count() <= WIDTH;
    if whole { line } else { line.chars().take(WIDTH - 1).chain(['…']).collect() }
}

/// Reads a script.
pub fn scan(text: &str) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut open: Option<Open> = None;
    while let Some(token) = lexer.token() {
        match token.what {
            What::Comment => {}
            What::Unclosed(what) => {
                scan.unclosed = Some(Unclosed { line: token.line, what });
                let first = open.unwrap_or(Open { start: token.start, line: token.line });
                scan.items.push(Item { text: text[first.start..].trim_end(), line: first.line, is_command: false });
                return scan;
            }
            What::Colon if open.is_none() => {
                let end = lexer.rest_of_line();
                scan.items.push(Item { text: text[token.start..end].trim_end(), line: token.line, is_command: true });
            }
            What::Semicolon => {
                if let Some(first) = open.take() {
                    scan.items.push(first.item(text, token.start));
                }
            }
            What::Colon | What::Other => {
                open.get_or_insert(Open { start: token.start, line: token.line });
            }
        }
    }
    // What stands behind the last statement may be nothing but comments.
    if let Some(first) = open {
        scan.items.push(first.item(text, text.len()));
    }
    scan
}

#[derive(Clone, Copy)]
struct Open {
    start: usize,
    line: usize,
}

impl Open {
    fn item(self, text: &str, end: usize) -> Item<'_> {
        Item { text: text[self.start..end].trim_end(), line: self.line, is_command: false }
    }
}

enum What {
    Comment,
    Colon,
    Semicolon,
    Unclosed(&'static str),
    Other,
}

struct Token {
    start: usize,
    line: usize,
    what: What,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Moves on, counting lines: LF, CRLF and CR alone end one.
    fn skip(&mut self, bytes: usize) {
        let end = self.at + bytes;
        let text = self.text.as_bytes();
        for at in self.at..end {
            let ends = text[at] == b'\n' || (text[at] == b'\r' && text.get(at + 1) != Some(&b'\n'));
            self.line += usize::from(ends);
        }
        self.at = end;
    }

    /// Up to the end of the line; a lone CR ends one too.
    fn rest_of_line(&mut self) -> usize {
        let length = self.rest().iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(self.rest().len());
        self.skip(length);
        self.at
    }

    fn token(&mut self) -> Option<Token> {
        // Blanks of other alphabets are the server's affair: they count as the beginning of a statement.
        let blanks = self.rest().iter().take_while(|b| b.is_ascii_whitespace() || **b == 0x0B).count();
        self.skip(blanks);
        let (start, line) = (self.at, self.line);
        let (length, what) = measure(self.rest())?;
        self.skip(length);
        Some(Token { start, line, what })
    }
}

/// The length of the token at the beginning, and what it is.
fn measure(rest: &[u8]) -> Option<(usize, What)> {
    let all = rest.len();
    Some(match *rest.first()? {
        b';' => (1, What::Semicolon),
        b':' => (1, What::Colon),
        b'/' if rest.get(1) == Some(&b'/') => {
            (rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(all), What::Comment)
        }
        b'/' if rest.get(1) == Some(&b'*') => match rest[2..].windows(2).position(|pair| pair == b"*/") {
            Some(end) => (end + 4, What::Comment),
            None => (all, What::Unclosed("block comment")),
        },
        quote @ (b'\'' | b'"') => match quoted(rest, quote, true) {
            Some(length) => (length, What::Other),
            None => (all, What::Unclosed("string")),
        },
        // A doubled backtick closes and opens again, which comes to the same.
        b'`' => match quoted(rest, b'`', false) {
            Some(length) => (length, What::Other),
            None => (all, What::Unclosed("quoted name")),
        },
        _ => {
            let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || *b >= 0x80;
            (rest.iter().take_while(|b| plain(b)).count().max(1), What::Other)
        }
    })
}

fn quoted(rest: &[u8], quote: u8, escapes: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        match *rest.get(at)? {
            b'\\' if escapes => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// The words of a statement outside strings, comments and quoted names, each with the character that follows it. A word that
/// follows a dot, a colon or a dollar sign is a name and left out.
fn words(text: &str) -> Vec<(&str, Option<char>)> {
    let mut words: Vec<(&str, Option<char>)> = Vec::new();
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let (mut before, mut pending) = (' ', false);
    while let Some(token) = lexer.token() {
        if matches!(token.what, What::Comment) {
            continue;
        }
        let code = &text[token.start..lexer.at];
        let first = code.chars().next().unwrap_or(' ');
        if pending && let Some(last) = words.last_mut() {
            last.1 = Some(first);
        }
        pending = (first.is_alphabetic() || first == '_') && !matches!(before, '.' | ':' | '$');
        if pending {
            words.push((code, None));
        }
        before = code.chars().next_back().unwrap_or(' ');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        scan(text).items.iter().map(|item| item.text).collect()
    }

    #[test]
    fn statements_end_at_semicolons_that_mean_it() {
        let text =
            "// a;\nMATCH (n {a: ';', b: \"\\\";\", `c;``d`: 1}) // x;\nRETURN n /* ; */;\n\n;RETURN 1 // no end";
        let expected = ["MATCH (n {a: ';', b: \"\\\";\", `c;``d`: 1}) // x;\nRETURN n /* ; */", "RETURN 1 // no end"];
        assert_eq!(texts(text), expected);
        assert_eq!(scan(text).items.iter().map(|i| i.line).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(texts("RETURN 'http://x';\n// the end"), ["RETURN 'http://x'"]);
        assert!(texts("").is_empty() && texts("// only\n/* that */ ;;").is_empty());
    }

    #[test]
    fn commands_are_lines_where_a_statement_could_begin() {
        let text = "  :param a => 'x;y'\nMATCH (n\n:Label) RETURN n;\r\n:use neo4j;\r\nRETURN 1";
        let scan = scan(text);
        let seen: Vec<(&str, usize, bool)> = scan.items.iter().map(|i| (i.text, i.line, i.is_command)).collect();
        let expected = [
            (":param a => 'x;y'", 1, true),
            ("MATCH (n\n:Label) RETURN n", 2, false),
            (":use neo4j;", 4, true),
            ("RETURN 1", 5, false),
        ];
        assert_eq!(seen, expected);
        assert_eq!(scan.items[2].command(), ("use", "neo4j"));
        assert_eq!(scan.items[0].command(), ("param", "a => 'x;y'"));
    }

    #[test]
    fn what_is_never_closed_is_named_with_its_line() {
        for (text, line, what) in [
            ("RETURN 1;\n/* a", 2, "block comment"),
            ("RETURN\n'a\\'", 2, "string"),
            ("RETURN 1 AS `a", 1, "quoted name"),
        ] {
            assert_eq!(scan(text).unclosed, Some(Unclosed { line, what }), "{text}");
        }
        assert_eq!(scan("RETURN 1 // it's\n;").unclosed, None);
    }

    #[test]
    fn only_what_is_certainly_data_shares_a_transaction() {
        let sort = |text: &str| scan(text).items[0].sort();
        for data in [
            "CREATE (n:Index)",
            "CREATE p = (a)-[:R]->(b)",
            "match (n) SET n.transactions = 1, n.call = 2",
            "MATCH (n) CALL (n) { SET n.x = 1 }",
            "MATCH (n) CALL { WITH n SET n.x = 1 } RETURN 'IN TRANSACTIONS'",
            "/* CREATE INDEX */ MERGE (n {a: 'CALL x()'})",
            "LOAD CSV FROM 'file:///x' AS row CREATE (:A {x: row[0]})",
        ] {
            assert_eq!(sort(data), Sort::Data, "{data}");
        }
        for alone in [
            "CREATE INDEX a FOR (n:A) ON (n.x)",
            "CREATE  OR REPLACE DATABASE x",
            "create/**/constraint a FOR (n:A) REQUIRE n.x IS UNIQUE",
            "DROP INDEX a",
            "SHOW INDEXES",
            "CALL db.awaitIndexes(300)",
            "MATCH (n) CALL (n) { SET n.x = 1 } IN TRANSACTIONS OF 10 ROWS",
            "MATCH (n) CALL (n) { SET n.x = 1 } IN 3 CONCURRENT TRANSACTIONS",
            "USE other MATCH (n) RETURN n",
            "USING PERIODIC COMMIT 500 LOAD CSV FROM 'x' AS r CREATE (:A)",
            "MATCH (n) CALL apoc.do.it(n) YIELD value RETURN value",
            "PROFILE MATCH (n) RETURN n",
            "CYPHER 5 MATCH (n) RETURN n",
        ] {
            assert_eq!(sort(alone), Sort::Alone, "{alone}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in ["'", "\\", "`", "/", "/*", "/*/", ":", ";", "'\\", "é'ü", "\u{0}", ":é\r", "$", "🪜`🪜"] {
            let scan = scan(text);
            scan.items.iter().for_each(|item| assert!(text.contains(item.command().0) || item.sort() == Sort::Alone));
        }
    }
}
