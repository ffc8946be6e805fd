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
    assert_snapshot!(world.shows("make:migration add_users_table --database postgres"), @r#"
        created  migrations/postgres/004_add_users_table.up.mem
        created  migrations/postgres/004_add_users_table.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    assert!(world.has("migrations/postgres/004_add_users_table.up.mem"));
}

#[test]
fn migrate_and_rollback_keep_to_their_store() {
    let world = two_stores();
    assert_snapshot!(world.shows("migrate --database postgres"), @r#"
        postgres   001_one     applied <ms>
        postgres   002_two     applied <ms>
        postgres   003_three   applied <ms>
        3 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("rollback --database postgres --steps 2"), @r#"
        postgres   003_three   reverted <ms>
        postgres   002_two     reverted <ms>
        2 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("migrate:status"), @r#"
        postgres   postgres.json   1 applied · 2 pending
          001_one     applied   <time> <ms>   run <run>   tester@<host>
          002_two     pending
          003_three   pending
        sqlite     sqlite.json     0 applied · 1 pending
          001_one   pending
        "#);
    assert_eq!(world.shows("showmigrations"), world.shows("status"));
}

#[test]
fn migrate_fresh_asks_first() {
    let world = two_stores().file("seeds/postgres/001_base.mem", "set base 1\n");
    world.ok("migrate --database postgres");
    assert_snapshot!(world.shows("migrate:fresh --seed --database postgres"), @r#"
        [stderr]
        postgres at postgres.json: everything in it will be dropped
          key 001_one (1 bytes)
          key 002_two (1 bytes)
          key 003_three (1 bytes)
        error: dropping everything in postgres needs a confirmation, and there is no terminal to ask on
        hint: say it on the command line: `--yes`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("migrate:fresh --seed --database postgres --yes"), @r#"
        postgres   everything dropped
        postgres   001_one     applied <ms>
        postgres   002_two     applied <ms>
        postgres   003_three   applied <ms>
        3 applied in 1 store · run <run> · <ms>
        postgres   001_base   seeded <ms>
        1 seeded in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn create_makes_a_name_of_a_sentence_and_finds_the_store() {
    let world = two_stores();
    assert_snapshot!(world.shows("create \"Add user table\""), @r#"
        created  migrations/sqlite/002_add_user_table.up.mem
        created  migrations/sqlite/002_add_user_table.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    let one = World::with_memory(&["001_one"]);
    assert_snapshot!(one.shows("create \"Add user table\""), @r#"
        created  migrations/memory/002_add_user_table.up.mem
        created  migrations/memory/002_add_user_table.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    let unclear = World::new().file("migrations/memory/x.md", "").file(
        "stepladder.toml",
        "[stores.a]\nkind = \"memory\"\nurl = \"memory:a\"\n[stores.b]\nkind = \"memory\"\nurl = \"memory:b\"\n",
    );
    assert_snapshot!(unclear.shows("create \"Add user table\""), @r#"
        [stderr]
        error: which store is it for?
          the stores are `a`, `b` and `memory`
        hint: `stepladder generate STORE NAME`
        [exit 2]
        "#);
    assert_snapshot!(unclear.shows("new b \"Add user table\""), @r#"
        created  migrations/b/001_add_user_table.up.mem
        created  migrations/b/001_add_user_table.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
}

#[test]
fn run_applies_and_rollback_version_takes_back_exactly_that_one() {
    let world = World::with_memory(&["001_add_users_table", "002_two", "003_three"]);
    assert_snapshot!(world.shows("run"), @r#"
        memory   001_add_users_table   applied <ms>
        memory   002_two               applied <ms>
        memory   003_three             applied <ms>
        3 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("rollback --version 001_add_users_table"), @r#"
        memory   001_add_users_table   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   2 applied · 1 pending
          001_add_users_table   pending
          002_two               applied   <time> <ms>   run <run>   tester@<host>
          003_three             applied   <time> <ms>   run <run>   tester@<host>
        "#);
}

#[test]
fn rollback_version_never_touches_a_store_that_means_something_else_by_it() {
    let world = two_stores().pair("sqlite", "002_other");
    world.ok("up");
    assert_snapshot!(world.shows("rollback --version 2"), @r#"
        [stderr]
        error: version 2 is applied in postgres and sqlite and stands for something else in each
        hint: name the store: `-s STORE`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("rollback --version 002_nothing"), @r#"
        [stderr]
        error: no applied migration is 2_nothing
        hint: `stepladder status` shows what is applied
        [exit 2]
        "#);
    assert_snapshot!(world.shows("rollback --version 002_other"), @r#"
        sqlite   002_other   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("rollback --version 3"), @r#"
        postgres   003_three   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn reset_and_refresh_go_all_the_way() {
    let world = World::with_memory(&["001_one", "002_two"]);
    world.ok("up");
    assert_snapshot!(world.shows("migrate:reset"), @r#"
        [stderr]
        error: rolling back everything needs a confirmation, and there is no terminal to ask on
        hint: say it on the command line: `--yes`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("migrate:refresh --yes"), @r#"
        memory   002_two   reverted <ms>
        memory   001_one   reverted <ms>
        memory   001_one   applied <ms>
        memory   002_two   applied <ms>
        2 reverted, 2 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("migrate:rollback"), @r#"
        memory   002_two   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("migrate:reset -y"), @r#"
        memory   001_one   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn db_seed_seeds() {
    let world = two_stores().file("seeds/postgres/001_base.mem", "set base 1\n");
    assert_snapshot!(world.shows("db:seed"), @r#"
        postgres   001_base   seeded <ms>
        1 seeded in 1 store · run <run> · <ms>
        "#);
}
