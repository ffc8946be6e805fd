//! What a run would do, from the same statements that it uses.

use rusqlite::Connection;

use super::connect::Target;
use super::job::entry;
use super::lease::RENEW;
use super::ledger::{APPEND, CREATE, FINISH, Line};
use crate::domain::EntryEvent;
use crate::process::identity;
use crate::stores::{NewEntry, Owner, Preview, Step};

/// Lines for each step. A database in memory fills the parameters in, so that what is shown is what SQLite sees.
pub(super) fn preview(target: &Target, steps: &[Step], run: &str) -> rusqlite::Result<Preview> {
    let blank = Connection::open_in_memory()?;
    blank.execute_batch(CREATE)?;
    let owner = Owner { token: "***".to_owned(), ..identity::owner(run) };
    let shown: rusqlite::Result<Vec<_>> = steps.iter().map(|step| lines(&blank, &owner, step)).collect();
    Ok(Preview { client: format!("sqlite (built in) {}", target.location.shown), steps: shown? })
}

fn lines(blank: &Connection, owner: &Owner, step: &Step) -> rusqlite::Result<Vec<String>> {
    let begun = append(blank, owner, &entry(step, EntryEvent::Begun))?;
    let renew = filled(blank, RENEW, &[(":token", &owner.token)])?;
    let read = match step.resume_from {
        0 => format!(".read {}", step.path),
        done => format!(".read {} from statement {} on", step.path, done + 1),
    };
    Ok(match step.mode.is_atomic() {
        true => {
            let finish = filled(blank, FINISH, &[])?;
            vec!["begin immediate;".to_owned(), begun, read, renew, finish, "commit;".to_owned()]
        }
        false => {
            let done = append(blank, owner, &entry(step, EntryEvent::Done))?;
            vec![begun, format!("{read} (each statement by itself)"), done, renew]
        }
    })
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
    let sql = known.iter().fold(sql.to_owned(), |sql, (name, value)| sql.replace(name, &format!("'{value}'")));
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
