//! The statements that write the ledger.
//!
//! Every write locks the one `:StepladderMeta` node first, so writes come one after the other whoever makes them, and then
//! checks that the lease is still its writer's: the same text for the shell and for our own connection.

use std::fmt::Write as _;

use super::bolt::Value;
use super::packed::pack;
use crate::domain::{Direction, EntryEvent, Version};
use crate::stores::{NewEntry, Owner};

/// Words by which a refusal of our own is known in a client's message.
pub const LEASE_LOST: &str = "stepladder: the lease is lost";
/// See [`LEASE_LOST`].
pub const ASKED_TO_STOP: &str = "stepladder: asked to stop";
/// What the ledger's statements begin with that a client is given.
pub const BEGINNING: &str = "WITH split($stepladder, ";
/// The server's clock at this moment, in milliseconds.
pub const NOW: &str = "datetime.realtime().epochMillis";

/// A text as Cypher takes it, on one line.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // NUL and the like: written as their numbers.
            c if c.is_control() && u32::from(c) < 0x80 => _ = write!(out, "\\u{:04x}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A name in backticks.
pub fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

/// A statement with its parameter `$stepladder`. Its text is always the same, so that the server plans it once. The parameter
/// is one text of fields apart by the unit separator: cypher-shell asks the server to make anything but a plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The statement.
    pub text: String,
    /// What `$stepladder` is.
    pub parameter: String,
}

/// Between the fields of a parameter.
const SEPARATOR: char = '\u{1f}';

impl Query {
    /// Only says something.
    pub fn says(words: String) -> Self {
        Self { text: "RETURN $stepladder AS stepladder".to_owned(), parameter: words }
    }

    /// Whether the server has a plan for it once it has one for the other: it plans anew where a text is ten times as long.
    pub fn is_planned_with(&self, other: &Self) -> bool {
        let digits = |query: &Self| query.parameter.len().to_string().len();
        self.text == other.text && digits(self) == digits(other)
    }

    /// As cypher-shell takes it.
    pub fn shell(&self) -> String {
        format!(":param stepladder => {}\n{};\n", literal(&self.parameter), self.text)
    }
}

/// Who writes, and whether a request to stop stops it too.
#[derive(Clone, Copy)]
pub struct Guard<'a> {
    /// This run's fencing token.
    pub token: &'a str,
    /// Whether it refuses itself in a transaction that began after a stop was asked for.
    pub begins: bool,
}

impl Guard<'_> {
    /// Locks, checks, and binds `v` (the fields), `m` (the meta node) and `seq` (the number of the newest entry). A date that is
    /// none is how a statement fails with words of one's own. The first fields are the token, whether a step begins, the mark.
    fn query(self, mark: &str, fields: &[String], rest: &str) -> Query {
        let text = format!(
            "WITH split($stepladder, '\\u001f') AS v \
             OPTIONAL MATCH (m:StepladderMeta {{id: 1}}) SET m.lock = true WITH v, m OPTIONAL MATCH (l:StepladderLease {{id: 1}}) \
             WITH v, m, CASE WHEN v[1] = 'begins' AND l.stop <= datetime.transaction().epochMillis THEN '{ASKED_TO_STOP}' \
             WHEN l.token = v[0] AND l.expires > {NOW} THEN null ELSE '{LEASE_LOST}' END AS no \
             WITH v, m, m.seq + CASE WHEN no IS NULL THEN 0 ELSE datetime(no).year END AS seq {rest}"
        );
        let first = [self.token, if self.begins { "begins" } else { "" }, mark];
        let all: Vec<String> =
            first.into_iter().chain(fields.iter().map(String::as_str)).map(|f| f.replace(SEPARATOR, " ")).collect();
        Query { text, parameter: all.join(&SEPARATOR.to_string()) }
    }

    /// Appends an entry, and returns `mark`.
    pub fn append(self, entry: &NewEntry, owner: &Owner, mark: &str) -> Query {
        let rest = format!(
            "SET m.seq = seq + 1, m.begun = CASE v[3] WHEN 'begun' THEN seq + 1 ELSE m.begun END \
             CREATE (e:StepladderMigration {{seq: seq + 1, at: {NOW}, {}}}) RETURN v[2] AS stepladder",
            read_back("toInteger(v[13])", 3)
        );
        self.query(mark, &fields(entry, owner), &rest)
    }

    /// Appends the end of one step and the beginning of the next: both or none.
    pub fn turn(self, done: &NewEntry, begun: &NewEntry, owner: &Owner) -> Query {
        let rest = format!(
            "SET m.seq = seq + 2, m.begun = seq + 2 \
             CREATE (d:StepladderMigration {{seq: seq + 1, at: {NOW}, {}}}), \
             (b:StepladderMigration {{seq: seq + 2, at: {NOW}, {}}}) RETURN 1",
            read_back("toInteger(v[13])", 3),
            read_back("toInteger(v[29])", 19)
        );
        self.query("", &[fields(done, owner), fields(begun, owner)].concat(), &rest)
    }

    /// Appends the `done` of a step that is one transaction with it, timed by the server, and returns `mark` with the time it took.
    pub fn whole(self, entry: &NewEntry, owner: &Owner, mark: &str) -> Query {
        let rest = format!(
            "WITH v, m, seq, {NOW} AS now, {NOW} - datetime.transaction().epochMillis AS took \
             SET m.seq = seq + 1 CREATE (e:StepladderMigration {{seq: seq + 1, at: now, {}}}) \
             RETURN v[2] + toString(took) AS stepladder",
            read_back("took", 3)
        );
        self.query(mark, &fields(entry, owner), &rest)
    }

    /// Appends the `done` of the step that was begun last, timed by the server, and returns `mark` with the time it took.
    pub fn done(self, entry: &NewEntry, owner: &Owner, mark: &str) -> Query {
        let rest = format!(
            "OPTIONAL MATCH (b:StepladderMigration {{seq: m.begun}}) WITH v, m, seq, {NOW} AS now, {NOW} - b.at AS took \
             SET m.seq = seq + 1 CREATE (e:StepladderMigration {{seq: seq + 1, at: now, {}}}) \
             RETURN v[2] + toString(took) AS stepladder",
            read_back("took", 3)
        );
        self.query(mark, &fields(entry, owner), &rest)
    }

    /// Notes in the entry that was begun last how many parts are done, and returns `mark`.
    pub fn part(self, done: u32, total: u32, mark: &str) -> Query {
        self.query(
            mark,
            &[done.to_string(), total.to_string()],
            "SET m.seq = seq WITH v, m OPTIONAL MATCH (b:StepladderMigration {seq: m.begun}) \
             SET b.parts_done = toInteger(v[3]), b.parts_total = toInteger(v[4]) RETURN v[2] AS stepladder",
        )
    }

    /// The same for the newest `begun` entry of a version.
    pub fn journal(self, version: Version, done: u32, total: u32) -> Query {
        self.query(
            "",
            &[done.to_string(), total.to_string(), version.to_string()],
            "SET m.seq = seq WITH v, m OPTIONAL MATCH (b:StepladderMigration {event: 'begun', version: v[5]}) \
             WITH v, b ORDER BY b.seq DESC LIMIT 1 \
             SET b.parts_done = toInteger(v[3]), b.parts_total = toInteger(v[4]) RETURN 1",
        )
    }

    /// Only checks.
    pub fn check(self, mark: &str) -> Query {
        self.query(mark, &[], "SET m.seq = seq RETURN v[2] AS stepladder")
    }
}

/// An entry as fields of a parameter, from the fourth on; an empty one stands for nothing.
fn fields(entry: &NewEntry, owner: &Owner) -> [String; 16] {
    let number = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
    let down = entry.down.as_ref();
    [
        entry.event.word().to_owned(),
        entry.direction.word().to_owned(),
        entry.version.map(|v| v.to_string()).unwrap_or_default(),
        entry.label.clone(),
        entry.checksum.as_str().to_owned(),
        down.map(|d| d.checksum.as_str().to_owned()).unwrap_or_default(),
        down.map(|d| d.extension.clone()).unwrap_or_default(),
        down.map(|d| pack(&d.text)).unwrap_or_default(),
        owner.run.clone(),
        entry.ordinal.to_string(),
        number(entry.duration_ms),
        owner.who(),
        owner.tool.clone(),
        number(entry.parts_done.map(i64::from)),
        number(entry.parts_total.map(i64::from)),
        entry.note.clone().unwrap_or_default(),
    ]
}

/// The properties that [`fields`] holds, as the server reads them; the first of them is `v[from]`.
fn read_back(took: &str, from: usize) -> String {
    let v = |at: usize| format!("v[{}]", from + at);
    let some = |at: usize| format!("CASE {0} WHEN '' THEN null ELSE {0} END", v(at));
    format!(
        "event: {}, direction: {}, version: {}, label: {}, checksum: {}, down_checksum: {}, down_extension: {}, \
         down_script: {}, run: {}, ordinal: toInteger({}), duration_ms: {took}, who: {}, tool: {}, \
         parts_done: toInteger({}), parts_total: toInteger({}), note: {}",
        v(0),
        v(1),
        some(2),
        v(3),
        v(4),
        some(5),
        some(6),
        some(7),
        v(8),
        v(9),
        v(11),
        v(12),
        v(13),
        v(14),
        some(15),
    )
}

/// Appends `$entry`, an `unlocked` one, where `m` is bound and locked.
pub const UNLOCKED: &str = "WITH m, m.seq + 1 AS seq SET m.seq = seq CREATE (e:StepladderMigration {seq: seq}) \
    SET e += $entry, e.at = datetime.realtime().epochMillis";

/// What [`UNLOCKED`] appends.
pub fn unlocked(by: &Owner, note: &str) -> Value {
    Value::map([
        ("event", Value::text(EntryEvent::Unlocked.word())),
        ("direction", Value::text(Direction::Up.word())),
        ("label", Value::text("")),
        ("checksum", Value::text("")),
        ("run", Value::text(&by.run)),
        ("ordinal", Value::Int(0)),
        ("who", Value::text(by.who())),
        ("tool", Value::text(&by.tool)),
        ("note", Value::text(note)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_stay_on_one_line_and_names_in_their_quotes() {
        assert_eq!(literal("it's\\\n\t\u{0}é"), "'it\\'s\\\\\\n\\t\\u0000é'");
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(crate::domain::cypher::scan(&literal("';'\\")).items.len(), 1);
    }
}
