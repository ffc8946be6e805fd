//! What cypher-shell is fed: text, made of scripts and ledger statements. Pure.
//!
//! cypher-shell reads all its input before it runs the first statement, so everything that is to happen stands in the text:
//! the lease is checked by each ledger statement, which fails where it is lost, and a failure ends the shell.

use super::script::{How, Part, Unfit, has_commands, parts};
use super::statement::{Guard, Query, name};
use crate::domain::EntryEvent;
use crate::domain::cypher::Item;
use crate::stores::{NewEntry, Owner, Step};

/// The word behind the mark when a shell is through with everything.
pub const END: &str = "end";

/// What a shell is given.
#[derive(Default)]
pub struct Feed {
    /// All its text.
    pub text: String,
    /// The ledger's statements in it, one for each plan that the server has to make.
    pub plans: Vec<Planned>,
    /// Whether the text is in a transaction of ours.
    open: bool,
    /// Whether that has changed something.
    changed: bool,
}

/// A statement that the server plans once.
pub struct Planned {
    /// With one of its parameters.
    pub query: Query,
    /// Behind a change in the same transaction the server has a plan of its own.
    pub behind_change: bool,
}

impl Feed {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn ask(&mut self, query: Query) {
        self.push(&query.shell());
        let behind_change = self.changed;
        if !self.plans.iter().any(|p| p.behind_change == behind_change && p.query.is_planned_with(&query)) {
            self.plans.push(Planned { query, behind_change });
        }
    }

    /// Begins a transaction.
    fn begin(&mut self) {
        self.push(":begin\n");
        self.open = true;
    }

    /// Ends it.
    fn commit(&mut self) {
        self.push(":commit\n");
        (self.open, self.changed) = (false, false);
    }

    /// A statement of the script. It may end in a comment, so its terminator stands on a line of its own.
    fn item(&mut self, item: &Item<'_>) {
        self.push(item.text);
        self.push(if item.is_command { "\n" } else { "\n;\n" });
        self.changed = self.open;
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
    /// All that a shell does for these steps.
    ///
    /// # Errors
    /// As [`parts`].
    pub fn all(&self, steps: &[Step], seed: bool) -> Result<Feed, Unfit> {
        let mut feed = Feed::default();
        for (step, at) in steps.iter().zip(0..) {
            match seed {
                true => self.seed(&mut feed, step)?,
                false => self.step(&mut feed, step, at > 0)?,
            }
        }
        // A step's end has been committed once something behind it has run.
        self.says(&mut feed, END, 0, "");
        Ok(feed)
    }

    /// A step between its `begun` and its `done`. One that is a single transaction says that it begins only where it is the first:
    /// behind another one it begins when that one ends, and each statement costs the shell some milliseconds.
    ///
    /// # Errors
    /// As [`parts`].
    pub fn step(&self, feed: &mut Feed, step: &Step, follows: bool) -> Result<(), Unfit> {
        let parts = parts(&step.text)?;
        if is_whole(step) {
            self.whole(feed, step, &parts, follows);
            return Ok(());
        }
        let total = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let skipped = step.resume_from.min(total);
        let begun = NewEntry::of_parts(step, EntryEvent::Begun, (skipped, total));
        self.ledger(feed, format_args!("{} is begun", step.label), |owner, guard| {
            Guard { begins: true, ..guard }.append(&begun, owner, &self.words("begin", step.index, ""))
        });
        let done = NewEntry::of_parts(step, EntryEvent::Done, (total, total));
        let is_done = |guard: Guard<'_>, owner: &Owner| guard.done(&done, owner, &self.words("done", step.index, ""));
        for (part, number) in parts.iter().zip(1..) {
            part.before.iter().for_each(|item| feed.item(item));
            if number <= skipped {
                continue;
            }
            let together = part.how == How::Together;
            if together {
                feed.begin();
            }
            self.part(feed, part, step.index);
            if number < total {
                self.ledger(feed, format_args!("{number} of {total} done"), |_, guard| {
                    guard.part(number, total, &self.words("part", step.index, &number.to_string()))
                });
            } else {
                self.ledger(feed, format_args!("{} is done", step.label), |owner, guard| is_done(guard, owner));
            }
            if together {
                feed.commit();
            }
        }
        if skipped == total {
            self.ledger(feed, format_args!("{} is done", step.label), |owner, guard| is_done(guard, owner));
        }
        Ok(())
    }

    /// A step that is data alone: one transaction with its entry.
    fn whole(&self, feed: &mut Feed, step: &Step, parts: &[Part<'_>], follows: bool) {
        feed.begin();
        if !follows {
            self.says(feed, "begin", step.index, "");
        }
        for (item, number) in parts.iter().flat_map(|part| &part.items).zip(0..) {
            if number > 0 {
                self.line(feed, item, step.index);
            }
            feed.item(item);
        }
        let done = NewEntry::of(step, EntryEvent::Done);
        self.ledger(feed, format_args!("{} is done", step.label), |owner, guard| {
            Guard { begins: true, ..guard }.whole(&done, owner, &self.words("done", step.index, ""))
        });
        feed.commit();
    }

    /// Says which statement of several comes now.
    fn line(&self, feed: &mut Feed, item: &Item<'_>, index: usize) {
        if !item.is_command {
            self.says(feed, "line", index, &item.line.to_string());
        }
    }

    /// A seed script: no entry. Data alone is one transaction.
    fn seed(&self, feed: &mut Feed, step: &Step) -> Result<(), Unfit> {
        let parts = parts(&step.text)?;
        let whole = !has_commands(&step.text) && parts.iter().all(|part| part.how == How::Together);
        self.ledger(feed, format_args!("seed {}", step.label), |_, guard| {
            Guard { begins: true, ..guard }.check(&self.words("begin", step.index, ""))
        });
        let in_one = whole && !parts.is_empty();
        if in_one {
            feed.begin();
        }
        for part in &parts {
            part.before.iter().for_each(|item| feed.item(item));
            self.part(feed, part, step.index);
        }
        if in_one {
            feed.commit();
        }
        self.ledger(feed, format_args!("seed {} is done", step.label), |_, guard| {
            guard.check(&self.words("done", step.index, ""))
        });
        Ok(())
    }

    fn words(&self, word: &str, index: usize, value: &str) -> String {
        format!("{} {word} {index} {value}", self.mark)
    }

    /// Has the shell say something to us, which is nothing that a preview shows.
    fn says(&self, feed: &mut Feed, word: &str, index: usize, value: &str) {
        if self.owner.is_some() {
            feed.ask(Query::says(self.words(word, index, value)));
        }
    }

    fn part(&self, feed: &mut Feed, part: &Part<'_>, index: usize) {
        if let Some(database) = part.database {
            feed.push(&format!(":use {database}\n"));
        }
        for (item, number) in part.items.iter().zip(0..) {
            // In a transaction of the script's own the failing statement is one of several.
            if number > 1 {
                self.line(feed, item, index);
            }
            feed.item(item);
        }
        if part.database.is_some() {
            feed.push(&match self.database {
                Some(own) => format!(":use {}\n", name(own)),
                None => ":use\n".to_owned(),
            });
        }
    }

    fn ledger(&self, feed: &mut Feed, shown: std::fmt::Arguments<'_>, make: impl Fn(&Owner, Guard<'_>) -> Query) {
        match self.owner {
            Some(owner) => feed.ask(make(owner, Guard { token: &owner.token, begins: false })),
            None => feed.push(&format!("// ledger: {}\n", shown.to_string().replace(['\n', '\r'], " "))),
        }
    }
}

/// Whether a script is one transaction with its entry. What goes on in its middle is none.
pub fn is_whole(step: &Step) -> bool {
    step.mode.is_atomic() && step.resume_from == 0
}
