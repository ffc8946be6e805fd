//! The ledger's tables, and the statements that read and write them.

use std::sync::Arc;

use super::session::{Rows, Session};
use super::wire::Trouble;
use crate::domain::ledger::FORMAT;
use crate::domain::{Checksum, Direction, Entry, EntryEvent, Failure, Version};
use crate::stores::pack::{pack, unpack};
use crate::stores::{Ledger, NewEntry, Owner, StoredScript};

/// Everything that belongs to the ledger; `fresh` keeps its hands off these.
pub const TABLES: [&str; 3] = ["stepladder_ledger", "stepladder_lease", "stepladder_meta"];

/// The server's clock: no zone of a session moves it.
pub const NOW: &str = "UTC_TIMESTAMP(6)";

/// A text as the servers take it under every `sql_mode` and character set. What backslashes or quotes could make mean something
/// else, and what a client could take for the end of a line, is written as its bytes.
pub fn literal(text: &str) -> String {
    let plain = |c: char| c.is_ascii() && !c.is_control() && !matches!(c, '\'' | '\\');
    if text.chars().all(plain) {
        return format!("'{text}'");
    }
    format!("_utf8mb4 {}", bytes(text.as_bytes()))
}

/// Bytes as the servers take them.
pub fn bytes(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2 + 3);
    out.push_str("x'");
    for byte in bytes {
        // Writing into memory does not fail.
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\'');
    out
}

/// A name in backticks.
pub fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

fn optional(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), literal)
}

/// The database that holds the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    database: String,
}

impl Home {
    /// By its name.
    pub fn new(database: &str) -> Self {
        Self { database: database.to_owned() }
    }

    /// Its bare name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// A table of the ledger, qualified: scripts write `USE`.
    pub fn the(&self, thing: &str) -> String {
        format!("{}.stepladder_{thing}", name(&self.database))
    }

    /// Holds where the lease is this token's and lasts.
    pub fn guard(&self, token: &str) -> String {
        format!("FROM {} WHERE id = 1 AND token = {} AND expires > {NOW}", self.the("lease"), literal(token))
    }
}

/// Creates what is missing, a statement each: each is its own transaction, and another process may be doing the same.
pub fn create(home: &Home) -> Vec<String> {
    let table = |thing: &str, columns: &str| {
        format!(
            "CREATE TABLE IF NOT EXISTS {} ({columns}) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            home.the(thing)
        )
    };
    vec![
        table("meta", "id INT NOT NULL PRIMARY KEY, format INT NOT NULL"),
        table(
            "lease",
            "id INT NOT NULL PRIMARY KEY, user_name VARCHAR(255) NOT NULL, host VARCHAR(255) NOT NULL, pid BIGINT NOT NULL, \
             process VARCHAR(255) NOT NULL, run VARCHAR(255) NOT NULL, token VARCHAR(255) NOT NULL, tool VARCHAR(255) NOT NULL, \
             since DATETIME(6) NOT NULL, renewed DATETIME(6) NOT NULL, expires DATETIME(6) NOT NULL",
        ),
        table(
            "ledger",
            "seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, event VARCHAR(32) NOT NULL, direction VARCHAR(8) NOT NULL, \
             version DECIMAL(32, 0), label VARCHAR(512) NOT NULL, checksum VARCHAR(128) NOT NULL, \
             down_checksum VARCHAR(128), down_extension VARCHAR(64), down_script LONGBLOB, run VARCHAR(255) NOT NULL, \
             ordinal BIGINT NOT NULL, at DATETIME(6) NOT NULL, duration_ms BIGINT, who VARCHAR(255) NOT NULL, \
             tool VARCHAR(255) NOT NULL, parts_done INT, parts_total INT, note LONGTEXT",
        ),
        // Last, so that who finds it finds all. Nobody's newer format is written over.
        format!("INSERT IGNORE INTO {} (id, format) VALUES (1, {FORMAT})", home.the("meta")),
    ]
}

/// The format of the ledger that is there; none where there is none.
///
/// # Errors
/// No answer; a ledger of a newer format.
pub fn format(session: &mut Session, home: &Home) -> Result<Option<i64>, Failure> {
    let sql = format!("SELECT format FROM {} WHERE id = 1", home.the("meta"));
    let rows = match session.run(&sql) {
        // No such table, or none that this user may know of: both are no ledger.
        Err(Trouble::Refused(1146 | 1142, _)) => return Ok(None),
        Err(Trouble::Line(_)) => session.read(&sql)?,
        Err(trouble) => return Err(session.failure(trouble)),
        Ok(answers) => answers.into_iter().next().unwrap_or_default().rows,
    };
    let Some(row) = rows.first() else { return Ok(None) };
    let format = number(row, 0).unwrap_or(FORMAT);
    if format > FORMAT {
        return Err(Failure::failed(format!(
            "the ledger of {} was written by a newer stepladder (format {format}, this one knows {FORMAT})",
            session.endpoint()
        ))
        .hint("use the newer stepladder"));
    }
    Ok(Some(format))
}

/// A value of a row as text.
pub fn text(row: &[Option<String>], at: usize) -> Option<&str> {
    row.get(at).and_then(Option::as_deref)
}

/// A value of a row as a number.
pub fn number(row: &[Option<String>], at: usize) -> Option<i64> {
    text(row, at)?.parse().ok()
}

/// Milliseconds since 1970: no zone of a session moves them.
pub fn millis(column: &str) -> String {
    format!("TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column}) DIV 1000")
}

/// Reads the whole ledger.
///
/// # Errors
/// No answer; a ledger of a newer format; an entry that cannot be understood.
pub fn look(session: &mut Session, home: &Home) -> Result<Ledger, Failure> {
    if format(session, home)?.is_none() {
        return Ok(Ledger::default());
    }
    let rows = session.read(&format!(
        "SELECT seq, event, direction, version, label, checksum, down_checksum, run, ordinal, {}, duration_ms, who, tool, \
         parts_done, parts_total, note FROM {} ORDER BY seq",
        millis("at"),
        home.the("ledger")
    ))?;
    let entries = rows.iter().map(|row| entry(row)).collect::<Option<Vec<Entry>>>();
    let entries = entries.ok_or_else(|| Failure::failed("the ledger holds an entry that cannot be understood"))?;
    Ok(Ledger { exists: true, entries })
}

fn entry(row: &[Option<String>]) -> Option<Entry> {
    let own = |at: usize| text(row, at).map(str::to_owned);
    let small = |at: usize| number(row, at).and_then(|n| u32::try_from(n).ok());
    Some(Entry {
        seq: number(row, 0)?,
        event: EntryEvent::from_word(text(row, 1)?)?,
        direction: Direction::from_word(text(row, 2)?)?,
        version: match text(row, 3) {
            Some(digits) => Some(digits.parse().ok()?),
            None => None,
        },
        label: own(4)?,
        checksum: Checksum::recorded(own(5)?),
        down_checksum: own(6).map(Checksum::recorded),
        run: own(7)?,
        ordinal: number(row, 8)?,
        at_ms: number(row, 9)?,
        duration_ms: number(row, 10),
        who: own(11)?,
        tool: own(12)?,
        parts_done: small(13),
        parts_total: small(14),
        note: own(15),
    })
}

/// Refuses an entry where the lease is not ours any more: a column that may not be null then is, under every `sql_mode`.
pub const NO_LEASE: u16 = 1048;

/// Inserts an entry; fails with [`NO_LEASE`] where the lease is lost. One text for our connection and for the client.
pub fn record(home: &Home, owner: &Owner, entry: &NewEntry) -> String {
    record_timed(home, owner, entry, &optional_number(entry.duration_ms))
}

fn optional_number(number: Option<i64>) -> String {
    number.map_or_else(|| "NULL".to_owned(), |n| n.to_string())
}

/// The same with an expression for how long it took, in milliseconds.
pub fn record_timed(home: &Home, owner: &Owner, entry: &NewEntry, took: &str) -> String {
    insert(home, owner, entry, &format!("(SELECT {} {})", literal(&owner.run), home.guard(&owner.token)), took)
}

/// The same behind an entry in the same transaction: what that one read of the lease is locked until the commit.
pub fn record_along(home: &Home, owner: &Owner, entry: &NewEntry) -> String {
    insert(home, owner, entry, &literal(&owner.run), "NULL")
}

/// `run` and `took` are expressions. One row a statement: in one of several rows a missing value becomes an empty one, unless
/// `sql_mode` is strict.
fn insert(home: &Home, owner: &Owner, entry: &NewEntry, run: &str, took: &str) -> String {
    let number = optional_number;
    let down = match &entry.down {
        None => "NULL, NULL, NULL".to_owned(),
        Some(down) => {
            format!("{}, {}, {}", literal(down.checksum.as_str()), literal(&down.extension), bytes(&pack(&down.text)))
        }
    };
    let values = [
        literal(entry.event.word()),
        literal(entry.direction.word()),
        entry.version.map_or_else(|| "NULL".to_owned(), |v| v.to_string()),
        literal(&entry.label),
        literal(entry.checksum.as_str()),
        down,
        run.to_owned(),
        entry.ordinal.to_string(),
        NOW.to_owned(),
        took.to_owned(),
        literal(&owner.who()),
        literal(&owner.tool),
        number(entry.parts_done.map(i64::from)),
        number(entry.parts_total.map(i64::from)),
        optional(entry.note.as_deref()),
    ];
    format!(
        "INSERT INTO {} (event, direction, version, label, checksum, down_checksum, down_extension, down_script, run, ordinal, \
         at, duration_ms, who, tool, parts_done, parts_total, note) VALUES ({})",
        home.the("ledger"),
        values.join(", ")
    )
}

/// Notes in the newest `begun` entry of a version how many of its parts are done; changes no row where the lease is lost.
pub fn journal(home: &Home, token: &str, version: Version, done: u32, total: u32) -> String {
    let ledger = home.the("ledger");
    // The servers read no table that the same statement changes, unless it is read into a derived one first.
    format!(
        "UPDATE {ledger} SET parts_done = {done}, parts_total = {total} WHERE seq = (SELECT seq FROM (SELECT max(seq) AS seq \
         FROM {ledger} WHERE version = {version} AND event = 'begun') AS newest) AND EXISTS (SELECT 1 {})",
        home.guard(token)
    )
}

/// The down script of the newest entry of a version that has one.
///
/// # Errors
/// No answer; a script that does not unpack.
pub fn stored_down(session: &mut Session, home: &Home, version: Version) -> Result<Option<StoredScript>, Failure> {
    if format(session, home)?.is_none() {
        return Ok(None);
    }
    let rows: Rows = session.read(&format!(
        "SELECT down_extension, down_checksum, HEX(down_script) FROM {} \
         WHERE version = {version} AND down_script IS NOT NULL ORDER BY seq DESC LIMIT 1",
        home.the("ledger")
    ))?;
    let Some(row) = rows.first() else { return Ok(None) };
    let script = || {
        Some(StoredScript {
            extension: text(row, 0)?.to_owned(),
            text: Arc::from(unpack(&from_hex(text(row, 2)?)?).ok()?),
            checksum: Checksum::recorded(text(row, 1)?.to_owned()),
        })
    };
    script().map(Some).ok_or_else(|| {
        Failure::failed(format!("the down script of version {version} in the ledger cannot be unpacked"))
    })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_mean_the_same_under_every_mode_and_stay_on_one_line() {
        assert_eq!((literal("a;--").as_str(), literal("é").as_str()), ("'a;--'", "_utf8mb4 x'c3a9'"));
        assert_eq!(literal("a'b"), "_utf8mb4 x'612762'");
        assert_eq!(literal("a\\\n"), "_utf8mb4 x'615c0a'");
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(from_hex("00fF").as_deref(), Some(&[0, 255][..]));
    }

    #[test]
    fn every_statement_names_the_ledgers_database() {
        let home = Home::new("my`shop");
        for sql in create(&home) {
            assert!(sql.contains("`my``shop`.stepladder_"), "{sql}");
        }
        assert_eq!(home.guard("t").matches("`my``shop`.").count(), 1);
    }
}
