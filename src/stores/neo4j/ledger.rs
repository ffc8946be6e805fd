//! The ledger's nodes: created, and read.

use std::sync::Arc;

use super::bolt::{Trouble, Value};
use super::packed::unpack;
use super::session::{Rows, Session};
use super::statement::literal;
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::{Ledger, StoredScript};

/// Labels of everything that belongs to the ledger; `fresh` keeps its hands off these.
pub const LABELS: [&str; 3] = ["StepladderMigration", "StepladderMeta", "StepladderLease"];
/// The beginning of the names of the ledger's constraints.
pub const CONSTRAINTS: &str = "stepladder_ledger_";

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
