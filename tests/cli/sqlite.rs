//! What SQLite says and how it is passed on: the store that everybody meets first.

use insta::assert_snapshot;

use crate::world::World;

fn with(scripts: &[(&str, &str)]) -> World {
    scripts.iter().fold(World::new(), |world, (path, text)| world.file(&format!("migrations/sqlite/{path}"), text))
}

#[test]
fn a_rejected_statement_is_shown_with_its_line() {
    let world = with(&[
        ("001_notes.up.sql", "CREATE TABLE notes (\n    id INTEGER PRIMARY KEY\n);\n"),
        ("001_notes.down.sql", "DROP TABLE notes;\n"),
        ("002_tags.up.sql", "-- Tags.\nCREATE TABLE tags (id INTEGER);\n\nINSERT INTO tgas VALUES (1);\n"),
        ("002_tags.down.sql", "DROP TABLE tags;\n"),
    ]);
    assert_snapshot!(world.shows("up"), @r#"
        sqlite   001_notes   applied <ms>
        [stderr]
        error: sqlite/002_tags was rejected at line 4
          migrations/sqlite/002_tags.up.sql:4
            4 | INSERT INTO tgas VALUES (1);
              | no such table: tgas
          nothing of it was kept: the script ran in one transaction
          applied before it in this run: sqlite/001_notes
        hint: correct the script, then `stepladder up`
        [exit 1]
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        sqlite   stepladder.db   1 applied · 1 pending
          001_notes   applied   <time> <ms>   run <run>   tester@<host>
          002_tags    pending
        "#);
}

/// As full as a disk can be made here: there may be no more pages.
#[test]
fn a_full_disk_is_not_the_scripts_fault() {
    let world = with(&[
        (
            "001_big.up.sql",
            "PRAGMA max_page_count = 30;\nCREATE TABLE big (t TEXT);\nINSERT INTO big VALUES (hex(randomblob(100000)));\n",
        ),
        ("001_big.down.sql", "DROP TABLE big;\n"),
    ]);
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: sqlite/001_big stopped because the disk is full at line 3
          migrations/sqlite/001_big.up.sql:3
            3 | INSERT INTO big VALUES (hex(randomblob(100000)));
              | database or disk is full (SQLITE_FULL)
          nothing of it was kept: the script ran in one transaction
        hint: make room on the disk (or raise max_page_count), then run it again
        hint: `stepladder up` goes on from here
        [exit 1]
        "#);
}

#[test]
fn a_script_with_its_own_transaction_is_said_to_have_one() {
    let world = with(&[
        ("001_own.up.sql", "BEGIN;\nCREATE TABLE a (id INTEGER);\nCOMMIT;\n"),
        ("001_own.down.sql", "DROP TABLE a;\n"),
    ]);
    assert_snapshot!(world.shows("up --dry-run"), @r#"
        sqlite   1 step, built in:
          001_own   its own transaction: BEGIN at line 1
                <ledger>
            .read migrations/sqlite/001_own.up.sql (statement by statement, each counted in the ledger)
            begin immediate;
                <ledger>
                <ledger>
            commit;
        1 step in 1 store would run. Nothing was changed.
        "#);
    assert_snapshot!(world.shows("up"), @r#"
        sqlite   001_own   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn an_unclosed_quote_is_found_offline() {
    let world = with(&[
        ("001_a.up.sql", "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES ('oops);\n"),
        ("001_a.down.sql", "DROP TABLE a;\n/* never closed\n"),
    ]);
    assert_snapshot!(world.shows("validate"), @r#"
        migrations/sqlite/001_a.down.sql:2   a block comment is opened here and never closed
        migrations/sqlite/001_a.up.sql:2     a string is opened here and never closed
        2 problems in 1 migration of 1 store
        [exit 3]
        "#);
    assert_eq!(world.run("up").code, 3);
}

#[test]
fn fresh_lists_what_it_would_drop() {
    let world = with(&[
        ("001_a.up.sql", "CREATE TABLE a (id INTEGER);\nINSERT INTO a VALUES (1), (2);\n"),
        ("001_a.down.sql", "DROP TABLE a;\n"),
    ]);
    world.ok("up");
    assert_snapshot!(world.shows("fresh --dry-run"), @r#"
        sqlite   1 step, built in:
          would be dropped first:
            table a (2 rows)
          001_a   in one transaction with its ledger entry
            begin immediate;
            .read migrations/sqlite/001_a.up.sql
                <ledger>
            commit;
        1 step in 1 store would run. Nothing was changed.
        "#);
    assert_snapshot!(world.shows("fresh -y"), @r#"
        sqlite   everything dropped
        sqlite   001_a   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("doctor"), @r#"
        sqlite   stepladder.db
          client       built in
          server       SQLite 3.54.1 (built in), 20 KiB, journal mode delete
          ledger       1 entry: 1 of 1 migration applied
          lease        free
        "#);
}
