//! PostgreSQL's templates, run on a real server as a person would who puts in the names alone.

use crate::postgres::{Store, ask, try_ask};
use crate::world::says;

/// Each template, what is true after its up script and not after its down script, and a table of its own to work on.
const TEMPLATES: [(&str, &str); 10] = [
    ("table", "to_regclass('t_table') is not null"),
    (
        "column",
        "exists (select from information_schema.columns where table_name = 't_column' and column_name = 'note')",
    ),
    ("required-column", "exists (select from pg_constraint where conname = 't_required_column_note_set')"),
    ("rename-column", "exists (select from information_schema.columns where column_name = 't_rename_column_id')"),
    ("index", "(select indisvalid from pg_index where indexrelid = to_regclass('t_index_id_idx'))"),
    ("backfill", ""),
    ("function", "t_function(' A ') = 'a'"),
    ("view", "(select count(*) from t_view_overview) = 3"),
    ("enum-value", "'cancelled' = any (enum_range(null::t_enum_value_status)::text[])"),
    ("default", ""),
];

/// What stands there before: a table for each template but the one that makes it.
fn ground(table: &str) -> String {
    let columns = "id bigint generated always as identity primary key, name text not null";
    match table {
        "t_table" => String::new(),
        "t_enum_value" => format!(
            "create type t_enum_value_status as enum ('new', 'paid');\n\
             create table t_enum_value ({columns}, status t_enum_value_status default 'new');\n"
        ),
        "t_backfill" => format!(
            "create table t_backfill ({columns}, note text);\n\
             insert into t_backfill (name) select 'Row ' || n from generate_series(1, 2500) n;\n"
        ),
        _ => format!("create table {table} ({columns});\ninsert into {table} (name) values ('A'), ('B'), ('C');\n"),
    }
}

#[test]
fn templates_do_what_they_say_there_and_back_and_there_again() {
    let files = stepladder::commands::templates::FILES;
    let count = files.iter().filter(|(path, _)| path.starts_with("postgres/")).count();
    assert_eq!(count, 2 * TEMPLATES.len(), "a template is not run here");
    let Some(store) = Store::plain("templates") else { return };
    let mut all = String::new();
    for (number, (template, _)) in (2..).zip(TEMPLATES) {
        let table = format!("t_{}", template.replace('-', "_"));
        all.push_str(&ground(&table));
        for way in ["up", "down"] {
            let path = format!("postgres/{template}.{way}.sql");
            let text = files.iter().find(|(name, _)| *name == path).expect("the template is there").1;
            let text = text.replace("{{table}}", &table).replace("{{name}}", &table);
            // A backfill that changes nothing proves nothing.
            let text = text.replace("-- UPDATE", "UPDATE").replace("-- WHERE id BETWEEN", "WHERE id BETWEEN");
            store.world.write(&format!("migrations/postgres/{number:03}_{template}.{way}.sql"), text);
        }
    }
    store.world.write("migrations/postgres/001_a.up.sql", all);
    store.world.write("migrations/postgres/001_a.down.sql", "select 1;\n");
    let url = store.url("");
    let run = |line: &str| store.run(line, &[("POSTGRES_URL", &url)]);
    let holds = |condition: &str| {
        // A function or view that is gone cannot be asked.
        let answer = try_ask(store.server, &store.database, &format!("select coalesce({condition}, false)"));
        answer.is_ok_and(|answer| answer == "t")
    };
    for (line, words, there) in
        [("up", "11 applied", true), ("down 10", "10 reverted", false), ("up", "10 applied", true)]
    {
        says(&run(line), 0, &[words]);
        for (template, condition) in TEMPLATES.iter().filter(|(_, condition)| !condition.is_empty()) {
            assert_eq!(holds(condition), there, "{template} after {line}");
        }
    }
    let filled = "select count(*) filter (where note = lower(name)), count(*) from t_backfill";
    assert_eq!(ask(store.server, &store.database, filled), "2500|2500");
}
