//! psql's words about a failure: which of its output they are, and which line of the user's file they mean.

use std::sync::LazyLock;

use regex::Regex;

use super::ledger::{LEASE_LOST, TRANSACTION_ENDED};
use super::script::Feed;
use crate::domain::sql::{self, Dialect};

/// `psql:migrations/001.up.sql:3: ERROR:  ...`, or `psql: error: ...` before there is a connection.
static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^psql:(?:(.*?):([0-9]+):)? ([A-Za-z]+):").ok());
/// `LINE 2: values ('x')` counts from the first line of the statement.
static EXCERPT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^LINE ([0-9]+): (.*)$").ok());
/// `COPY t, line 2, column a` counts from the first line of the data.
static COPY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?m)^CONTEXT:  COPY [^ ]+, line ([0-9]+)").ok());

/// `PL/pgSQL function inline_code_block line 4 at RAISE` counts from the line on which the block's body begins.
static BLOCK: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^CONTEXT:  PL/pgSQL function inline_code_block line ([0-9]+) at ").ok());

/// What psql said when it stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    /// All lines that belong to it, without psql's prefix.
    pub message: String,
    /// The file that psql names.
    pub file: Option<String>,
    /// The line that psql names: where the statement ends.
    pub line: Option<usize>,
    /// What else was printed: notices and results.
    pub rest: String,
}

/// Finds the rejection in what a client printed during a step. A script may have told psql to go on after an error:
/// the first one is what matters then.
pub fn rejection(text: &str) -> Rejection {
    let Some(prefix) = PREFIX.as_ref() else { return Rejection { message: text.to_owned(), ..Rejection::default() } };
    let mut found = Rejection::default();
    let (mut errors, mut inside, mut fatal) = (0, false, false);
    for line in text.lines() {
        if let Some(parts) = prefix.captures(line) {
            inside = matches!(&parts[3], "ERROR" | "FATAL" | "PANIC" | "error" | "fatal");
            if inside {
                errors += 1;
            }
            if inside && errors == 1 {
                found.file = parts.get(1).map(|m| m.as_str().to_owned());
                found.line = parts.get(2).and_then(|m| m.as_str().parse().ok());
                let word = parts.get(3).map_or(0, |m| m.start());
                found.message.push_str(&line[word..]);
                found.message.push('\n');
                fatal = matches!(&parts[3], "FATAL" | "PANIC");
                continue;
            }
        }
        // After a fatal one psql adds its own: `connection to server was lost`.
        let into = if inside && (errors == 1 || fatal) { &mut found.message } else { &mut found.rest };
        into.push_str(line);
        into.push('\n');
    }
    if errors == 0 {
        // A server that speaks another language: its last block, or everything.
        found = last_block(text, prefix);
    }
    found.message = found.message.trim_end().to_owned();
    found
}

fn last_block(text: &str, prefix: &Regex) -> Rejection {
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.iter().rposition(|l| prefix.is_match(l));
    let Some(start) = start else { return Rejection { message: text.to_owned(), ..Rejection::default() } };
    let parts = prefix.captures(lines[start]);
    Rejection {
        message: lines[start..].join("\n"),
        file: parts.as_ref().and_then(|p| p.get(1)).map(|m| m.as_str().to_owned()),
        line: parts.as_ref().and_then(|p| p.get(2)).and_then(|m| m.as_str().parse().ok()),
        rest: lines[..start].join("\n"),
    }
}

impl Rejection {
    /// The line of the user's file. `first` is the line of psql's input on which the step's feed begins, `path` what
    /// psql was told to include.
    pub fn user_line(&self, text: &str, feed: &Feed, first: usize, path: &str) -> Option<usize> {
        let line = self.line?;
        let named = match self.file.as_deref()? {
            "<stdin>" => feed.place(line.checked_sub(first)? + 1)?,
            file if file == path || file.strip_prefix("./") == Some(path) => line,
            _ => return None,
        };
        Some(self.refined(text, named))
    }

    /// psql names the line where a statement ends; a person wants the one that the server means, or else the one
    /// where the statement begins.
    fn refined(&self, text: &str, named: usize) -> usize {
        let lines: Vec<&str> = text.lines().collect();
        let scan = sql::scan(text, Dialect::Postgres);
        let Some(statement) = scan.statements.iter().rev().find(|s| s.line <= named) else { return named };
        let number = |captures: &regex::Captures<'_>| captures[1].parse::<usize>().ok();
        if let Some(captures) = EXCERPT.as_ref().and_then(|e| e.captures(&self.message)) {
            let shown = captures[2].trim_start_matches("...").trim_end_matches("...").trim();
            let holds = |line: usize| lines.get(line - 1).is_some_and(|l| l.contains(shown));
            let counted = number(&captures).map(|n| statement.line + n - 1).filter(|n| *n <= named && holds(*n));
            return counted.or_else(|| (statement.line..=named).rev().find(|l| holds(*l))).unwrap_or(named);
        }
        let data = COPY.as_ref().and_then(|c| c.captures(&self.message)).and_then(|c| number(&c));
        if let Some(row) = data {
            let head = statement.line + statement.text.matches('\n').count();
            return (head + row).min(lines.len().max(1));
        }
        let inner = BLOCK.as_ref().and_then(|b| b.captures(&self.message)).and_then(|b| number(&b));
        if let (Some(inner), Some(body)) = (inner, statement.text.find('$')) {
            return (statement.line + statement.text[..body].matches('\n').count() + inner - 1).min(named);
        }
        statement.line
    }

    /// Whether our own check of the lease said no.
    pub fn lease_lost(&self) -> bool {
        self.message.contains(LEASE_LOST)
    }

    /// Whether the script had ended the transaction that held it.
    pub fn transaction_ended(&self) -> bool {
        self.message.contains(TRANSACTION_ENDED)
    }

    /// What to do about it, where the usual advice is not all there is to say.
    pub fn hints(&self, atomic: bool) -> Vec<String> {
        const HINTS: [(&str, &str); 8] = [
            (
                "cannot run inside a transaction block",
                "put the comment `-- stepladder: no-transaction` at the top of the script: this statement takes no transaction around it",
            ),
            (
                "cannot be executed from a function",
                "call it in a statement of its own, in a script with `-- stepladder: no-transaction` at its top",
            ),
            (
                "invalid transaction termination",
                "a COMMIT or ROLLBACK inside a DO block or procedure takes no transaction around it: put `-- stepladder: no-transaction` at the top of the script",
            ),
            (
                "unsafe use of new value",
                "add the enum value in one migration and use it in the next: it can be used once it is committed",
            ),
            ("No space left on device", "make room on the server's disk, then run it again"),
            ("deadlock detected", "another session was in the way; run it again, which may be all it takes"),
            ("due to lock timeout", "another session holds a lock on the table; run it again when that one is done"),
            (
                "functionality not supported under the current \"apache\" license",
                "this server has the Apache edition of TimescaleDB, which lacks this; the Community edition has it",
            ),
        ];
        let known = HINTS
            .iter()
            .filter(|(words, hint)| self.message.contains(words) && (atomic || !hint.contains("no-transaction")));
        known.map(|(_, hint)| (*hint).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::RUN_AGAIN;

    #[test]
    fn the_message_is_told_from_notices_and_results() {
        let said = "one\npsql:m/1.sql:1: NOTICE:  hi\ntwo\npsql:m/1.sql:4: ERROR:  bad: 5: x\nLINE 2: y\n        ^\nDETAIL:  d\n";
        let rejection = rejection(said);
        assert_eq!(rejection.message, "ERROR:  bad: 5: x\nLINE 2: y\n        ^\nDETAIL:  d");
        assert_eq!((rejection.file.as_deref(), rejection.line), (Some("m/1.sql"), Some(4)));
        assert_eq!(rejection.rest, "one\npsql:m/1.sql:1: NOTICE:  hi\ntwo\n");
    }

    #[test]
    fn a_lost_connection_keeps_all_its_words() {
        let said =
            "psql:<stdin>:4: FATAL:  terminating connection\nserver closed\npsql:<stdin>:4: error: connection lost\n";
        assert_eq!(
            rejection(said).message,
            "FATAL:  terminating connection\nserver closed\npsql:<stdin>:4: error: connection lost"
        );
        let failed = rejection("psql: error: connection to server failed: FATAL:  no\n");
        assert_eq!(failed.message, "error: connection to server failed: FATAL:  no");
        assert_eq!(rejection("psql:a:3: FEHLER:  nein\nZEILE 1: x\n").message, "psql:a:3: FEHLER:  nein\nZEILE 1: x");
    }

    #[test]
    fn what_is_not_the_scripts_fault_is_said_to_be_run_again() {
        let said = "psql:m/1.sql:2: ERROR:  could not extend file \"base/5/16417\": No space left on device\nHINT:  Check free disk space.\n";
        assert!(rejection(said).hints(true)[0].starts_with("make room on the server's disk"));
        for words in ["No space left on device", "deadlock detected", "canceling statement due to lock timeout"] {
            let rejection = rejection(&format!("psql:m/1.sql:2: ERROR:  {words}\n"));
            assert!(rejection.hints(true)[0].contains(RUN_AGAIN), "{words}");
        }
    }

    #[test]
    fn the_line_is_the_one_that_the_server_means() {
        let text = "-- c\nselect 1;\n\ninsert into t\nvalues (1),\n ('x');\n";
        let at = |message: &str, line| {
            Rejection { message: message.to_owned(), line, ..Rejection::default() }.refined(text, 6)
        };
        assert_eq!(at("ERROR:  e\nLINE 3:  ('x');", Some(6)), 6);
        assert_eq!(at("ERROR:  e\nLINE 2: values (1),", Some(6)), 5);
        assert_eq!(at("ERROR:  null value\nDETAIL:  d", Some(6)), 4);
    }
}
