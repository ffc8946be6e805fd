//! The lease: one row, by the server's clock, never waited for inside the server.

use std::time::Duration;

use postgres::error::SqlState;

use super::ledger::Schema;
use super::session::{Session, Trouble, literal};
use crate::domain::Failure;
use crate::stores::{Heart, Holder, Owner};

/// What came of trying to take it.
pub enum Attempt {
    /// It is ours; whose it was, when a stale one was taken over.
    Ours(Option<Holder>),
    /// Somebody else is at work.
    Held(Holder),
}

/// Reads who holds the lease, expired or not.
///
/// # Errors
/// The server's refusal.
pub fn holder(session: &mut Session, schema: &Schema) -> Result<Option<Holder>, Trouble> {
    let rows = session.read(&format!("select to_regclass({}) is not null", literal(&schema.the("lease"))))?;
    if rows.first().and_then(|r| r.get(0)) != Some("t") {
        return Ok(None);
    }
    let ms = |expression: &str| format!("floor(extract(epoch from {expression}) * 1000)::bigint");
    let sql = format!(
        "select user_name, host, pid, process, run, token, {}, {}, {} from {} where id = 1",
        ms("since"),
        ms("clock_timestamp() - renewed"),
        ms("expires - clock_timestamp()"),
        schema.the("lease")
    );
    let rows = session.read(&sql)?;
    Ok(rows.first().map(|row| {
        let text = |at: usize| row.get(at).unwrap_or_default().to_owned();
        let number = |at: usize| row.get(at).and_then(|n| n.parse().ok()).unwrap_or(0i64);
        Holder {
            user: text(0),
            host: text(1),
            pid: u32::try_from(number(2)).unwrap_or(0),
            process: text(3),
            run: text(4),
            token: text(5),
            since_ms: number(6),
            idle_ms: number(7),
            expires_in_ms: number(8),
        }
    }))
}

/// Tries to take the lease once. Who had it is read first, and it changes hands only if it is still theirs.
///
/// # Errors
/// The server's refusal.
pub fn take(session: &mut Session, schema: &Schema, owner: &Owner, length: Duration) -> Result<Attempt, Failure> {
    // A holder that goes away between the two messages makes another round worth while.
    for _ in 0..3 {
        let seen = holder(session, schema)?;
        let sql = match &seen {
            None => insert(schema, owner, length),
            Some(holder) if holder.is_stale(owner) => take_over(schema, owner, holder, length),
            Some(holder) => return Ok(Attempt::Held(holder.clone())),
        };
        match session.write(&sql) {
            Ok(rows) if !rows.is_empty() => return Ok(Attempt::Ours(seen)),
            Ok(_) => {}
            // Its row is locked: somebody is taking it, or a script that it guards is being committed.
            Err(trouble) if is_busy(&trouble) => {
                if let Some(holder) = seen {
                    return Ok(Attempt::Held(holder));
                }
            }
            Err(trouble) => return Err(trouble.into()),
        }
    }
    match holder(session, schema)? {
        Some(holder) => Ok(Attempt::Held(holder)),
        None => Err(Failure::failed("the lease changed hands three times in a moment").hint("run the command again")),
    }
}

fn is_busy(trouble: &Trouble) -> bool {
    matches!(
        trouble.state,
        Some(SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED)
    )
}

fn interval(length: Duration) -> String {
    format!("interval '{} milliseconds'", length.as_millis())
}

/// The columns of a lease of ours, beginning now.
fn columns(owner: &Owner, length: Duration) -> [(&'static str, String); 10] {
    [
        ("user_name", literal(&owner.user)),
        ("host", literal(&owner.host)),
        ("pid", owner.pid.to_string()),
        ("process", literal(&owner.process)),
        ("run", literal(&owner.run)),
        ("token", literal(&owner.token)),
        ("tool", literal(&owner.tool)),
        ("since", "clock_timestamp()".to_owned()),
        ("renewed", "clock_timestamp()".to_owned()),
        ("expires", format!("clock_timestamp() + {}", interval(length))),
    ]
}

fn insert(schema: &Schema, owner: &Owner, length: Duration) -> String {
    let columns = columns(owner, length);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<&str> = columns.iter().map(|(_, value)| value.as_str()).collect();
    format!(
        "set local lock_timeout = '200ms'; \
         insert into {} (id, {}) values (1, {}) on conflict (id) do nothing returning token",
        schema.the("lease"),
        names.join(", "),
        values.join(", ")
    )
}

fn take_over(schema: &Schema, owner: &Owner, from: &Holder, length: Duration) -> String {
    let settings: Vec<String> = columns(owner, length).iter().map(|(n, v)| format!("{n} = {v}")).collect();
    // An expired lease may have been renewed since it was read; that of a dead process cannot.
    let still = if from.expires_in_ms <= 0 { " and expires <= clock_timestamp()" } else { "" };
    format!(
        "with free as (select id from {lease} where id = 1 for update nowait), \
         taken as (update {lease} l set {settings} from free \
         where l.id = free.id and token = {token}{still} returning token), \
         said as ({unlocked} from taken returning seq) select token from taken, said",
        lease = schema.the("lease"),
        settings = settings.join(", "),
        token = literal(&from.token),
        unlocked = unlocked(schema, owner, &from.takeover_note()),
    )
}

/// The beginning of an insert of an `unlocked` entry; what it selects from is to follow.
fn unlocked(schema: &Schema, by: &Owner, note: &str) -> String {
    format!(
        "insert into {} (event, direction, label, checksum, run, ordinal, who, tool, note) \
         select 'unlocked', 'up', '', '', {}, 0, {}, {}, {}",
        schema.the("ledger"),
        literal(&by.run),
        literal(&by.who()),
        literal(&by.tool),
        literal(note)
    )
}

/// Releases somebody else's lease, with an `unlocked` entry.
///
/// # Errors
/// The server's refusal.
pub fn unlock(session: &mut Session, schema: &Schema, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
    let note = format!("released by force; it was held by {} of run {}", seen.who(), seen.run);
    let sql = format!(
        "with gone as (delete from {} where id = 1 and token = {} returning 1) {} from gone returning seq",
        schema.the("lease"),
        literal(&seen.token),
        unlocked(schema, by, &note)
    );
    Ok(!session.write(&sql)?.is_empty())
}

/// Gives our own lease back.
///
/// # Errors
/// The server's refusal.
pub fn release(session: &mut Session, schema: &Schema, token: &str) -> Result<(), Failure> {
    session.write(&format!("delete from {} where id = 1 and token = {}", schema.the("lease"), literal(token)))?;
    Ok(())
}

/// Renews the lease over a connection of its own.
pub struct Pulse {
    /// The connection.
    pub session: Session,
    /// What renews it.
    pub sql: String,
}

impl Pulse {
    /// Renews the lease with this token.
    pub fn new(session: Session, schema: &Schema, token: &str, length: Duration) -> Self {
        let sql = format!(
            "update {} set renewed = clock_timestamp(), expires = clock_timestamp() + {} \
             where id = 1 and token = {} and expires > clock_timestamp() returning 1",
            schema.the("lease"),
            interval(length),
            literal(token)
        );
        Self { session, sql }
    }
}

impl Heart for Pulse {
    fn beat(&mut self) -> Result<bool, Failure> {
        Ok(!self.session.write(&self.sql)?.is_empty())
    }
}
