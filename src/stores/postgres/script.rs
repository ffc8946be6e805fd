//! What is fed to psql for a step, to the letter. Pure: a run feeds it, a dry run prints it.

mod feed;
mod route;
#[cfg(test)]
mod tests;

pub use feed::Feed;
pub use route::{Part, Route, has_commands, is_plain, route};

use super::ledger::{Schema, down, version};
use super::session::literal;
use crate::stores::Step;

/// The variable that holds the random word by which a marker of ours is known in psql's output. The word itself
/// never stands before `begin` or `done` in what is fed: an echoed or quoted line must not be taken for a marker.
pub const MARK: &str = "stepladder_mark";

/// The variable that holds the transaction in which a script began.
const XID: &str = "stepladder_xid";

/// What the lines around a script need to know.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Where the ledger is.
    pub schema: &'a Schema,
    /// The fencing token; none in a dry run, which also leaves the markers out.
    pub token: Option<&'a str>,
    /// The random word.
    pub mark: &'a str,
}

/// The setting in which an entry leaves how long its script took, in milliseconds, and the variable it is read into.
const TOOK: &str = "stepladder_took";

/// How the feed of a plain step is joined to its neighbours: the transaction of the next one begins in the message
/// that commits this one, which saves a third of the round trips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Its transaction has been begun already.
    pub before: bool,
    /// It begins the transaction of the step with this index, and says so together with its own end.
    pub after: Option<usize>,
}

const BEGIN: &str = "begin isolation level read committed read write \\;";

/// What an entry has left behind in the session, as a column.
fn took() -> String {
    format!("current_setting('stepladder.took') as {TOOK}")
}

impl Frame<'_> {
    fn token(&self) -> String {
        self.token.map_or_else(|| "'...'".to_owned(), literal)
    }

    /// A query whose answer is a marker.
    fn told(&self, word: &str, index: usize, expression: &str) -> String {
        match self.token {
            Some(_) => format!("select :'{MARK}' || ' {word} {index} ' || {expression}"),
            None => format!("select {expression}"),
        }
    }

    fn echo(&self, feed: &mut Feed, words: &str) {
        if self.token.is_some() {
            feed.say(&format!("\\echo :{MARK} {words}"));
        }
    }

    fn begin(&self, step: &Step, parts_done: Option<u32>, parts_total: Option<u32>) -> String {
        let number = |n: Option<u32>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
        format!(
            "{}({}, {}, {}, {})",
            self.schema.the("begin"),
            self.token(),
            self.columns(step),
            number(parts_done),
            number(parts_total),
        )
    }

    /// What an entry says of its step.
    fn columns(&self, step: &Step) -> String {
        format!(
            "'{}', {}, {}, {}, {}, {}",
            step.direction.word(),
            version(Some(step.version)),
            literal(&step.label),
            literal(step.checksum.as_str()),
            step.index,
            down(step.down.as_ref(), self.token.is_none()),
        )
    }

    /// A step whose script and entry are one transaction. At the end the row of the lease is locked until the
    /// commit, so that a takeover waits for it, or else is seen by it.
    pub fn atomic(&self, step: &Step, route: &Route<'_>, chain: Chain) -> Feed {
        if is_plain(step) { self.plain(step, route, chain) } else { self.watched(step, route) }
    }

    /// A script in which every statement has been seen: none of them ends the transaction. Its entry is written at
    /// the end, and only in the transaction in which the script began.
    fn plain(&self, step: &Step, route: &Route<'_>, chain: Chain) -> Feed {
        let mut feed = Feed::default();
        if !chain.before {
            feed.say(&format!("{BEGIN}\nselect txid_current() as {XID} \\gset"));
            self.echo(&mut feed, &format!("begin {} :{XID}", step.index));
        }
        self.body(&mut feed, step, route);
        feed.say(RESET);
        feed.say(&format!("call {}({}, :{XID}, {}) \\;", self.schema.the("record"), self.token(), self.columns(step)));
        let took = took();
        match chain.after {
            Some(next) => {
                feed.say(&format!("commit \\;\n{BEGIN}\nselect txid_current() as {XID}, {took} \\gset"));
                self.echo(&mut feed, &format!("done {} :{TOOK} begin {next} :{XID}", step.index));
            }
            None => {
                feed.say(&format!("commit \\;\nselect {took} \\gset"));
                self.echo(&mut feed, &format!("done {} :{TOOK}", step.index));
            }
        }
        feed
    }

    /// A script with commands of psql's own, which can do anything unseen. Its entry is written first, as `begun`:
    /// should the script end the transaction behind our back, that is what becomes visible. At the end it becomes
    /// `done`, only in the transaction in which it was written.
    fn watched(&self, step: &Step, route: &Route<'_>) -> Feed {
        let mut feed = Feed::default();
        feed.say(BEGIN);
        feed.say(&format!("{};", self.told("begin", step.index, &self.begin(step, None, None))));
        self.body(&mut feed, step, route);
        feed.say(RESET);
        let done = format!("{}({}, {}, false)", self.schema.the("done"), self.token(), step.index);
        feed.say(&format!("{} \\;", self.told("took", step.index, &done)));
        feed.say("commit;");
        self.echo(&mut feed, &format!("done {}", step.index));
        feed
    }

    /// A step that cannot be one transaction: its `begun` entry is committed before it, `done` is written after it.
    pub fn two_phase(&self, step: &Step, route: &Route<'_>) -> Feed {
        let (done, total) = match route {
            Route::Parts(_, total) => (Some(step.resume_from), Some(*total)),
            _ => (None, None),
        };
        let mut feed = Feed::default();
        feed.say(BEGIN);
        feed.say(&format!("select {}({}) \\;", self.schema.the("held"), self.token()));
        feed.say(&format!("select {} \\;", self.begin(step, done, total)));
        feed.say("commit;");
        self.echo(&mut feed, &format!("begin {} 0", step.index));
        self.body(&mut feed, step, route);
        feed.say("discard all;");
        let done = format!("{}({}, {}, true)", self.schema.the("done"), self.token(), step.index);
        feed.say(&format!("{};", self.told("took", step.index, &done)));
        self.echo(&mut feed, &format!("done {}", step.index));
        feed
    }

    /// A seed script in one transaction: no entry, but only while the lease is ours.
    pub fn seed(&self, step: &Step, route: &Route<'_>) -> Feed {
        let mut feed = Feed::default();
        let alone = !step.mode.is_atomic();
        if !alone {
            feed.say("begin isolation level read committed read write;");
        }
        self.echo(&mut feed, &format!("begin {} 0", step.index));
        self.body(&mut feed, step, route);
        feed.say(if alone { "discard all;" } else { RESET });
        let held = format!("select {}({})", self.schema.the("held"), self.token());
        feed.say(&if alone { format!("{held};") } else { format!("{held} \\;\ncommit;") });
        self.echo(&mut feed, &format!("done {}", step.index));
        feed
    }

    fn body(&self, feed: &mut Feed, step: &Step, route: &Route<'_>) {
        // What a script could say in our name, or may have set for itself, must not hold for the lines behind it.
        let commands = has_commands(step);
        if commands && self.token.is_some() {
            feed.say(&format!("\\unset {MARK}"));
        }
        match route {
            Route::Include(path) => feed.say(&format!("\\i {}", argument(path))),
            Route::Whole(text) => {
                feed.script(text, 1);
                // Ends a last statement without a terminator; behind one it is no statement at all.
                feed.say(";");
            }
            Route::Parts(parts, _) => parts.iter().for_each(|part| self.part(feed, step, part)),
        }
        if commands {
            feed.say("\\o\n\\set AUTOCOMMIT on\n\\set ON_ERROR_STOP on\n\\set ON_ERROR_ROLLBACK off");
        }
        if commands && self.token.is_some() {
            feed.say(&format!("\\set {MARK} {}", self.mark));
        }
    }

    fn part(&self, feed: &mut Feed, step: &Step, part: &Part<'_>) {
        feed.script(part.text, part.line);
        if part.open {
            feed.say(";");
        }
        if part.replayed || part.within {
            return;
        }
        let part_done = self.schema.the("part");
        feed.say(&format!("select {part_done}({}, {}, {});", self.token(), step.index, part.number));
        self.echo(feed, &format!("part {} {}", step.index, part.number));
    }
}

/// Takes back whatever a script may have left in the session, within its transaction. Constraints that it deferred
/// are checked first, while its own settings still hold.
const RESET: &str = "set constraints all immediate \\;
reset session authorization \\;
reset role \\;
reset all \\;
close all \\;
deallocate all \\;
unlisten * \\;
discard temp \\;";

/// A text as an argument of a backslash command.
fn argument(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}
