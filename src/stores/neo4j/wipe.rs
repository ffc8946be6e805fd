//! What `fresh` drops: nodes, relationships, constraints and indexes of the configured database, but for the ledger's.

use super::bolt::Value;
use super::ledger::{CONSTRAINTS, LABELS};
use super::session::Session;
use super::statement::{Guard, name};
use crate::domain::Failure;
use crate::domain::plan::count;

/// Nodes deleted in one transaction.
const BATCH: usize = 10_000;

/// A constraint or an index: what it is, its name.
struct Rule {
    what: &'static str,
    name: String,
    shown: String,
}

fn ours() -> String {
    LABELS.map(|label| format!("n:{label}")).join(" OR ")
}

fn rules(session: &mut Session) -> Result<Vec<Rule>, Failure> {
    let mut rules = Vec::new();
    // Indexes that belong to a constraint go with it; lookup indexes are the database's own.
    for (what, many, filter) in
        [("CONSTRAINT", "CONSTRAINTS", "true"), ("INDEX", "INDEXES", "owningConstraint IS NULL AND type <> 'LOOKUP'")]
    {
        let mut statement = format!(
            "SHOW {many} YIELD * WHERE {filter} AND NOT name STARTS WITH '{CONSTRAINTS}' \
             RETURN name, type, labelsOrTypes, properties ORDER BY name"
        );
        if what == "INDEX" && is_4(session)? {
            // 4.4 says it in another column.
            statement = statement.replace("owningConstraint IS NULL", "uniqueness <> 'UNIQUE'");
        }
        for row in session.read(&statement)? {
            let text = |at: usize| row.get(at).and_then(Value::as_text).unwrap_or_default().to_owned();
            let list = |at: usize| {
                let all = row.get(at).map(Value::as_list).unwrap_or_default().iter();
                all.filter_map(Value::as_text).collect::<Vec<_>>().join(", ")
            };
            let (name, sort) = (text(0), text(1).to_lowercase().replace('_', " "));
            let shown = format!("{} {name} ({sort} of {}: {})", what.to_lowercase(), list(2), list(3));
            rules.push(Rule { what, name, shown });
        }
    }
    Ok(rules)
}

fn is_4(session: &mut Session) -> Result<bool, Failure> {
    Ok(session.server()?.starts_with("Neo4j/4."))
}

/// What would be dropped, a line for each sort of thing.
///
/// # Errors
/// No answer.
pub fn inventory(session: &mut Session) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    let nodes = session.read(&format!(
        "MATCH (n) WHERE NOT ({}) WITH labels(n) AS labels, count(*) AS times RETURN labels, times ORDER BY labels",
        ours()
    ))?;
    let times = |row: &[Value]| row.get(1).and_then(Value::as_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    for row in &nodes {
        let labels: String =
            row[0].as_list().iter().filter_map(Value::as_text).map(|label| format!(":{label}")).collect();
        let labels = if labels.is_empty() { "no label".to_owned() } else { labels };
        lines.push(format!("nodes {labels} ({})", count(times(row), "node")));
    }
    let relationships = session.read("MATCH ()-[r]->() RETURN type(r), count(*) ORDER BY type(r)")?;
    for row in &relationships {
        let name = row[0].as_text().unwrap_or_default();
        lines.push(format!("relationships :{name} ({})", count(times(row), "relationship")));
    }
    lines.extend(rules(session)?.into_iter().map(|rule| rule.shown));
    Ok(lines)
}

/// Drops everything and empties the ledger. Each statement first checks the lease.
///
/// # Errors
/// What the server refused to drop; the lease is lost.
pub fn wipe(session: &mut Session, token: &str) -> Result<(), Failure> {
    let guard = Guard { token, begins: false };
    let check = guard.check("");
    for rule in rules(session)? {
        session.send(&check)?;
        session.write(&format!("DROP {} {} IF EXISTS", rule.what, name(&rule.name)))?;
    }
    let batches = [
        ("MATCH ()-[r]->() WITH r LIMIT".to_owned(), "DELETE r"),
        (format!("MATCH (n) WHERE NOT ({}) WITH n LIMIT", ours()), "DETACH DELETE n"),
        ("MATCH (n:StepladderMigration) WITH n LIMIT".to_owned(), "DELETE n"),
    ];
    for (find, delete) in batches {
        let statement = format!("{find} {BATCH} {delete} RETURN count(*)");
        loop {
            session.send(&check)?;
            let rows = session.write(&statement)?;
            if rows.first().and_then(|r| r[0].as_int()).unwrap_or(0) == 0 {
                break;
            }
        }
    }
    Ok(())
}
