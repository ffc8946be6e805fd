//! Where settings come from, and connections that are missing.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn another_folder() {
    let world = World::new()
        .file("services/shop/stepladder.toml", "[stores.memory]\nurl = \"memory:data.json\"\n")
        .file("services/shop/migrations/memory/001_a.up.mem", "set a 1\n")
        .file("services/shop/migrations/memory/001_a.down.mem", "delete a\n");
    assert_snapshot!(world.shows("-C services/shop up"), @r#"
        memory   001_a   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
    assert!(world.has("services/shop/data.json"));
    assert_snapshot!(world.shows("-C nowhere up"), @r#"
        [stderr]
        error: <folder>/nowhere is not a folder
        [exit 2]
        "#);
    assert_snapshot!(world.shows("--config services/shop/stepladder.toml current"), @"memory   001_a   <time>   run <run>");
    assert_snapshot!(world.shows("--config none.toml current"), @r#"
        [stderr]
        error: there is no configuration file none.toml
        [exit 2]
        "#);
}

#[test]
fn environments_lay_their_overrides_over_the_rest() {
    let world = World::with_memory(&["001_a"]);
    let config = world.read("stepladder.toml") + "[env.staging.stores.memory]\nurl = \"memory:staging.json\"\n";
    let world = world.file("stepladder.toml", config);
    world.ok("up --env staging");
    assert!(world.has("staging.json") && !world.has("data.json"));
    assert_snapshot!(world.shows("up -e stagign"), @r#"
        [stderr]
        error: there is no environment `stagign` in stepladder.toml
        hint: the environments are `staging`
        [exit 2]
        "#);
}

#[test]
fn a_broken_file_is_named_with_its_place() {
    let world = World::new().file("stepladder.toml", "[stores.memory]\nurl = \"memory:${NOT_SET}\"\n");
    assert_snapshot!(world.shows("status"), @r#"
        [stderr]
        error: stores.memory.url in stepladder.toml needs the variable NOT_SET, which is not set
        hint: set NOT_SET, or write it into .env
        [exit 2]
        "#);
    let world = World::new().file("stepladder.toml", "[stores.memory]\nulr = \"memory:x\"\n");
    assert_snapshot!(world.shows("status"), @r#"
        [stderr]
        error: unknown key `stores.memory.ulr` in stepladder.toml
        hint: the keys are kind, url, folder, seeds, optional, client, timeout, lease
        [exit 2]
        "#);
    let world = World::new().file("stepladder.toml", "[stores.memory\n");
    let said = world.run("status");
    assert_eq!(said.code, 2);
    assert!(said.stderr.starts_with("error: stepladder.toml:1: "), "{}", said.stderr);
}

#[test]
fn folders_that_are_no_stores_keep_up_from_running() {
    let world = World::with_memory(&["001_a"]).file("migrations/postgers/001_a.up.sql", "select 1;\n");
    assert_eq!(world.run("up").code, 2);
    assert_eq!(world.run("validate").code, 3);
}

/// A server store without a connection, beside SQLite.
fn with_postgres(section: &str) -> World {
    World::new()
        .file("stepladder.toml", format!("[stores.sqlite]\n[stores.postgres]\n{section}"))
        .file("migrations/sqlite/001_a.up.sql", "CREATE TABLE a (id INTEGER);\n")
        .file("migrations/sqlite/001_a.down.sql", "DROP TABLE a;\n")
        .file("migrations/postgres/001_a.up.sql", "CREATE TABLE a (id INTEGER);\n")
        .file("migrations/postgres/001_a.down.sql", "DROP TABLE a;\n")
}

#[test]
fn a_missing_connection_names_its_variable_and_its_key() {
    let world = with_postgres("");
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: postgres has no connection
        hint: set POSTGRES_URL, or `url` under [stores.postgres] in stepladder.toml, for example postgres://app:secret@localhost:5432/app
        [exit 2]
        "#);
    assert!(!world.has("stepladder.db"), "no store is touched while another one is not known");
    assert_snapshot!(world.shows("doctor"), @r#"
        postgres   PostgreSQL
          connection   postgres has no connection
            hint: set POSTGRES_URL, or `url` under [stores.postgres] in stepladder.toml, for example postgres://app:secret@localhost:5432/app
        sqlite   stepladder.db
          client       built in
          server       SQLite 3.54.1 (built in), stepladder.db is not there yet: `up` makes it
          ledger       none yet: the first run makes it
          lease        free
        [exit 2]
        "#);
    // Only a command that needs the connection asks for it.
    world.ok("validate");
    world.ok("generate postgres 'Add tags'");
    world.ok("up -s sqlite");
}

#[test]
fn an_optional_store_is_skipped_and_said_to_be() {
    let world = with_postgres("optional = true\n");
    assert_snapshot!(world.shows("up"), @r#"
        sqlite   001_a   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        [stderr]
        skipped (optional, not configured): postgres (set POSTGRES_URL)
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        sqlite   stepladder.db   1 applied · nothing pending
          001_a   applied   <time> <ms>   run <run>   tester@<host>
        [stderr]
        skipped (optional, not configured): postgres (set POSTGRES_URL)
        "#);
    let skipped = world.ok("up --json").events().into_iter().find(|e| e["event"] == "skipped").expect("skipped");
    assert_eq!((&skipped["store"], &skipped["variable"]), (&"postgres".into(), &"POSTGRES_URL".into()));
    assert_snapshot!(world.shows("up -s postgres"), @r#"
        [stderr]
        error: postgres has no connection
        hint: set POSTGRES_URL, or `url` under [stores.postgres] in stepladder.toml, for example postgres://app:secret@localhost:5432/app
        [exit 2]
        "#);
}

#[test]
fn an_unreachable_server_is_exit_6_and_keeps_the_secret() {
    let world = with_postgres("url = \"postgres://app:s3cr3t-word@127.0.0.1:9/app\"\n");
    for line in ["up", "status", "check", "doctor", "wait --timeout 1s", "up --json", "doctor --json", "up -v"] {
        let said = world.run(line);
        assert_eq!(said.code, 6, "{line}\n{}", said.all());
        assert!(!said.all().contains("s3cr3t"), "{line}\n{}", said.all());
    }
    let said = world.run("status");
    assert!(said.stdout.contains("001_a   pending"), "{}", said.all());
}
