//! `fresh`: drops everything, so it asks first.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn without_a_terminal_it_wants_a_yes() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up");
    let before = world.snapshot();
    assert_snapshot!(world.shows("fresh"), @r#"
        [stderr]
        memory at data.json: everything in it will be dropped
          key 001_a (1 bytes)
          key 002_b (1 bytes)
        error: dropping everything in memory needs a confirmation, and there is no terminal to ask on
        hint: say it on the command line: `--yes`
        [exit 2]
        "#);
    assert_eq!(world.snapshot(), before);
    assert_snapshot!(world.shows("fresh --yes"), @r#"
        memory   everything dropped
        memory   001_a   applied <ms>
        memory   002_b   applied <ms>
        2 applied in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn a_protected_environment_refuses_it_always() {
    let world = World::with_memory(&["001_a"]);
    let config = world.read("stepladder.toml") + "[env.production]\nprotected = true\n[env.dev]\n";
    let world = world.file("stepladder.toml", config);
    world.ok("up");
    assert_snapshot!(world.shows("fresh --yes -e production"), @r#"
        [stderr]
        error: the environment `production` is protected: `fresh` is refused in it, `--yes` or not
          nothing was dropped
        hint: `protected` under [env.production] in stepladder.toml decides this
        [exit 2]
        "#);
    assert_snapshot!(world.variable("STEPLADDER_ENV", "production").shows("fresh --yes"), @r#"
        [stderr]
        error: the environment `production` is protected: `fresh` is refused in it, `--yes` or not
          nothing was dropped
        hint: `protected` under [env.production] in stepladder.toml decides this
        [exit 2]
        "#);
}

#[test]
fn other_environments_may() {
    let world = World::with_memory(&["001_a"]);
    let config = world.read("stepladder.toml") + "[env.production]\nprotected = true\n[env.dev]\n";
    let world = world.file("stepladder.toml", config);
    world.ok("fresh --yes -e dev");
}

#[test]
fn what_cannot_be_planned_is_not_dropped_first() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    let world = world.file("migrations/memory/002_b.up.mem", "# stepladder: require x/1\n");
    let before = world.snapshot();
    assert_snapshot!(world.shows("fresh --yes"), @r#"
        [stderr]
        error: nothing was run: 1 error in the files
          migrations/memory/002_b.up.mem:1   unknown directive `require`
        hint: did you mean `requires`? The directives are `no-transaction`, `irreversible`, `requires`, `timeout`, `only-env`
        hint: `stepladder validate` shows everything that is wrong
        [exit 3]
        "#);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn a_store_that_is_left_alone_still_counts_for_requires() {
    let world = World::new()
        .file(
            "stepladder.toml",
            "[stores.a]\nkind = \"memory\"\nurl = \"memory:a\"\n[stores.b]\nkind = \"memory\"\nurl = \"memory:b\"\n",
        )
        .file("migrations/a/001_first.up.mem", "# stepladder: requires b/1\nset first 1\n")
        .file("migrations/a/001_first.down.mem", "delete first\n")
        .pair("b", "001_before");
    world.ok("up");
    assert_snapshot!(world.shows("fresh -s a --yes"), @r#"
        a   everything dropped
        a   001_first   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("fresh -s a --dry-run"), @r#"
        a   1 step, built in:
          would be dropped first:
            key first (1 bytes)
          001_first   in one transaction with its ledger entry
            on a copy of the data:
              # stepladder: requires b/1
              set first 1
            copy and entry: 001_first is applied, in one write
        1 step in 1 store would run. Nothing was changed.
        "#);
}
