//! Names that people bring along from other tools.

use insta::assert_snapshot;

use crate::world::World;

/// Two stores, one of them called `postgres`; both are memory, so that no server is needed.
fn two_stores() -> World {
    World::new()
        .file(
            "stepladder.toml",
            "[stores.postgres]\nkind = \"memory\"\nurl = \"memory:postgres.json\"\n\
             [stores.sqlite]\nkind = \"memory\"\nurl = \"memory:sqlite.json\"\n",
        )
        .pair("postgres", "001_one")
        .pair("postgres", "002_two")
        .pair("postgres", "003_three")
        .pair("sqlite", "001_one")
}

#[test]
fn make_migration_takes_the_store_by_flag() {
    let world = two_stores();
    assert_snapshot!(world.shows("make:migration add_users_table --database postgres"), @"");
    assert!(world.has("migrations/postgres/004_add_users_table.up.mem"));
}

#[test]
fn migrate_and_rollback_keep_to_their_store() {
    let world = two_stores();
    assert_snapshot!(world.shows("migrate --database postgres"), @"");
    assert_snapshot!(world.shows("rollback --database postgres --steps 2"), @"");
    assert_snapshot!(world.shows("migrate:status"), @"");
    assert_eq!(world.shows("showmigrations"), world.shows("status"));
}

#[test]
fn migrate_fresh_asks_first() {
    let world = two_stores().file("seeds/postgres/001_base.mem", "set base 1\n");
    world.ok("migrate --database postgres");
    assert_snapshot!(world.shows("migrate:fresh --seed --database postgres"), @"");
    assert_snapshot!(world.shows("migrate:fresh --seed --database postgres --yes"), @"");
}

#[test]
fn create_makes_a_name_of_a_sentence_and_finds_the_store() {
    let world = two_stores();
    assert_snapshot!(world.shows("create \"Add user table\""), @"");
    let one = World::with_memory(&["001_one"]);
    assert_snapshot!(one.shows("create \"Add user table\""), @"");
    let unclear = World::new().file("migrations/memory/x.md", "").file(
        "stepladder.toml",
        "[stores.a]\nkind = \"memory\"\nurl = \"memory:a\"\n[stores.b]\nkind = \"memory\"\nurl = \"memory:b\"\n",
    );
    assert_snapshot!(unclear.shows("create \"Add user table\""), @"");
    assert_snapshot!(unclear.shows("new b \"Add user table\""), @"");
}

#[test]
fn run_applies_and_rollback_version_takes_back_exactly_that_one() {
    let world = World::with_memory(&["001_add_users_table", "002_two", "003_three"]);
    assert_snapshot!(world.shows("run"), @"");
    assert_snapshot!(world.shows("rollback --version 001_add_users_table"), @"");
    assert_snapshot!(world.shows("status"), @"");
}

#[test]
fn reset_and_refresh_go_all_the_way() {
    let world = World::with_memory(&["001_one", "002_two"]);
    world.ok("up");
    assert_snapshot!(world.shows("migrate:reset"), @"");
    assert_snapshot!(world.shows("migrate:refresh --yes"), @"");
    assert_snapshot!(world.shows("migrate:rollback"), @"");
    assert_snapshot!(world.shows("migrate:reset -y"), @"");
}

#[test]
fn db_seed_seeds() {
    let world = two_stores().file("seeds/postgres/001_base.mem", "set base 1\n");
    assert_snapshot!(world.shows("db:seed"), @"");
}
