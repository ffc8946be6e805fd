//! The ledger inside the database: its tables, how entries are written under guard, and how they are read.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, Statement, ToSql};

use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::pack::{pack, unpack};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript};

/// What is Stepladder's in a database.
pub(super) const OWN: [&str; 4] = ["stepladder_ledger", "stepladder_lease", "stepladder_meta", "stepladder_applied"];

/// Whether a table or view is Stepladder's.
pub(super) fn is_own(name: &str) -> bool {
    name.len() > 10 && OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// The database's own clock, in milliseconds since 1970-01-01 UTC.
macro_rules! now {
    () => {
        "cast(unixepoch('subsec') * 1000 as integer)"
    };
}
pub(super) use now;

/// The tables are not STRICT: libraries before SQLite 3.37 refuse a whole database in which one table is, and the
/// application's library is not ours to choose. For the same reason nothing in here is newer than 3.8.
/// `seq` needs no AUTOINCREMENT, since entries are only ever appended, and so the database gets no `sqlite_sequence`.
pub(super) const CREATE: &str = "\
create table if not exists main.stepladder_ledger (
  seq integer primary key,
  event text not null check (event in ('begun', 'done', 'failed', 'settled', 'baselined', 'unlocked')),
  direction text not null check (direction in ('up', 'down')),
  version text,
  label text not null,
  checksum text not null,
  down_checksum text,
  down_extension text,
  down_script blob,
  run text not null,
  ordinal integer not null,
  at_ms integer not null,
  duration_ms integer,
  who text not null,
  tool text not null,
  parts_done integer,
  parts_total integer,
  note text
);
create table if not exists main.stepladder_lease (
  id integer primary key check (id = 1),
  user_name text not null,
  host text not null,
  pid integer not null,
  process text not null,
  run text not null,
  token text not null,
  since_ms integer not null,
  renewed_ms integer not null,
  expires_ms integer not null
);
create table if not exists main.stepladder_meta (format integer not null);
create view if not exists main.stepladder_applied as
  select version, label, checksum, datetime(at_ms / 1000, 'unixepoch') as applied_at, who, run
  from stepladder_ledger
  where direction = 'up' and event <> 'begun' and seq in (
    select max(seq) from stepladder_ledger
    where version is not null and event in ('begun', 'done', 'settled', 'baselined')
    group by version)
  order by seq;
";

/// Appends an entry, but only while the lease is ours: no row when it is not.
pub(super) const APPEND: &str = concat!(
    "insert into main.stepladder_ledger (event, direction, version, label, checksum, down_checksum, down_extension, ",
    "down_script, run, ordinal, at_ms, duration_ms, who, tool, parts_done, parts_total, note) ",
    "select :event, :direction, :version, :label, :checksum, :down_checksum, :down_extension, :down_script, :run, ",
    ":ordinal, ",
    now!(),
    ", :duration_ms, :who, :tool, :parts_done, :parts_total, :note ",
    "where exists (select 1 from main.stepladder_lease where id = 1 and token = :token)"
);

/// Notes how many parts of a begun script are done, while the lease is ours.
pub(super) const JOURNAL: &str = "\
update main.stepladder_ledger set parts_done = :done, parts_total = :total where seq = :seq and event = 'begun' \
and exists (select 1 from main.stepladder_lease where id = 1 and token = :token)";

/// An entry with what only the run knows of itself, ready to be written.
pub(super) struct Line<'a> {
    /// The run's owner.
    pub owner: &'a Owner,
    /// The entry.
    pub entry: &'a NewEntry,
}

impl Line<'_> {
    /// Appends it and gives back its `seq`; none when the lease is not ours any more.
    pub fn append(&self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        let mut statement = connection.prepare_cached(APPEND)?;
        self.bind(&mut statement)?;
        Ok((statement.raw_execute()? == 1).then(|| connection.last_insert_rowid()))
    }

    /// Gives [`APPEND`] its values.
    pub fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()> {
        let (owner, entry) = (self.owner, self.entry);
        let down = entry.down.as_ref();
        let values: [(&str, &dyn ToSql); 17] = [
            (":event", &entry.event.word()),
            (":direction", &entry.direction.word()),
            (":version", &entry.version.map(|v| v.to_string())),
            (":label", &entry.label),
            (":checksum", &entry.checksum.as_str()),
            (":down_checksum", &down.map(|d| d.checksum.as_str())),
            (":down_extension", &down.map(|d| d.extension.as_str())),
            (":down_script", &down.map(|d| pack(&d.text))),
            (":run", &owner.run),
            (":ordinal", &entry.ordinal),
            (":duration_ms", &entry.duration_ms),
            (":who", &owner.who()),
            (":tool", &owner.tool),
            (":parts_done", &entry.parts_done),
            (":parts_total", &entry.parts_total),
            (":note", &entry.note),
            (":token", &owner.token),
        ];
        values.iter().try_for_each(|(name, value)| statement.raw_bind_parameter(*name, value))
    }
}

fn damaged(what: &str) -> Failure {
    Failure::failed(format!("the ledger is damaged: {what}"))
        .hint("compare table stepladder_ledger with a backup of the database")
}

/// Why reading the ledger failed: SQLite, or what stands in it.
pub(super) enum Trouble {
    /// SQLite's error.
    Sqlite(rusqlite::Error),
    /// Ours.
    Ledger(Failure),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Ledger(failure)
    }
}

/// Whether the database has a ledger, of a format that this program understands.
pub(super) fn exists(connection: &Connection) -> Result<bool, Trouble> {
    let tables: i64 = connection.query_row(
        "select count(*) from main.sqlite_schema where type = 'table' and name in ('stepladder_ledger', 'stepladder_meta')",
        [],
        |row| row.get(0),
    )?;
    if tables < 2 {
        return Ok(false);
    }
    let format: Option<i64> =
        connection.query_row("select max(format) from main.stepladder_meta", [], |row| row.get(0))?;
    match format {
        Some(format) if format > FORMAT => Err(Trouble::Ledger(
            Failure::failed(format!(
                "the ledger was written by a newer Stepladder: its format is {format}, this one knows {FORMAT}"
            ))
            .hint("use the newer Stepladder; nothing was changed"),
        )),
        _ => Ok(true),
    }
}

/// All entries in order.
pub(super) fn read(connection: &Connection) -> Result<Ledger, Trouble> {
    if !exists(connection)? {
        return Ok(Ledger::default());
    }
    let mut statement = connection.prepare(
        "select seq, event, direction, version, label, checksum, down_checksum, run, ordinal, at_ms, duration_ms, who, \
         tool, parts_done, parts_total, note from main.stepladder_ledger order by seq",
    )?;
    let mut rows = statement.query([])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(Ledger { exists: true, entries })
}

fn entry(row: &Row<'_>) -> Result<Entry, Trouble> {
    let seq: i64 = row.get(0)?;
    let unknown = |what: &str, word: &str| damaged(&format!("entry {seq} has the {what} `{word}`"));
    let event: String = row.get(1)?;
    let direction: String = row.get(2)?;
    let version: Option<String> = row.get(3)?;
    Ok(Entry {
        seq,
        event: EntryEvent::from_word(&event).ok_or_else(|| unknown("event", &event))?,
        direction: match direction.as_str() {
            "up" => Direction::Up,
            "down" => Direction::Down,
            other => return Err(unknown("direction", other).into()),
        },
        version: version.map(|v| v.parse().map_err(|_| unknown("version", &v))).transpose()?,
        label: row.get(4)?,
        checksum: Checksum::recorded(row.get::<_, String>(5)?),
        down_checksum: row.get::<_, Option<String>>(6)?.map(Checksum::recorded),
        run: row.get(7)?,
        ordinal: row.get(8)?,
        at_ms: row.get(9)?,
        duration_ms: row.get(10)?,
        who: row.get(11)?,
        tool: row.get(12)?,
        parts_done: row.get(13)?,
        parts_total: row.get(14)?,
        note: row.get(15)?,
    })
}

/// The newest down script of a version. One that was recorded before the version was last applied does not count:
/// it would undo something else.
pub(super) fn stored_down(connection: &Connection, version: Version) -> Result<Option<StoredScript>, Trouble> {
    if !exists(connection)? {
        return Ok(None);
    }
    let found: Option<(String, Vec<u8>, String)> = connection
        .query_row(
            "select down_extension, down_script, down_checksum from main.stepladder_ledger \
             where version = ?1 and direction = 'up' and down_script is not null and seq >= (\
               select coalesce(max(seq), 0) from main.stepladder_ledger \
               where version = ?1 and direction = 'up' and event in ('done', 'baselined')) \
             order by seq desc limit 1",
            [version.to_string()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((extension, packed, checksum)) = found else { return Ok(None) };
    let text = unpack(&packed).map_err(|e| damaged(&format!("a stored down script does not unpack: {e}")))?;
    Ok(Some(StoredScript { extension, text: Arc::from(text), checksum: Checksum::recorded(checksum) }))
}
