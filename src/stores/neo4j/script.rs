//! A script in the parts that the journal counts. Pure.

use crate::domain::cypher::{Item, Sort, scan};

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
