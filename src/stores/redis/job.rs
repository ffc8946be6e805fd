//! A script as what is sent to the server: pure, and the same for a run and for a dry run.

use super::facts::Facts;
use crate::domain::comments::{leading, style_of};
use crate::domain::redis::{Command, commands};
use crate::stores::Step;

/// Why a script cannot be run as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
}

impl Unfit {
    /// At a line.
    pub fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into(), hints: Vec::new() }
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// A script, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Commands: each is a part.
    Commands(Vec<Command>),
    /// A Lua program: one part.
    Program(Program),
}

/// A Lua program and what it finds in `KEYS` and `ARGV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its text.
    pub text: String,
    /// From a comment `-- KEYS: a b`.
    pub keys: Vec<Vec<u8>>,
    /// From a comment `-- ARGV: a b`.
    pub arguments: Vec<Vec<u8>>,
}

impl Program {
    /// Its text, with errors that tell their line.
    pub fn placed(&self) -> String {
        format!("{PLACES}{}", self.text)
    }
}

/// A piece of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// The parts from here to before there, together with their journal as one Lua script.
    Together(usize, usize),
    /// A part that goes alone, journalled after it.
    Alone(usize),
    /// The program, again and again until it returns the cursor `0`.
    Repeated,
    /// The parts from here to before there, as one Lua script on another node than the ledger's.
    Away(usize, usize),
    /// The program, on another node than the ledger's.
    Program,
}

impl Piece {
    /// Its first part, and the one after its last.
    pub fn range(&self) -> (usize, usize) {
        match self {
            Self::Together(first, end) | Self::Away(first, end) => (*first, *end),
            Self::Alone(at) => (*at, *at + 1),
            Self::Repeated | Self::Program => (0, 1),
        }
    }
}

/// The most words of a command that a Lua script can hand on: its stack ends near 8,000.
const WORDS: usize = 7_000;
/// The most commands and bytes of one piece: nobody else is served while it runs.
const COMMANDS: usize = 10_000;
const BYTES: usize = 8 << 20;

impl Job {
    /// Reads a script by its extension.
    ///
    /// # Errors
    /// Quotes that do not match; a key of the ledger's.
    pub fn read(step: &Step, prefix: &str) -> Result<Self, Unfit> {
        if step.extension == "lua" {
            return program(&step.text);
        }
        let commands = commands(&step.text).map_err(|w| Unfit::at(w.line, w.message).hint(w.hint))?;
        let ours = |word: &Vec<u8>| {
            word.strip_prefix(prefix.as_bytes())
                .is_some_and(|key| super::ledger::KEYS.iter().any(|k| key == k.as_bytes()))
        };
        match commands.iter().find(|c| c.words.iter().any(ours)) {
            Some(command) => {
                Err(Unfit::at(command.line, "names a key of the ledger, which is not a script's to touch"))
            }
            None => Ok(Self::Commands(commands)),
        }
    }

    /// Its commands.
    pub fn commands(&self) -> &[Command] {
        match self {
            Self::Commands(commands) => commands,
            Self::Program(_) => &[],
        }
    }

    /// How many parts it has.
    pub fn parts(&self) -> usize {
        match self {
            Self::Commands(commands) => commands.len(),
            Self::Program(_) => 1,
        }
    }

    /// The pieces from a part on. `each` keeps every part to itself. A program without it is whole: none.
    ///
    /// # Errors
    /// A command that cannot be run: nothing of the script is.
    pub fn pieces(&self, facts: &Facts, from: usize, each: bool) -> Result<Vec<Piece>, Unfit> {
        if let Self::Program(_) = self {
            return Ok(if each { vec![Piece::Repeated] } else { Vec::new() });
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut bytes = 0;
        for (at, command) in self.commands().iter().enumerate() {
            let alone = facts.check(command)? || command.words.len() > WORDS;
            if at < from {
                continue;
            }
            let size: usize = command.words.iter().map(Vec::len).sum();
            match pieces.last_mut() {
                _ if alone => pieces.push(Piece::Alone(at)),
                Some(Piece::Together(first, end)) if !each && at - *first < COMMANDS && bytes + size <= BYTES => {
                    *end = at + 1;
                    bytes += size;
                }
                _ => {
                    pieces.push(Piece::Together(at, at + 1));
                    bytes = size;
                }
            }
        }
        Ok(pieces)
    }

    /// The same for a program that goes on at this cursor, its last argument.
    pub fn words_at(&self, cursor: &str) -> Vec<Vec<u8>> {
        let mut words = self.words(0, self.parts());
        words.push(cursor.as_bytes().to_vec());
        words
    }

    /// The words that our Lua script takes for the parts from here to before there.
    pub fn words(&self, from: usize, to: usize) -> Vec<Vec<u8>> {
        match self {
            Self::Commands(commands) => {
                let number = |n: usize| n.to_string().into_bytes();
                let mut words = vec![number(to - from)];
                for command in &commands[from..to] {
                    words.push(number(command.words.len()));
                    words.extend(command.words.iter().cloned());
                }
                words
            }
            Self::Program(program) => {
                let mut words = vec![b"lua".to_vec(), program.placed().into_bytes()];
                words.push(program.keys.len().to_string().into_bytes());
                words.extend(program.keys.iter().chain(&program.arguments).cloned());
                words
            }
        }
    }
}

/// Stands before a program, on its first line: gives the errors of `redis.call` the line where they happen.
const PLACES: &str = "local redis=(function(r) local w={} for k,v in pairs(r) do w[k]=v end w.call=function(...) \
    local x=r.pcall(...) if type(x)=='table' and x.err then error(x.err,2) end return x end return w end)(redis) ";

fn program(text: &str) -> Result<Job, Unfit> {
    let text = text.trim_start_matches('\u{feff}');
    // A function library is something for the server to keep, and no program to run.
    if let Some(first) = text.lines().next().filter(|l| l.starts_with("#!")) {
        if first.contains("name=") {
            let words = ["FUNCTION", "LOAD", "REPLACE", text].map(|w| w.as_bytes().to_vec()).to_vec();
            return Ok(Job::Commands(vec![Command { line: 1, words }]));
        }
        return Err(Unfit::at(1, "a `#!` line with flags cannot be kept: the program runs inside one of ours")
            .hint("leave the line out; `#!lua name=NAME` makes the file a function library"));
    }
    let (mut keys, mut arguments) = (Vec::new(), Vec::new());
    for (line, comment) in leading(text, style_of("lua")) {
        let (into, rest) = match comment.split_once(':') {
            Some(("KEYS", rest)) => (&mut keys, rest),
            Some(("ARGV", rest)) => (&mut arguments, rest),
            _ => continue,
        };
        let words = commands(rest).map_err(|w| Unfit::at(line, w.message).hint(w.hint))?;
        into.extend(words.into_iter().flat_map(|c| c.words));
    }
    Ok(Job::Program(Program { text: text.to_owned(), keys, arguments }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(text: &str) -> Job {
        Job::Commands(commands(text).unwrap())
    }

    #[test]
    fn what_can_be_together_is() {
        let facts = Facts::default();
        let job = job("SET a 1\nSET b 2\nBLPOP q 1\nSET c 3");
        let whole = [Piece::Together(0, 2), Piece::Alone(2), Piece::Together(3, 4)];
        assert_eq!(job.pieces(&facts, 0, false).unwrap(), whole);
        assert_eq!(job.pieces(&facts, 1, false).unwrap()[0], Piece::Together(1, 2));
        assert_eq!(job.pieces(&facts, 0, true).unwrap().len(), 4);
        assert_eq!(job.pieces(&facts, 4, false).unwrap(), []);
    }

    #[test]
    fn long_scripts_are_cut() {
        let facts = Facts::default();
        let many = job(&"SET a 1\n".repeat(COMMANDS + 1));
        assert_eq!(many.pieces(&facts, 0, false).unwrap().len(), 2);
        let wide = job(&format!("RPUSH l{}", " x".repeat(WORDS)));
        assert_eq!(wide.pieces(&facts, 0, false).unwrap(), [Piece::Alone(0)]);
        let large = job(&format!("SET a {0}\nSET b {0}", "x".repeat(BYTES / 2 + 1)));
        assert_eq!(large.pieces(&facts, 0, false).unwrap().len(), 2);
    }

    #[test]
    fn a_program_says_what_it_gets() {
        let Ok(Job::Program(found)) = program("-- words\n-- KEYS: a 'b c'\n-- ARGV: 1\nreturn 1\n-- KEYS: d") else {
            panic!("no program")
        };
        assert_eq!(found.keys, [b"a".to_vec(), b"b c".to_vec()]);
        assert_eq!(found.arguments, [b"1".to_vec()]);
        assert_eq!(program("#!lua name=lib\nx").unwrap().commands()[0].words[1], b"LOAD");
        assert!(program("#!lua flags=no-writes\nreturn 1").is_err());
        assert!(!PLACES.contains('\n'));
    }

    #[test]
    fn words_count_themselves() {
        let words = job("SET a 1\nDEL b").words(0, 2);
        let shown: Vec<_> = words.iter().map(|w| String::from_utf8_lossy(w)).collect();
        assert_eq!(shown, ["2", "3", "SET", "a", "1", "2", "DEL", "b"]);
    }
}
