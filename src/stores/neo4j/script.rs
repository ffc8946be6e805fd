//! What cypher-shell is fed: text, made of scripts and ledger statements. Pure.
//!
//! cypher-shell reads all its input before it runs the first statement, so everything that is to happen stands in the text:
//! the lease is checked by each ledger statement, which fails where it is lost, and a failure ends the shell.

use super::ledger::{Guard, Query, name};
use crate::domain::EntryEvent;
use crate::domain::cypher::{Item, Sort, scan};
use crate::stores::{NewEntry, Owner, Step};

/// Something that counts as one in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its statements and commands.
    pub items: Vec<Item<'a>>,
    /// How it runs.
    pub how: How,
    /// The commands before it that set something: they are repeated when a run resumes behind them.
    pub before: Vec<Item<'a>>,
    /// The database that the script chose with `:use`.
    pub database: Option<&'a str>,
}

/// How a part runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// In one transaction with its journal.
    Together,
    /// In transactions of its own, its journal behind it.
    Alone,
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

/// Whether a script uses the shell's own commands: what they set cannot be taken back, so it gets a shell of its own.
pub fn has_commands(text: &str) -> bool {
    scan(text).items.iter().any(|item| item.is_command)
}

/// A script in parts.
///
/// # Errors
/// Commands that would keep the script from being followed.
pub fn parts(text: &str) -> Result<Vec<Part<'_>>, Unfit> {
    let scan = scan(text);
    if let Some(unclosed) = scan.unclosed {
        let message = format!("a {} is opened here and never closed", unclosed.what);
        return Err(Unfit { line: unclosed.line, message, hint: "everything behind it would be part of it" });
    }
    let mut splitter = Splitter::default();
    for item in scan.items {
        splitter.take(item)?;
    }
    match splitter.open {
        Some(items) => Err(Unfit {
            line: items[0].line,
            message: "the transaction that is begun here is never ended".to_owned(),
            hint: "write `:commit` where it is to end",
        }),
        None => Ok(splitter.parts),
    }
}

#[derive(Default)]
struct Splitter<'a> {
    parts: Vec<Part<'a>>,
    before: Vec<Item<'a>>,
    database: Option<&'a str>,
    /// What follows a `:begin`.
    open: Option<Vec<Item<'a>>>,
}

impl<'a> Splitter<'a> {
    fn take(&mut self, item: Item<'a>) -> Result<(), Unfit> {
        let unfit = |message: String, hint: &'static str| Err(Unfit { line: item.line, message, hint });
        let (command, argument) = if item.is_command { item.command() } else { ("", "") };
        match (command, &mut self.open) {
            ("exit" | "quit", _) => unfit(
                format!("`:{command}` would end the shell, so nothing behind it would run"),
                "take the line out, and what stands behind it too if it is not to run",
            ),
            ("connect" | "disconnect" | "logout", _) => unfit(
                format!("`:{command}` would leave the store that the ledger is in"),
                "make a store of the other server",
            ),
            ("begin", Some(_)) => unfit("a transaction is open already".to_owned(), "Neo4j has no nested transactions"),
            ("begin", open) => {
                *open = Some(vec![item]);
                Ok(())
            }
            ("commit" | "rollback", None) => {
                unfit(format!("there is no transaction for `:{command}`"), "`:begin` opens one")
            }
            ("commit" | "rollback", Some(_)) => {
                let mut items = self.open.take().unwrap_or_default();
                items.push(item);
                self.part(items, How::Alone);
                Ok(())
            }
            ("use", Some(_)) => unfit("`:use` cannot stand in a transaction".to_owned(), "write it before `:begin`"),
            ("use", None) => {
                self.database = Some(argument).filter(|a| !a.is_empty());
                Ok(())
            }
            (_, Some(items)) => {
                items.push(item);
                Ok(())
            }
            ("", None) => {
                let how = match item.sort() {
                    Sort::Data if self.database.is_none() => How::Together,
                    _ => How::Alone,
                };
                self.part(vec![item], how);
                Ok(())
            }
            ("source", None) => {
                self.part(vec![item], How::Alone);
                Ok(())
            }
            (_, None) => {
                self.before.push(item);
                Ok(())
            }
        }
    }

    fn part(&mut self, items: Vec<Item<'a>>, how: How) {
        let before = std::mem::take(&mut self.before);
        self.parts.push(Part { items, how, before, database: self.database });
    }
}

/// What goes around scripts.
pub struct Frame<'a> {
    /// This run; none for a preview, which shows ledger statements as remarks.
    pub owner: Option<&'a Owner>,
    /// The database of the ledger, where the connection names one.
    pub database: Option<&'a str>,
    /// A random word that no script prints.
    pub mark: &'a str,
}

impl Frame<'_> {
    /// A step between its `begun` and its `done`.
    ///
    /// # Errors
    /// As [`parts`].
    pub fn step(&self, step: &Step) -> Result<String, Unfit> {
        let parts = parts(&step.text)?;
        if is_whole(step) {
            return Ok(self.whole(step, &parts));
        }
        let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let skipped = step.resume_from.min(total);
        let mut out = String::new();
        let begun = NewEntry::of_parts(step, EntryEvent::Begun, (skipped, total));
        self.ledger(&mut out, format_args!("{} is begun", step.label), |owner, guard| {
            Guard { begins: true, ..guard }.append(&begun, owner, &self.says("begin", step.index, ""))
        });
        let done = NewEntry::of_parts(step, EntryEvent::Done, (total, total));
        let is_done = |guard: Guard<'_>, owner: &Owner| guard.done(&done, owner, &self.says("done", step.index, ""));
        for (part, number) in parts.iter().zip(1..) {
            part.before.iter().for_each(|item| statement(&mut out, item));
            if number <= skipped {
                continue;
            }
            let together = part.how == How::Together;
            if together {
                out.push_str(":begin\n");
            }
            self.part(&mut out, part, step.index);
            if number < total {
                self.ledger(&mut out, format_args!("{number} of {total} done"), |_, guard| {
                    guard.part(number, total, &self.says("part", step.index, &number.to_string()))
                });
            } else {
                self.ledger(&mut out, format_args!("{} is done", step.label), |owner, guard| is_done(guard, owner));
            }
            if together {
                out.push_str(":commit\n");
            }
        }
        if skipped == total {
            self.ledger(&mut out, format_args!("{} is done", step.label), |owner, guard| is_done(guard, owner));
        }
        Ok(out)
    }

    /// A step that is data alone: one transaction with its entry.
    fn whole(&self, step: &Step, parts: &[Part<'_>]) -> String {
        let mut out = ":begin\n".to_owned();
        self.ledger(&mut out, format_args!("{} begins", step.label), |_, guard| {
            Guard { begins: true, ..guard }.glance(&self.says("begin", step.index, ""))
        });
        for (item, number) in parts.iter().flat_map(|part| &part.items).zip(0..) {
            if number > 0 {
                self.line(&mut out, item, step.index);
            }
            statement(&mut out, item);
        }
        let done = NewEntry::of(step, EntryEvent::Done);
        self.ledger(&mut out, format_args!("{} is done", step.label), |owner, guard| {
            guard.whole(&done, owner, &self.says("done", step.index, ""))
        });
        out + ":commit\n"
    }

    /// Says which statement of several comes now.
    fn line(&self, out: &mut String, item: &Item<'_>, index: usize) {
        if self.owner.is_some() && !item.is_command {
            let says = self.says("line", index, &item.line.to_string());
            out.push_str(&format!("RETURN '{says}' AS stepladder;\n"));
        }
    }

    /// A seed script: no entry. Data alone is one transaction.
    ///
    /// # Errors
    /// As [`parts`].
    pub fn seed(&self, step: &Step) -> Result<String, Unfit> {
        let parts = parts(&step.text)?;
        let whole = !has_commands(&step.text) && parts.iter().all(|part| part.how == How::Together);
        let mut out = String::new();
        self.ledger(&mut out, format_args!("seed {}", step.label), |_, guard| {
            Guard { begins: true, ..guard }.check(&self.says("begin", step.index, ""))
        });
        let bracket = |out: &mut String, word: &str| {
            if whole && !parts.is_empty() {
                out.push_str(word);
            }
        };
        bracket(&mut out, ":begin\n");
        for part in &parts {
            part.before.iter().for_each(|item| statement(&mut out, item));
            self.part(&mut out, part, step.index);
        }
        bracket(&mut out, ":commit\n");
        self.ledger(&mut out, format_args!("seed {} is done", step.label), |_, guard| {
            guard.check(&self.says("done", step.index, ""))
        });
        Ok(out)
    }

    /// What ends the text: a step's end has been committed once something behind it has run.
    pub fn end(&self) -> String {
        format!("RETURN '{} end 0 ' AS stepladder;\n", self.mark)
    }

    fn says(&self, word: &str, index: usize, value: &str) -> String {
        format!("{} {word} {index} {value}", self.mark)
    }

    fn part(&self, out: &mut String, part: &Part<'_>, index: usize) {
        if let Some(database) = part.database {
            out.push_str(&format!(":use {database}\n"));
        }
        for (item, number) in part.items.iter().zip(0..) {
            // In a transaction of the script's own the failing statement is one of several.
            if number > 1 {
                self.line(out, item, index);
            }
            statement(out, item);
        }
        if part.database.is_some() {
            out.push_str(&match self.database {
                Some(own) => format!(":use {}\n", name(own)),
                None => ":use\n".to_owned(),
            });
        }
    }

    fn ledger(&self, out: &mut String, shown: std::fmt::Arguments<'_>, make: impl Fn(&Owner, Guard<'_>) -> Query) {
        match self.owner {
            Some(owner) => out.push_str(&make(owner, Guard { token: &owner.token, begins: false }).shell()),
            None => out.push_str(&format!("// ledger: {}\n", shown.to_string().replace(['\n', '\r'], " "))),
        }
    }
}

/// Whether a script is one transaction with its entry. What goes on in its middle is none.
pub fn is_whole(step: &Step) -> bool {
    step.mode.is_atomic() && step.resume_from == 0
}

/// A statement may end in a comment, so its terminator stands on a line of its own.
fn statement(out: &mut String, item: &Item<'_>) {
    out.push_str(item.text);
    out.push_str(if item.is_command { "\n" } else { "\n;\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |part: &Part<'_>| {
            let items: Vec<&str> = part.before.iter().chain(&part.items).map(|i| i.text).collect();
            format!(
                "{:?} {}{}",
                part.how,
                part.database.map(|d| format!("[{d}] ")).unwrap_or_default(),
                items.join(" | ")
            )
        };
        parts(text).unwrap().iter().map(show).collect()
    }

    #[test]
    fn data_goes_with_its_journal_and_everything_else_alone() {
        let text = "CREATE (n);\nCREATE INDEX a FOR (n:A) ON (n.x);\n:param x => 1\nMATCH (n) SET n.x = $x;\n\
                    :begin\nCREATE (a);\nCREATE (b);\n:commit\n:use other\nCREATE (n)";
        let expected = [
            "Together CREATE (n)",
            "Alone CREATE INDEX a FOR (n:A) ON (n.x)",
            "Together :param x => 1 | MATCH (n) SET n.x = $x",
            "Alone :begin | CREATE (a) | CREATE (b) | :commit",
            "Alone [other] CREATE (n)",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_its_line() {
        for (text, line, words) in [
            ("RETURN 1;\n:exit\nRETURN 2;", 2, ":exit"),
            (":begin\nCREATE (n);", 1, "never ended"),
            ("CREATE (n);\n:commit", 2, "no transaction"),
            (":begin\n:begin\n:commit", 2, "open already"),
            ("RETURN 1;\n\nRETURN 'a", 3, "string"),
        ] {
            let unfit = parts(text).unwrap_err();
            assert_eq!(unfit.line, line, "{text}");
            assert!(unfit.message.contains(words), "{}", unfit.message);
        }
    }
}
