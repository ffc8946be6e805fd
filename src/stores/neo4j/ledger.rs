//! The ledger's nodes, and the statements that read and write them.
//!
//! Every write locks the one `:StepladderMeta` node first, so writes come one after the other whoever makes them, and then
//! checks that the lease is still its writer's: the same text for the shell and for our own connection.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::bolt::{Trouble, Value};
use super::session::{Rows, Session};
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript};

/// Words by which a refusal of our own is known in a client's message.
pub const LEASE_LOST: &str = "stepladder: the lease is lost";
/// See [`LEASE_LOST`].
pub const ASKED_TO_STOP: &str = "stepladder: asked to stop";
/// What the ledger's statements begin with that a client is given.
pub const BEGINNING: &str = "WITH split($stepladder, ";
/// Labels of everything that belongs to the ledger; `fresh` keeps its hands off these.
pub const LABELS: [&str; 3] = ["StepladderMigration", "StepladderMeta", "StepladderLease"];
/// The beginning of the names of the ledger's constraints.
pub const CONSTRAINTS: &str = "stepladder_ledger_";

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

/// The format of the ledger that is there.
///
/// # Errors
/// No answer; a ledger of a newer format.
pub fn format(session: &mut Session) -> Result<Option<i64>, Failure> {
    let rows = session.read("MATCH (m:StepladderMeta {id: 1}) RETURN m.format")?;
    let Some(row) = rows.first() else { return Ok(None) };
    let format = row.first().and_then(Value::as_int).unwrap_or(FORMAT);
    if format > FORMAT {
        return Err(Failure::failed(format!(
            "the ledger of {} was written by a newer stepladder (format {format}, this one knows {FORMAT})",
            session.endpoint()
        ))
        .hint("use the newer stepladder"));
    }
    Ok(Some(format))
}

/// Creates what the ledger needs. Another process may be doing the same at this moment.
///
/// # Errors
/// The server's refusal.
pub fn create(session: &mut Session) -> Result<(), Failure> {
    let constraint = |label: &str, property: &str| {
        format!(
            "CREATE CONSTRAINT {CONSTRAINTS}{} IF NOT EXISTS FOR (n:{label}) REQUIRE n.{property} IS UNIQUE",
            label.to_lowercase()
        )
    };
    let statements = [
        constraint("StepladderMeta", "id"),
        constraint("StepladderLease", "id"),
        constraint("StepladderMigration", "seq"),
        format!("MERGE (m:StepladderMeta {{id: 1}}) ON CREATE SET m.format = {FORMAT}, m.seq = 0"),
    ];
    for statement in statements {
        let mut tries = 0;
        loop {
            match session.run(&statement) {
                Ok(_) => break,
                Err(Trouble::Refused(code, _)) if tries < 40 && code.contains(".Schema.") => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                Err(trouble) => {
                    let mut failure = session.failure(trouble);
                    failure.message = format!("the ledger cannot be created: {}", failure.message);
                    return Err(failure);
                }
            }
        }
    }
    Ok(())
}

/// Reads the whole ledger.
///
/// # Errors
/// No answer; a ledger of a newer format; an entry that cannot be understood.
pub fn look(session: &mut Session) -> Result<Ledger, Failure> {
    if format(session)?.is_none() {
        return Ok(Ledger::default());
    }
    let rows = session.read(
        "MATCH (e:StepladderMigration) RETURN e.seq, e.event, e.direction, e.version, e.label, e.checksum, e.down_checksum, \
         e.run, e.ordinal, e.at, e.duration_ms, e.who, e.tool, e.parts_done, e.parts_total, e.note ORDER BY e.seq",
    )?;
    let entries = rows.iter().map(|row| entry(row)).collect::<Option<Vec<Entry>>>();
    let entries = entries.ok_or_else(|| Failure::failed("the ledger holds an entry that cannot be understood"))?;
    Ok(Ledger { exists: true, entries })
}

fn entry(row: &[Value]) -> Option<Entry> {
    let text = |at: usize| row.get(at).and_then(Value::as_text);
    let own = |at: usize| text(at).map(str::to_owned);
    let number = |at: usize| row.get(at).and_then(Value::as_int);
    let small = |at: usize| number(at).and_then(|n| u32::try_from(n).ok());
    Some(Entry {
        seq: number(0)?,
        event: EntryEvent::from_word(text(1)?)?,
        direction: Direction::from_word(text(2)?)?,
        version: match text(3) {
            Some(digits) => Some(digits.parse().ok()?),
            None => None,
        },
        label: own(4)?,
        checksum: Checksum::recorded(own(5)?),
        down_checksum: own(6).map(Checksum::recorded),
        run: own(7)?,
        ordinal: number(8)?,
        at_ms: number(9)?,
        duration_ms: number(10),
        who: own(11)?,
        tool: own(12)?,
        parts_done: small(13),
        parts_total: small(14),
        note: own(15),
    })
}

/// Ordinal, event, duration and parts of the entries of a run, in their order.
///
/// # Errors
/// No answer.
pub fn of_run(session: &mut Session, run: &str, from: usize, to: usize) -> Result<Rows, Failure> {
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    session.read_with(
        "MATCH (e:StepladderMigration) WHERE e.run = $run AND $from <= e.ordinal <= $to AND e.event IN ['begun', 'done'] \
         RETURN e.ordinal, e.event, e.duration_ms, e.parts_done, e.parts_total ORDER BY e.seq",
        [("run", Value::text(run)), ("from", number(from)), ("to", number(to))],
    )
}

/// The down script of the newest entry of a version that has one.
///
/// # Errors
/// No answer; a script that does not unpack.
pub fn stored_down(session: &mut Session, version: Version) -> Result<Option<StoredScript>, Failure> {
    if format(session)?.is_none() {
        return Ok(None);
    }
    let rows = session.read(&format!(
        "MATCH (e:StepladderMigration) WHERE e.version = {} AND e.down_script IS NOT NULL \
         RETURN e.down_extension, e.down_checksum, e.down_script ORDER BY e.seq DESC LIMIT 1",
        literal(&version.to_string())
    ))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text = |at: usize| row.get(at).and_then(Value::as_text);
    let script = || {
        Some(StoredScript {
            extension: text(0)?.to_owned(),
            text: Arc::from(unpack(text(2)?)?),
            checksum: Checksum::recorded(text(1)?),
        })
    };
    script().map(Some).ok_or_else(|| {
        Failure::failed(format!("the down script of version {version} in the ledger cannot be unpacked"))
    })
}

/// Compressed, in Base64.
fn pack(text: &str) -> String {
    use base64::Engine;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn unpack(packed: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    ZlibDecoder::new(bytes.as_slice()).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_script_comes_back_whole() {
        for times in [0, 1, 100] {
            let text = "MATCH (n {a: 'b\\\"'});\t// é 🪜\r\n".repeat(times);
            assert_eq!(unpack(&pack(&text)).as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn literals_stay_on_one_line_and_names_in_their_quotes() {
        assert_eq!(literal("it's\\\n\t\u{0}é"), "'it\\'s\\\\\\n\\t\\u0000é'");
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(crate::domain::cypher::scan(&literal("';'\\")).items.len(), 1);
    }
}
