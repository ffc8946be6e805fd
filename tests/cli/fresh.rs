//! `fresh`: drops everything, so it asks first.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn without_a_terminal_it_wants_a_yes() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up");
    let before = world.snapshot();
    assert_snapshot!(world.shows("fresh"), @"");
    assert_eq!(world.snapshot(), before);
    assert_snapshot!(world.shows("fresh --yes"), @"");
}

#[test]
fn a_protected_environment_refuses_it_always() {
    let world = World::with_memory(&["001_a"]);
    let config = world.read("stepladder.toml") + "[env.production]\nprotected = true\n[env.dev]\n";
    let world = world.file("stepladder.toml", config);
    world.ok("up");
    assert_snapshot!(world.shows("fresh --yes -e production"), @"");
    assert_snapshot!(world.variable("STEPLADDER_ENV", "production").shows("fresh --yes"), @"");
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
    assert_snapshot!(world.shows("fresh --yes"), @"");
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
    assert_snapshot!(world.shows("fresh -s a --yes"), @"");
    assert_snapshot!(world.shows("fresh -s a --dry-run"), @"");
}
