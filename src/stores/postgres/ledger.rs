//! The ledger's tables, routines and view, and how entries are read and written.
//!
//! The functions exist for speed: their plans are kept by the session, so that a small migration costs hardly more
//! than its own statements. They are called by name from the transaction of each script. What writes the entry of a script
//! that is one transaction is a procedure (PostgreSQL 11): a call needs no plan.

use std::sync::Arc;

use postgres::SimpleQueryRow;

use super::session::{Session, Trouble, identifier, literal, optional};
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::pack::{pack, unpack};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript};

/// Words by which a refusal of our own is known in a client's message.
pub const LEASE_LOST: &str = "stepladder: the lease is lost";
/// See [`LEASE_LOST`].
pub const TRANSACTION_ENDED: &str = "stepladder: the script ended its transaction";

/// Everything that belongs to the ledger; `fresh` keeps its hands off these.
pub const TABLES: [&str; 3] = ["stepladder_ledger", "stepladder_lease", "stepladder_meta"];
/// See [`TABLES`].
pub const VIEW: &str = "stepladder_applied";
/// See [`TABLES`].
pub const ROUTINES: [&str; 5] =
    ["stepladder_held", "stepladder_begin", "stepladder_record", "stepladder_part", "stepladder_done"];

/// The schema that holds the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    name: String,
}

impl Schema {
    /// By its name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its bare name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A thing of the ledger, qualified and quoted: scripts change `search_path`.
    pub fn the(&self, thing: &str) -> String {
        format!("{}.stepladder_{thing}", identifier(&self.name))
    }

    fn class(&self, thing: &str) -> String {
        literal(&self.the(thing))
    }
}

/// What is there before a lock: see [`create`].
pub fn is_complete(session: &mut Session, schema: &Schema) -> Result<bool, Trouble> {
    let relations =
        ["ledger", "lease", "meta", "applied"].map(|t| format!("to_regclass({}) is not null", schema.class(t)));
    let routines = format!(
        "(select count(distinct proname) = {} from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace \
         where nspname = {} and proname in ('{}'))",
        ROUTINES.len(),
        literal(&schema.name),
        ROUTINES.join("', '")
    );
    let rows = session.read(&format!("select {} and {routines}", relations.join(" and ")))?;
    Ok(rows.first().and_then(|r| r.get(0)) == Some("t"))
}

/// Creates what is missing. Two processes may do so at the same moment: the loser's message is refused as a whole
/// and the caller tries again.
pub fn create(schema: &Schema, with_schema: bool) -> String {
    let mut sql = String::new();
    if with_schema {
        sql.push_str(&format!("create schema if not exists {};\n", identifier(&schema.name)));
    }
    let text = include_str!("ledger.sql")
        .replace("@schema@", &identifier(&schema.name))
        .replace("@format@", &FORMAT.to_string())
        .replace("@lost@", LEASE_LOST)
        .replace("@ended@", TRANSACTION_ENDED);
    sql.push_str(&text);
    sql
}

/// Reads the whole ledger.
///
/// # Errors
/// The server's refusal; a ledger of a newer format; an entry that cannot be understood.
pub fn look(session: &mut Session, schema: &Schema) -> Result<Ledger, Failure> {
    if !exists(session, schema)? {
        return Ok(Ledger::default());
    }
    check_format(session, schema)?;
    let sql = format!("select {COLUMNS} from {} order by seq", schema.the("ledger"));
    let entries = session.read(&sql)?.iter().map(entry).collect::<Option<Vec<Entry>>>();
    let entries = entries.ok_or_else(|| Failure::failed("the ledger holds an entry that cannot be understood"))?;
    Ok(Ledger { exists: true, entries })
}

/// Whether there is a ledger.
pub fn exists(session: &mut Session, schema: &Schema) -> Result<bool, Trouble> {
    let sql = format!(
        "select to_regclass({}) is not null and to_regclass({}) is not null",
        schema.class("ledger"),
        schema.class("meta")
    );
    Ok(session.read(&sql)?.first().and_then(|r| r.get(0)) == Some("t"))
}

/// Refuses a ledger that a later version has written.
pub fn check_format(session: &mut Session, schema: &Schema) -> Result<(), Failure> {
    let rows = session.read(&format!("select max(format) from {}", schema.the("meta")))?;
    let format: i64 = rows.first().and_then(|r| r.get(0)).and_then(|f| f.parse().ok()).unwrap_or(FORMAT);
    if format > FORMAT {
        return Err(Failure::failed(format!(
            "the ledger of {} was written by a newer stepladder (format {format}, this one knows {FORMAT})",
            session.endpoint()
        ))
        .hint("use the newer stepladder"));
    }
    Ok(())
}

const COLUMNS: &str = "seq, event, direction, version, label, checksum, down_checksum, run, ordinal, \
    floor(extract(epoch from at) * 1000)::bigint, duration_ms, who, tool, parts_done, parts_total, note";

fn entry(row: &SimpleQueryRow) -> Option<Entry> {
    let text = |at: usize| row.get(at).map(str::to_owned);
    let number = |at: usize| row.get(at).and_then(|n| n.parse::<i64>().ok());
    let small = |at: usize| row.get(at).and_then(|n| n.parse::<u32>().ok());
    Some(Entry {
        seq: number(0)?,
        event: EntryEvent::from_word(row.get(1)?)?,
        direction: Direction::from_word(row.get(2)?)?,
        version: match row.get(3) {
            Some(digits) => Some(digits.parse().ok()?),
            None => None,
        },
        label: text(4)?,
        checksum: Checksum::recorded(text(5)?),
        down_checksum: text(6).map(Checksum::recorded),
        run: text(7)?,
        ordinal: number(8)?,
        at_ms: number(9)?,
        duration_ms: number(10),
        who: text(11)?,
        tool: text(12)?,
        parts_done: small(13),
        parts_total: small(14),
        note: text(15),
    })
}

/// Inserts an entry; gives no row back where the lease is not ours any more.
pub fn record(schema: &Schema, owner: &Owner, entry: &NewEntry) -> String {
    let number = |n: Option<i64>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
    format!(
        "with held as (select 1 from {lease} where id = 1 and token = {token} and expires > clock_timestamp() for update) \
         insert into {ledger} (event, direction, version, label, checksum, down_checksum, down_extension, down_script, \
         run, ordinal, duration_ms, who, tool, parts_done, parts_total, note) \
         select {event}, {direction}, {version}, {label}, {checksum}, {down}, {run}, {ordinal}, {duration}, {who}, {tool}, \
         {done}, {total}, {note} from held returning seq",
        lease = schema.the("lease"),
        ledger = schema.the("ledger"),
        token = literal(&owner.token),
        event = literal(entry.event.word()),
        direction = literal(entry.direction.word()),
        version = version(entry.version),
        label = literal(&entry.label),
        checksum = literal(entry.checksum.as_str()),
        down = down(entry.down.as_ref(), false),
        run = literal(&owner.run),
        ordinal = entry.ordinal,
        duration = number(entry.duration_ms),
        who = literal(&owner.who()),
        tool = literal(&owner.tool),
        done = number(entry.parts_done.map(i64::from)),
        total = number(entry.parts_total.map(i64::from)),
        note = optional(entry.note.as_deref()),
    )
}

/// A version as a literal.
pub fn version(version: Option<Version>) -> String {
    version.map_or_else(|| "null::numeric".to_owned(), |v| format!("{v}::numeric"))
}

/// Checksum, extension and script of a down script as three expressions; its bytes only counted when `shown` to a
/// person.
pub fn down(down: Option<&StoredScript>, shown: bool) -> String {
    let Some(down) = down else { return "null::text, null::text, null::bytea".to_owned() };
    let bytes = if shown {
        format!("'<{} bytes>'", down.text.len())
    } else {
        use base64::Engine;
        format!("decode('{}', 'base64')", base64::engine::general_purpose::STANDARD.encode(pack(&down.text)))
    };
    format!("{}, {}, {bytes}", literal(down.checksum.as_str()), literal(&down.extension))
}

/// The down script of the newest entry of a version that has one.
///
/// # Errors
/// The server's refusal; a script that does not unpack.
pub fn stored_down(session: &mut Session, schema: &Schema, version: Version) -> Result<Option<StoredScript>, Failure> {
    if !exists(session, schema)? {
        return Ok(None);
    }
    check_format(session, schema)?;
    let sql = format!(
        "select down_extension, down_checksum, encode(down_script, 'base64') from {} \
         where version = {version} and down_script is not null order by seq desc limit 1",
        schema.the("ledger")
    );
    let rows = session.read(&sql)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let script = || {
        use base64::Engine;
        let packed: String = row.get(2)?.split_whitespace().collect();
        let packed = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
        Some(StoredScript {
            extension: row.get(0)?.to_owned(),
            text: Arc::from(unpack(&packed).ok()?),
            checksum: Checksum::recorded(row.get(1)?),
        })
    };
    script().map(Some).ok_or_else(|| {
        Failure::failed(format!("the down script of version {version} in the ledger cannot be unpacked"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_quoted_everywhere() {
        let sql = create(&Schema::new("My Schema"), true);
        assert!(sql.starts_with("create schema if not exists \"My Schema\";"));
        assert!(
            !sql.contains("@schema@") && !sql.contains("@lost@") && sql.contains("\"My Schema\".stepladder_ledger")
        );
    }
}
