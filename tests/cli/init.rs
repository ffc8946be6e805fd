//! `init`, and the first steps with SQLite.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn it_writes_a_project_that_goes_up_and_down() {
    let world = World::new();
    assert_snapshot!(world.shows("init"), @r#"
        created  stepladder.toml
        created  migrations/sqlite/001_create_notes.up.sql
        created  migrations/sqlite/001_create_notes.down.sql
        next: `stepladder up`
        "#);
    assert_snapshot!(world.shows("validate"), @"no problems in 1 migration of 1 store");
    assert_snapshot!(world.shows("up --dry-run"), @r#"
        sqlite   1 step, built in:
          001_create_notes   in one transaction with its ledger entry
            begin immediate;
            .read migrations/sqlite/001_create_notes.up.sql
                <ledger>
            commit;
        1 step in 1 store would run. Nothing was changed.
        "#);
    assert!(!world.has("stepladder.db"));
    assert_snapshot!(world.shows("up"), @r#"
        sqlite   001_create_notes   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
    assert!(world.has("stepladder.db"));
    assert_snapshot!(world.shows("generate sqlite \"Add tags\" --template table"), @r#"
        created  migrations/sqlite/002_add_tags.up.sql
        created  migrations/sqlite/002_add_tags.down.sql
        next: edit both, then `stepladder up --dry-run`
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        sqlite   stepladder.db   1 applied · 1 pending
          001_create_notes   applied   <time> <ms>   run <run>   tester@<host>
          002_add_tags       pending
        "#);
    world.ok("up");
    assert_snapshot!(world.shows("down 2"), @r#"
        sqlite   002_add_tags       reverted <ms>
        sqlite   001_create_notes   reverted <ms>
        2 reverted in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn a_second_time_it_overwrites_nothing() {
    let world = World::new();
    world.ok("init");
    world.write("stepladder.toml", "# mine\n");
    let before = world.snapshot();
    assert_snapshot!(world.shows("init"), @r#"
        [stderr]
        error: stepladder.toml is there already; nothing was written
        hint: `stepladder generate STORE NAME` writes the next migration
        [exit 2]
        "#);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn migrations_that_are_there_already_are_left_alone() {
    let world = World::with_memory(&["001_a"]);
    std::fs::remove_file(world.path("stepladder.toml")).expect("removed");
    assert_snapshot!(world.shows("init"), @r#"
        created  stepladder.toml
        next: `stepladder status`
        "#);
}

#[test]
fn another_folder_may_be_named() {
    let world = World::new().file("shop/README.md", "");
    world.ok("-C shop init");
    assert!(world.has("shop/stepladder.toml") && !world.has("stepladder.toml"));
}
