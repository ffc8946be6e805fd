//! What a run would do, from the same statements that it uses.

use std::time::Duration;

use rusqlite::Connection;

use super::connect::Target;
use super::lease::RENEW;
use super::ledger::{APPEND, CREATE, Line};
use crate::domain::EntryEvent;
use crate::process::identity;
use crate::stores::{NewEntry, Owner, Preview, Step};

/// Lines for each step. A database in memory fills the parameters in, so that what is shown is what SQLite sees.
pub(super) fn preview(target: &Target, lease: Duration, steps: &[Step], run: &str) -> rusqlite::Result<Preview> {
    let blank = Connection::open_in_memory()?;
    blank.execute_batch(CREATE)?;
    let owner = Owner { token: "***".to_owned(), ..identity::owner(run) };
    let renew = filled(&blank, RENEW, &[(":token", "'***'"), (":lease", &lease.as_millis().to_string())])?;
    let lines = |step: &Step| match step.mode.is_atomic() {
        true => {
            let done = append(&blank, &owner, &NewEntry::of(step, EntryEvent::Done))?;
            Ok(transaction([read(step), done]))
        }
        false => in_parts(&blank, &owner, step, &renew),
    };
    let steps: rusqlite::Result<Vec<_>> = steps.iter().map(lines).collect();
    Ok(Preview { client: format!("sqlite (built in) {}", target.location.shown), steps: steps? })
}

fn in_parts(blank: &Connection, owner: &Owner, step: &Step, renew: &str) -> rusqlite::Result<Vec<String>> {
    let total = u32::try_from(step.shape.statements).ok();
    let counted = |event, done| NewEntry { parts_done: done, parts_total: total, ..NewEntry::of(step, event) };
    let begun = append(blank, owner, &counted(EntryEvent::Begun, Some(step.resume_from)))?;
    let done = append(blank, owner, &counted(EntryEvent::Done, total))?;
    let mut lines = vec![begun, format!("{} (statement by statement, each counted in the ledger)", read(step))];
    lines.extend(transaction([renew.to_owned(), done]));
    Ok(lines)
}

fn transaction<const N: usize>(inside: [String; N]) -> Vec<String> {
    let (begin, commit) = ("begin immediate;".to_owned(), "commit;".to_owned());
    std::iter::once(begin).chain(inside).chain(std::iter::once(commit)).collect()
}

fn read(step: &Step) -> String {
    match step.resume_from {
        0 => format!(".read {}", step.path),
        done => format!(".read {} from statement {} on", step.path, done + 1),
    }
}

fn append(blank: &Connection, owner: &Owner, entry: &NewEntry) -> rusqlite::Result<String> {
    let mut statement = blank.prepare(APPEND)?;
    Line { owner, entry }.bind(&mut statement)?;
    Ok(without_blob(&terminated(statement.expanded_sql())))
}

/// Parameters that only the run itself will know are shown by their names.
fn filled(blank: &Connection, sql: &str, known: &[(&str, &str)]) -> rusqlite::Result<String> {
    // Only to be sure that it is what SQLite takes.
    blank.prepare(sql)?;
    let sql = known.iter().fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, value));
    Ok(terminated(Some(sql)))
}

fn terminated(sql: Option<String>) -> String {
    sql.unwrap_or_default() + ";"
}

/// `x'78DA...'` becomes `x'...'`: nobody reads a packed down script.
fn without_blob(sql: &str) -> String {
    let Some(start) = sql.find(", x'").map(|at| at + 4) else { return sql.to_owned() };
    let Some(length) = sql[start..].find('\'') else { return sql.to_owned() };
    format!("{}...{}", &sql[..start], &sql[start + length..])
}
