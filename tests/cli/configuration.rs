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
