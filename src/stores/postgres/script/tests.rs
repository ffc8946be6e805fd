use super::*;
use crate::domain::mode::Reason;
use crate::domain::sql::{self, Dialect};
use crate::domain::{Checksum, Direction, Mode, Version};
use crate::stores::StoredScript;

fn step(text: &str, mode: Mode) -> Step {
    Step {
        index: 3,
        store: "postgres".to_owned(),
        version: Version::new(14),
        label: "014_it's".to_owned(),
        direction: Direction::Up,
        path: "m/014_it's.up.sql".to_owned(),
        file: None,
        text: text.into(),
        extension: "sql".to_owned(),
        shape: sql::shape(text, Dialect::Postgres),
        mode,
        checksum: Checksum::recorded("sha256:up"),
        down: None,
        timeout: None,
        resume_from: 0,
    }
}

fn two_phase(text: &str) -> Step {
    step(text, Mode::TwoPhase(Reason::Directive(1)))
}

fn lines(feed: &Feed) -> Vec<&str> {
    feed.text.lines().collect()
}

const REAL: Option<&str> = Some("token");

fn frame<'a>(schema: &'a Schema, token: Option<&'a str>) -> Frame<'a> {
    Frame { schema, token, mark: "random" }
}

#[test]
fn a_plain_script_and_its_entry_are_one_transaction() {
    let schema = Schema::new("public");
    let mut step = step("create table t (id int);\n", Mode::Atomic);
    step.down = Some(StoredScript {
        extension: "sql".to_owned(),
        text: "drop table t;\n".into(),
        checksum: Checksum::recorded("sha256:down"),
    });
    let feed = frame(&schema, None).atomic(&step, &route(&step, &step.path, true), Chain::default());
    let expected = "begin isolation level read committed read write \\;
select txid_current() as stepladder_xid \\gset
\\i 'm/014_it''s.up.sql'
set constraints all immediate \\;
reset session authorization \\;
reset role \\;
reset all \\;
close all \\;
deallocate all \\;
unlisten * \\;
discard temp \\;
call public.stepladder_record('...', :stepladder_xid, 'up', 14::numeric, '014_it''s', 'sha256:up', 3, \
                    'sha256:down', 'sql', '<14 bytes>') \\;
commit \\;
select current_setting('stepladder.took') as stepladder_took \\gset
";
    assert_eq!(feed.text, expected);
}

#[test]
fn a_run_adds_markers_and_joins_neighbours() {
    let schema = Schema::new("public");
    let step = step("select 1;\n", Mode::Atomic);
    let chain = Chain { before: true, after: Some(4) };
    let feed = frame(&schema, REAL).atomic(&step, &route(&step, "m/1.sql", true), chain);
    let fed = lines(&feed);
    assert_eq!(fed[0], "\\i 'm/1.sql'");
    assert!(fed[9].starts_with("call public.stepladder_record('token', :stepladder_xid, "));
    let last = [
        "commit \\;",
        "begin isolation level read committed read write \\;",
        "select txid_current() as stepladder_xid, current_setting('stepladder.took') as stepladder_took \\gset",
        "\\echo :stepladder_mark done 3 :stepladder_took begin 4 :stepladder_xid",
    ];
    assert_eq!(fed[10..], last);
    assert_eq!(feed.lines(), fed.len());
}

#[test]
fn a_script_with_commands_is_watched_and_cannot_speak_for_us() {
    let schema = Schema::new("public");
    let step = step("\\set x 1\nselect :x;\n", Mode::Atomic);
    let feed = frame(&schema, REAL).atomic(&step, &route(&step, "m/1.sql", true), Chain::default());
    let fed = lines(&feed);
    assert!(fed[1].contains("public.stepladder_begin('token', 'up', "));
    assert_eq!(fed[2..4], ["\\unset stepladder_mark", "\\i 'm/1.sql'"]);
    assert!(fed.contains(&"\\set ON_ERROR_STOP on") && fed.contains(&"\\set stepladder_mark random"));
    assert!(feed.text.contains("public.stepladder_done('token', 3, false)"));
}

#[test]
fn quitting_is_noticed_since_the_text_is_the_clients_own_input() {
    let step = step("select 1;\n\\q\n", Mode::Atomic);
    assert_eq!(route(&step, "m/1.sql", true), Route::Whole("select 1;\n\\q\n"));
}

#[test]
fn statements_outside_a_transaction_are_journalled_one_by_one() {
    let schema = Schema::new("My schema");
    let mut step = two_phase("-- x\nset a = 1;\nbegin;\nselect 2;\ncommit;\n\nselect\n 3");
    let feed = frame(&schema, REAL).two_phase(&step, &route(&step, "m/1.sql", true));
    let parts: Vec<&str> = lines(&feed).into_iter().filter(|l| l.contains("stepladder_part(")).collect();
    let part = |n: u32| format!("select \"My schema\".stepladder_part('token', 3, {n});");
    assert_eq!(parts, [part(1), part(4), part(5)]);
    let at = lines(&feed).iter().position(|l| *l == " 3").unwrap();
    assert_eq!(feed.place(at + 1), Some(8));
    assert_eq!(lines(&feed)[at + 1], ";");

    step.resume_from = 4;
    let feed = frame(&schema, REAL).two_phase(&step, &route(&step, "m/1.sql", true));
    assert!(feed.text.contains("set a = 1;") && !feed.text.contains("select 2;") && feed.text.contains(", 4, 5)"));
}

#[test]
fn a_script_that_changes_its_role_runs_whole() {
    let step = two_phase("set role a;\nselect 1;\n");
    assert_eq!(route(&step, "~m\\'.sql", true), Route::Include("~m\\'.sql".to_owned()));
    assert_eq!(argument("a'b\\c\n"), "'a''b\\\\c\\n'");
}
