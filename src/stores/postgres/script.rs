//! What is fed to psql for a step, to the letter. Pure: a run feeds it, a dry run prints it.

use super::ledger::{Schema, down, version};
use super::session::literal;
use crate::domain::sql::{self, Dialect};
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

/// How a script gets to psql.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// psql reads the file, and names it and its lines in messages.
    Include(String),
    /// The whole text through psql's input: `\q` then ends the client, instead of ending the script unseen.
    Whole(&'a str),
    /// Statement by statement, with the ledger told after each; and how many there are in all.
    Parts(Vec<Part<'a>>, u32),
}

/// A statement of a script that is no single transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// From its first word to behind its terminator and data.
    pub text: &'a str,
    /// Its first line in the user's file.
    pub line: usize,
    /// Its number, from 1.
    pub number: u32,
    /// Whether psql needs a terminator.
    pub open: bool,
    /// Whether a transaction of the script's own is open behind it, so that nothing may be written yet.
    pub within: bool,
    /// A setting that is repeated because what follows needs it, in a script that goes on where it had stopped.
    pub replayed: bool,
}

/// Text for psql's input, with the place of each line of the user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// What is written.
    pub text: String,
    lines: usize,
    spans: Vec<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    fed: usize,
    user: usize,
    count: usize,
}

impl Feed {
    /// How many lines it has.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The line of the user's file that stands in this line of the feed.
    pub fn place(&self, line: usize) -> Option<usize> {
        let span = self.spans.iter().find(|s| (s.fed..s.fed + s.count).contains(&line))?;
        Some(span.user + line - span.fed)
    }

    fn say(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1 + line.matches('\n').count();
    }

    fn script(&mut self, text: &str, user: usize) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let count = 1 + text.matches('\n').count();
        self.spans.push(Span { fed: self.lines + 1, user, count });
        self.say(text);
    }
}

/// Whether psql reads the script from a file of its own, and nothing in it outlasts its transaction.
pub fn is_plain(step: &Step) -> bool {
    step.mode.is_atomic() && !has_commands(step)
}

/// Whether it has commands of psql's own, whose effects nobody sees or takes back.
pub fn has_commands(step: &Step) -> bool {
    step.shape.client_language.is_some()
}

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
        let entry = format!("{}({}, :{XID}, {})", self.schema.the("entry"), self.token(), self.columns(step));
        // Without a column, so that nothing is printed.
        feed.say(&format!("select from {entry} \\;"));
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

/// How a script has to get to psql; `path` is what psql would read it from. One that has no entry is not fed by parts.
pub fn route<'a>(step: &'a Step, path: &str, journalled: bool) -> Route<'a> {
    if is_plain(step) {
        return Route::Include(path.to_owned());
    }
    let scan = sql::scan(&step.text, Dialect::Postgres);
    if scan.meta_commands.iter().any(|m| m.what.starts_with("\\q") && !m.what.starts_with("\\qecho")) {
        return Route::Whole(&step.text);
    }
    let whole = !journalled
        || step.mode.is_atomic()
        || !scan.meta_commands.is_empty()
        || step.shape.sets_role.is_some()
        || scan.unclosed.is_some();
    if whole { Route::Include(path.to_owned()) } else { parts(step, &scan) }
}

/// The statements of a script, from where it has to begin.
fn parts<'a>(step: &'a Step, scan: &sql::Scan<'a>) -> Route<'a> {
    let within = sql::transaction_open_after(&scan.statements, Dialect::Postgres);
    let mut parts = Vec::with_capacity(scan.statements.len());
    for ((number, statement), within) in (1u32..).zip(&scan.statements).zip(within) {
        let skipped = number <= step.resume_from;
        if skipped && !sql::is_session_setting(statement, Dialect::Postgres) {
            continue;
        }
        parts.push(Part {
            text: &step.text[statement.start..statement.end],
            line: statement.line,
            number,
            open: !statement.terminated,
            within,
            replayed: skipped,
        });
    }
    Route::Parts(parts, u32::try_from(scan.statements.len()).unwrap_or(u32::MAX))
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mode::Reason;
    use crate::domain::{Checksum, Direction, Mode, Version};
    use crate::stores::StoredScript;

    fn step(text: &str, mode: Mode) -> Step {
        Step {
            index: 3,
            store: "postgres".to_owned(),
            version: Version::new(14),
            label: "014_it's".to_owned(),
            direction: Direction::Up,
            path: "m/014_it's.up.sql".to_owned(),
            file: None,
            text: text.into(),
            extension: "sql".to_owned(),
            shape: sql::shape(text, Dialect::Postgres),
            mode,
            checksum: Checksum::recorded("sha256:up"),
            down: None,
            timeout: None,
            resume_from: 0,
        }
    }

    fn two_phase(text: &str) -> Step {
        step(text, Mode::TwoPhase(Reason::Directive(1)))
    }

    fn lines(feed: &Feed) -> Vec<&str> {
        feed.text.lines().collect()
    }

    const REAL: Option<&str> = Some("token");

    fn frame<'a>(schema: &'a Schema, token: Option<&'a str>) -> Frame<'a> {
        Frame { schema, token, mark: "random" }
    }

    #[test]
    fn a_plain_script_and_its_entry_are_one_transaction() {
        let schema = Schema::new("public");
        let mut step = step("create table t (id int);\n", Mode::Atomic);
        step.down = Some(StoredScript {
            extension: "sql".to_owned(),
            text: "drop table t;\n".into(),
            checksum: Checksum::recorded("sha256:down"),
        });
        let feed = frame(&schema, None).atomic(&step, &route(&step, &step.path, true), Chain::default());
        let expected = "begin isolation level read committed read write \\;
select txid_current() as stepladder_xid \\gset
\\i 'm/014_it''s.up.sql'
set constraints all immediate \\;
reset session authorization \\;
reset role \\;
reset all \\;
close all \\;
deallocate all \\;
unlisten * \\;
discard temp \\;
select from public.stepladder_entry('...', :stepladder_xid, 'up', 14::numeric, '014_it''s', 'sha256:up', 3, \
                        'sha256:down', 'sql', '<14 bytes>') \\;
commit \\;
select current_setting('stepladder.took') as stepladder_took \\gset
";
        assert_eq!(feed.text, expected);
    }

    #[test]
    fn a_run_adds_markers_and_joins_neighbours() {
        let schema = Schema::new("public");
        let step = step("select 1;\n", Mode::Atomic);
        let chain = Chain { before: true, after: Some(4) };
        let feed = frame(&schema, REAL).atomic(&step, &route(&step, "m/1.sql", true), chain);
        let fed = lines(&feed);
        assert_eq!(fed[0], "\\i 'm/1.sql'");
        assert!(fed[9].starts_with("select from public.stepladder_entry('token', :stepladder_xid, "));
        let last = [
            "commit \\;",
            "begin isolation level read committed read write \\;",
            "select txid_current() as stepladder_xid, current_setting('stepladder.took') as stepladder_took \\gset",
            "\\echo :stepladder_mark done 3 :stepladder_took begin 4 :stepladder_xid",
        ];
        assert_eq!(fed[10..], last);
        assert_eq!(feed.lines(), fed.len());
    }

    #[test]
    fn a_script_with_commands_is_watched_and_cannot_speak_for_us() {
        let schema = Schema::new("public");
        let step = step("\\set x 1\nselect :x;\n", Mode::Atomic);
        let feed = frame(&schema, REAL).atomic(&step, &route(&step, "m/1.sql", true), Chain::default());
        let fed = lines(&feed);
        assert!(fed[1].contains("public.stepladder_begin('token', 'up', "));
        assert_eq!(fed[2..4], ["\\unset stepladder_mark", "\\i 'm/1.sql'"]);
        assert!(fed.contains(&"\\set ON_ERROR_STOP on") && fed.contains(&"\\set stepladder_mark random"));
        assert!(feed.text.contains("public.stepladder_done('token', 3, false)"));
    }

    #[test]
    fn quitting_is_noticed_since_the_text_is_the_clients_own_input() {
        let step = step("select 1;\n\\q\n", Mode::Atomic);
        assert_eq!(route(&step, "m/1.sql", true), Route::Whole("select 1;\n\\q\n"));
    }

    #[test]
    fn statements_outside_a_transaction_are_journalled_one_by_one() {
        let schema = Schema::new("My schema");
        let mut step = two_phase("-- x\nset a = 1;\nbegin;\nselect 2;\ncommit;\n\nselect\n 3");
        let feed = frame(&schema, REAL).two_phase(&step, &route(&step, "m/1.sql", true));
        let parts: Vec<&str> = lines(&feed).into_iter().filter(|l| l.contains("stepladder_part(")).collect();
        let part = |n: u32| format!("select \"My schema\".stepladder_part('token', 3, {n});");
        assert_eq!(parts, [part(1), part(4), part(5)]);
        let at = lines(&feed).iter().position(|l| *l == " 3").unwrap();
        assert_eq!(feed.place(at + 1), Some(8));
        assert_eq!(lines(&feed)[at + 1], ";");

        step.resume_from = 4;
        let feed = frame(&schema, REAL).two_phase(&step, &route(&step, "m/1.sql", true));
        assert!(feed.text.contains("set a = 1;") && !feed.text.contains("select 2;") && feed.text.contains(", 4, 5)"));
    }

    #[test]
    fn a_script_that_changes_its_role_runs_whole() {
        let step = two_phase("set role a;\nselect 1;\n");
        assert_eq!(route(&step, "~m\\'.sql", true), Route::Include("~m\\'.sql".to_owned()));
        assert_eq!(argument("a'b\\c\n"), "'a''b\\\\c\\n'");
    }
}
