//! What the client is fed for a script, to the letter. Pure: a run feeds it, a dry run is to print it.
//!
//! The servers commit around every statement that is not data, so a script that has one is journalled: `begun`, then each
//! statement with the count behind it, then `done`. Data alone is one transaction with its entry. Where the lease is lost each
//! ledger write, or the question behind it, is refused, which ends the client.

use super::ledger::{self, Home};
use crate::domain::sql::{self, Dialect, is_session_setting, tables_locked_after, transaction_open_after};
use crate::stores::{NewEntry, Owner};

/// A statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// From its first word to its last.
    pub text: &'a str,
    /// Its first line in the user's file.
    pub line: usize,
    /// Its number, from 1.
    pub number: u32,
    /// Whether a transaction of the script's own is open behind it, so that nothing may be written yet.
    pub within: bool,
    /// Whether tables are locked behind it, so that the ledger cannot be touched yet.
    pub locked: bool,
    /// Whether it sets something that what follows may need, also where a run resumes behind it.
    pub is_setting: bool,
}

/// Why a script cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The line in the user's file.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// A script in parts.
///
/// # Errors
/// What a client would obey or read otherwise than it looks.
pub fn parts(text: &str) -> Result<Vec<Part<'_>>, Unfit> {
    let unfit = |line, message: String, hint| Err(Unfit { line, message, hint });
    if let Some(at) = text.find('\0') {
        let line = 1 + text[..at].matches('\n').count();
        return unfit(line, "there is a NUL character, which the client cannot read".to_owned(), "leave it out");
    }
    let scan = sql::scan(text, Dialect::Mysql);
    for command in &scan.meta_commands {
        let mut words = command.what.split_ascii_whitespace();
        let is_delimiter = words.next().is_some_and(|word| word.eq_ignore_ascii_case("delimiter"));
        match words.next() {
            Some(delimiter) if is_delimiter && !delimiter.contains('\\') => {}
            // MariaDB's dumps begin with it: its client then takes no command that reaches out of the session.
            _ if command.what == "\\-" => {}
            _ if is_delimiter => {
                return unfit(command.line, "this sets no delimiter".to_owned(), "for example `DELIMITER //`");
            }
            _ => {
                let message = format!("`{}` is a command of the client's, which not every client obeys", command.what);
                return unfit(command.line, message, "write it as SQL, or run it in a script of its own: `.sh`");
            }
        }
    }
    if let Some(unclosed) = scan.unclosed {
        let message = format!("a {} is opened here and never closed", unclosed.what);
        return unfit(unclosed.line, message, "everything behind it would be part of it");
    }
    let misplaced = |text: &str| text.get(..10).is_some_and(|word| word.eq_ignore_ascii_case("delimiter "));
    if let Some(statement) = scan.statements.iter().find(|s| misplaced(s.text)) {
        let message = "DELIMITER is a command only at the beginning of its line".to_owned();
        return unfit(statement.line, message, "give it a line of its own");
    }
    let open = transaction_open_after(&scan.statements, Dialect::Mysql);
    if let (Some(true), Some(last)) = (open.last(), scan.statements.last()) {
        let message = "the script's transaction is still open at its end".to_owned();
        return unfit(last.line, message, "write `COMMIT;`, or leave its transaction out: data alone gets one");
    }
    let locked = tables_locked_after(&scan.statements);
    if let (Some(true), Some(last)) = (locked.last(), scan.statements.last()) {
        let message = "tables are still locked at the script's end".to_owned();
        return unfit(last.line, message, "write `UNLOCK TABLES;`: the ledger cannot be written before");
    }
    let numbered = scan.statements.iter().zip(open).zip(locked).zip(1..);
    let part = numbered.map(|(((statement, within), locked), number)| Part {
        text: statement.text,
        line: statement.line,
        number,
        within,
        locked,
        is_setting: is_session_setting(statement, Dialect::Mysql),
    });
    Ok(part.collect())
}

/// Whether what the parts leave in the session could be seen by the next script.
pub fn changes_session(parts: &[Part<'_>]) -> bool {
    let holds = |text: &str, word: &str| text.to_ascii_lowercase().contains(word);
    parts.iter().any(|part| {
        part.is_setting || part.text.contains('@') || holds(part.text, "temporary") || holds(part.text, "lock")
    })
}

/// What goes around scripts.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Where the ledger is.
    pub home: &'a Home,
    /// This run.
    pub owner: &'a Owner,
    /// A random word of letters and digits that no script prints, or [`SHOWN`].
    pub mark: &'a str,
}

/// Stands for the mark where a person reads what would be fed.
pub const SHOWN: &str = "stepladder";

/// How a script begins.
#[derive(Clone, Debug)]
pub enum Opening {
    /// It is one transaction.
    Whole,
    /// It is journalled, so this is recorded first.
    Apart(Box<NewEntry>),
}

/// What a script shares with its neighbours. Those that follow each other without a pause share one transaction for the end of
/// the one and the beginning of the other: a commit less, which a disk has to wait for.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The one before has begun it.
    pub before: bool,
    /// What it begins together with its own end.
    pub after: Option<Opening>,
}

/// What a client is fed for a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// To the letter.
    pub text: String,
    /// Lines of it.
    pub lines: usize,
    /// Which of them hold which statement, counted from 1.
    pub places: Vec<Place>,
    /// The script's statements, those that are left out of a resumed one as well.
    pub total: u32,
    delimiter: String,
}

/// Where in a feed a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its first line in the feed.
    pub first: usize,
    /// The line of its terminator.
    pub last: usize,
    /// Its first line in the user's file.
    pub line: usize,
    /// Whether statements before it ran that could not be counted.
    pub uncounted: bool,
}

impl Feed {
    fn of(parts: &[Part<'_>], delimiter: &str) -> Self {
        let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        Self { total, delimiter: delimiter.to_owned(), ..Self::default() }
    }

    fn begin(&mut self, statements: &[String]) {
        self.push(&format!("DELIMITER {}\n", self.delimiter));
        if !statements.is_empty() {
            self.ours(statements);
        }
    }

    fn push(&mut self, text: &str) {
        self.lines += text.matches('\n').count();
        self.text.push_str(text);
    }

    /// A statement of the user's. Its terminator has a line of its own.
    fn statement(&mut self, part: &Part<'_>) {
        let first = self.lines + 1;
        self.push(&format!("{}\n{}\n", part.text, self.delimiter));
        self.places.push(Place { first, last: self.lines, line: part.line, uncounted: part.locked });
    }

    /// Statements of our own, which go to the server in one message.
    fn ours(&mut self, statements: &[String]) {
        self.push(&format!("{}\n{}\n", statements.join(";\n"), self.delimiter));
    }
}

const START: &str = "START TRANSACTION";
const COMMIT: &str = "COMMIT";

/// What our own clock within the client is called.
const BEGAN: &str = "@stepladder_began";

/// Starts it.
fn clock() -> String {
    format!("SET {BEGAN} = {}", ledger::NOW)
}

/// How long a script took, by the server's clock; nothing where a script took our variable away.
fn took() -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, {BEGAN}, {}) DIV 1000", ledger::NOW)
}

impl Frame<'_> {
    /// Ends every statement that is fed, so that one may hold semicolons. The clients keep 15 bytes of it.
    fn delimiter(&self) -> &str {
        if self.mark == SHOWN { "//" } else { self.mark.get(..12).unwrap_or(self.mark) }
    }

    /// A script that is data alone: one transaction with its entry.
    pub fn together(self, parts: &[Part<'_>], index: usize, done: &NewEntry, chain: &Chain) -> Feed {
        let mut out = self.begun(parts, &Opening::Whole, chain);
        parts.iter().for_each(|part| out.statement(part));
        out.ours(&self.ends(index, done, chain));
        out
    }

    /// A script that is no single transaction: each statement with its journal behind it.
    pub fn apart(self, parts: &[Part<'_>], index: usize, begun: Box<NewEntry>, done: &NewEntry, chain: &Chain) -> Feed {
        let skipped = begun.parts_done.unwrap_or(0);
        let mut out = self.begun(parts, &Opening::Apart(begun), chain);
        let total = out.total;
        for part in parts {
            if part.number > skipped || part.is_setting {
                out.statement(part);
            }
            // The last one's journal is the `done` behind it.
            let counted = part.number > skipped && part.number < total && !part.within && !part.locked;
            if let (Some(version), true) = (done.version, counted) {
                let journal = ledger::journal(self.home, &self.owner.token, version, part.number, total);
                out.ours(&[journal, self.changed(index, part.number), COMMIT.to_owned()]);
            }
        }
        out.ours(&self.ends(index, done, chain));
        out
    }

    /// A seed script, which has no entry; one transaction where it can be.
    pub fn seed(self, parts: &[Part<'_>], index: usize, whole: bool) -> Feed {
        let mut out = Feed::of(parts, self.delimiter());
        out.begin(whole.then(|| START.to_owned()).as_slice());
        parts.iter().for_each(|part| out.statement(part));
        out.ours(&[COMMIT.to_owned(), self.says("done", index)]);
        out
    }

    /// A marker.
    fn says(self, word: &str, index: usize) -> String {
        format!("SELECT '{} {word} [{index}]'", self.mark)
    }

    /// What stands before a script, unless the one before has said it.
    fn begun(self, parts: &[Part<'_>], opening: &Opening, chain: &Chain) -> Feed {
        let mut out = Feed::of(parts, self.delimiter());
        match opening {
            _ if chain.before => {}
            Opening::Whole => out.begin(&[clock(), START.to_owned()]),
            // A script may turn autocommit off, so each write of ours is committed in so many words.
            Opening::Apart(begun) => {
                out.begin(&[ledger::record(self.home, self.owner, begun), COMMIT.to_owned(), clock()]);
            }
        }
        out
    }

    /// The last entry, and what the next script begins with. Only behind its commit is a script done.
    fn ends(self, index: usize, done: &NewEntry, chain: &Chain) -> Vec<String> {
        let mut ends = vec![ledger::record_timed(self.home, self.owner, done, &took())];
        if let Some(Opening::Apart(begun)) = &chain.after {
            ends.push(ledger::record_along(self.home, self.owner, begun));
        }
        ends.extend([COMMIT.to_owned(), self.says("done", index)]);
        if let Some(opening) = &chain.after {
            ends.push(clock());
            ends.extend(matches!(opening, Opening::Whole).then(|| START.to_owned()));
        }
        ends
    }

    /// The marker of a journal, which fails where that changed nothing: a question with two answers is refused under every
    /// `sql_mode`, and by both servers.
    fn changed(self, index: usize, part: u32) -> String {
        let mark = self.mark;
        format!("SELECT IF(ROW_COUNT() = 1, '{mark} part [{index},{part}]', (SELECT 1 UNION ALL SELECT 2))")
    }
}

/// What a client is asked first in a new session: the server's number of it.
pub fn asks_session(mark: &str) -> String {
    format!("SELECT CONCAT('{mark} session [', CONNECTION_ID(), ']');\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_would_obey_or_misread_is_refused_with_its_line() {
        let cases = [
            ("select 1;\nsource a.sql", 2, "command of the client's"),
            ("select 1\\G", 1, "command of the client's"),
            ("select 1;\n\\! ls", 2, "command of the client's"),
            ("\nquit\n", 2, "command of the client's"),
            ("delimiter\n", 1, "no delimiter"),
            ("select 1; delimiter //\nselect 2//", 1, "beginning of its line"),
            ("select 1;\n/* a", 2, "never closed"),
            ("select 'a", 1, "never closed"),
            ("begin;\ninsert into t values (1);", 2, "still open"),
            ("lock tables t write;\ninsert into t values (1);", 2, "still locked"),
        ];
        for (text, line, words) in cases {
            let unfit = parts(text).unwrap_err();
            assert!(unfit.line == line && unfit.message.contains(words), "{text:?}: {unfit:?}");
        }
    }

    #[test]
    fn parts_know_transactions_and_settings() {
        let parts = parts("set @a = 1;\nbegin;\ninsert into t values (1);\ncommit;\ncreate table t (a int)").unwrap();
        let shown: Vec<_> = parts.iter().map(|p| (p.line, p.within, p.is_setting)).collect();
        assert_eq!(shown, [(1, false, true), (2, true, false), (3, true, false), (4, false, false), (5, false, false)]);
        assert!(changes_session(&parts[..1]) && !changes_session(&parts[1..]));
    }
}
