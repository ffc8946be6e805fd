//! JavaScript as far as it has to be read: where a line begins in code, and not within a text.

/// Puts a comment with its number at the beginning of each line that begins in code. mongosh rewrites scripts and tells
/// errors by the lines of what came of it; comments are still there. Nothing else of the text changes.
pub fn marked(text: &str, mark: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut lexer = Lexer::default();
    let mut sure = true;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        if sure && lexer.is_code() {
            out.push_str(&format!("/*{mark}:{}*/", at + 1));
        }
        out.push_str(line);
        sure = sure && lexer.line(line);
    }
    out
}

/// What a line ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Code,
    Comment,
    /// A text in these quotes, which goes on after a backslash at the line's end.
    Quoted(char),
    Template,
}

/// Words behind which a slash begins a regular expression.
const BEFORE_REGEX: [&str; 14] = [
    "return",
    "typeof",
    "case",
    "in",
    "of",
    "delete",
    "void",
    "throw",
    "new",
    "else",
    "do",
    "await",
    "yield",
    "instanceof",
];

#[derive(Debug)]
struct Lexer {
    state: State,
    /// For each `${` that is open, how many braces are open in it.
    nested: Vec<usize>,
    /// The last character of code that is no blank, and the word that it ends.
    last: char,
    word: String,
}

impl Default for Lexer {
    fn default() -> Self {
        Self { state: State::Code, nested: Vec::new(), last: ';', word: String::new() }
    }
}

impl Lexer {
    fn is_code(&self) -> bool {
        self.state == State::Code
    }

    /// Reads a line; false where it cannot be told any more what is code.
    fn line(&mut self, line: &str) -> bool {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            rest = match self.state {
                State::Code => match self.code(c, after) {
                    Some(rest) => rest,
                    None => return false,
                },
                State::Comment => match rest.find("*/") {
                    Some(end) => {
                        self.state = State::Code;
                        &rest[end + 2..]
                    }
                    None => "",
                },
                State::Quoted(quote) => self.quoted(quote, c, after),
                State::Template => self.template(c, after),
            };
        }
        true
    }

    fn code<'a>(&mut self, c: char, after: &'a str) -> Option<&'a str> {
        match c {
            '/' if after.starts_with('/') => return Some(""),
            '/' if after.starts_with('*') => {
                self.state = State::Comment;
                return Some(&after[1..]);
            }
            '/' => return self.slash(after),
            '\'' | '"' => self.state = State::Quoted(c),
            '`' => self.state = State::Template,
            '{' => {
                if let Some(open) = self.nested.last_mut() {
                    *open += 1;
                }
            }
            '}' => match self.nested.last_mut() {
                Some(0) => {
                    self.nested.pop();
                    self.state = State::Template;
                }
                Some(open) => *open -= 1,
                None => {}
            },
            _ => {}
        }
        self.remember(c);
        Some(after)
    }

    fn remember(&mut self, c: char) {
        if c.is_whitespace() {
            return;
        }
        if is_word(c) {
            if !is_word(self.last) {
                self.word.clear();
            }
            self.word.push(c);
        }
        self.last = c;
    }

    /// A division, or a regular expression to its end on the same line.
    fn slash<'a>(&mut self, after: &'a str) -> Option<&'a str> {
        let is_regex = match self.last {
            // After these it may be either; it matters only where a text could begin in it.
            ')' | '}' if after.contains(['`', '\'', '"', '/']) => return None,
            ')' | '}' | ']' | '\'' | '"' | '`' => false,
            c if is_word(c) => BEFORE_REGEX.contains(&self.word.as_str()),
            _ => true,
        };
        self.last = '/';
        if !is_regex {
            return Some(after);
        }
        self.last = ']';
        let (mut class, mut escaped) = (false, false);
        for (at, c) in after.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => class = true,
                ']' => class = false,
                '/' if !class => return Some(&after[at + 1..]),
                _ => {}
            }
        }
        // It has no end, so it was none.
        None
    }

    fn quoted<'a>(&mut self, quote: char, c: char, after: &'a str) -> &'a str {
        match c {
            '\\' => return after.strip_prefix("\r\n").or_else(|| after.get(first(after)..)).unwrap_or(""),
            '\n' => self.state = State::Code,
            c if c == quote => self.state = State::Code,
            _ => {}
        }
        self.last = quote;
        after
    }

    fn template<'a>(&mut self, c: char, after: &'a str) -> &'a str {
        match c {
            '\\' => return after.get(first(after)..).unwrap_or(""),
            '`' => {
                self.state = State::Code;
                self.last = '`';
            }
            '$' if after.starts_with('{') => {
                self.nested.push(0);
                self.state = State::Code;
                self.last = '{';
                return &after[1..];
            }
            _ => {}
        }
        after
    }
}

/// Bytes of the first character.
fn first(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let out = marked(text, "m");
        let back = regex::Regex::new(r"/\*m:\d+\*/").unwrap();
        assert_eq!(back.replace_all(&out, ""), text);
        let found = out.split("/*m:").skip(1).map(|rest| rest.split('*').next().unwrap().parse().unwrap());
        found.collect()
    }

    #[test]
    fn lines_of_code_are_marked_and_no_text_changes() {
        assert_eq!(lines("a\nb\n\nc"), [1, 2, 3, 4]);
        assert_eq!(lines("/* a\n b */ c\nd"), [1, 3]);
        assert_eq!(lines("x = `a\nb ${ f(`c\n`, {}) \n} d\ne`\nf"), [1, 4, 6]);
        assert_eq!(lines("'a\\\nb'\nc // `\n\"it's\"\n"), [1, 3, 4]);
        assert_eq!(lines("'a\\\r\nb'\r\nc"), [1, 3]);
        assert_eq!(lines("x.match(/`'\"[/`]/)\ny = a / b; z = c / `\n`\nw"), [1, 2, 4]);
        assert_eq!(lines("return /`/.test(x)\na\n"), [1, 2]);
        assert_eq!(lines("`\\``\na"), [1, 2]);
        assert_eq!(lines(""), Vec::<usize>::new());
    }

    #[test]
    fn where_it_cannot_be_told_nothing_is_marked_any_more() {
        assert_eq!(lines("if (x) /`/.test(y)\nz = `\na`"), [1]);
        assert_eq!(lines("x = (a) / 2\nb"), [1, 2]);
    }
}
