//! `status`, `current`, `history` and `check`: looking, which leaves no trace.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn looking_leaves_no_trace() {
    let world = World::with_memory(&["001_a", "002_b"]);
    let before = world.snapshot();
    for line in ["status", "status --json", "current", "history", "check", "validate", "lock", "up --dry-run", "doctor"]
    {
        world.run(line);
        assert_eq!(world.snapshot(), before, "{line}");
    }
}

#[test]
fn everything_stands_where_it_stands() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d"]);
    world.ok("up --to 3");
    world.write("migrations/memory/002_b.up.mem", "set 002_b 2\n");
    std::fs::remove_file(world.path("migrations/memory/003_c.up.mem")).expect("removed");
    std::fs::remove_file(world.path("migrations/memory/003_c.down.mem")).expect("removed");
    assert_snapshot!(world.shows("status"), @"");
    assert_snapshot!(world.shows("check"), @"");
    assert_snapshot!(world.shows("up"), @"");
}

#[test]
fn old_ones_are_hidden_unless_asked_for() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d", "005_e", "006_f", "007_g"]);
    world.ok("up");
    assert_snapshot!(world.shows("status"), @"");
    assert_eq!(world.ok("status --all").stdout.lines().count(), 8);
}

#[test]
fn current_and_history() {
    let world = World::with_memory(&["001_a", "002_b"]);
    assert_snapshot!(world.shows("current"), @"");
    assert_snapshot!(world.shows("history"), @"");
    world.ok("up");
    world.ok("down");
    assert_snapshot!(world.shows("current"), @"");
    assert_snapshot!(world.shows("history"), @"");
    assert_snapshot!(world.shows("history --limit 1"), @"");
}

#[test]
fn check_is_for_scripts() {
    let world = World::with_memory(&["001_a", "003_c"]);
    assert_snapshot!(world.shows("check"), @"");
    assert_snapshot!(world.shows("check -q"), @"");
    world.ok("up");
    assert_snapshot!(world.shows("check"), @"");
    let world = world.pair("memory", "002_b");
    assert_snapshot!(world.shows("check"), @"");
}

#[test]
fn a_migration_for_another_environment_is_not_pending_here() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: only-env staging\nset b 1\n")
        .file("migrations/memory/002_b.down.mem", "delete b\n");
    world.ok("up");
    assert_snapshot!(world.shows("status"), @"");
    world.ok("check");
    assert_snapshot!(world.shows("up -e staging"), @"");
}

#[test]
fn one_store_that_cannot_be_looked_into_hides_no_other() {
    let world = World::new()
        .file(
            "stepladder.toml",
            "[stores.a]\nkind = \"memory\"\nurl = \"memory:a\"\n[stores.b]\nkind = \"memory\"\nurl = \"memory:b\"\n",
        )
        .pair("a", "001_a")
        .pair("b", "001_b")
        .file("b", "this is no document");
    let said = world.run("status");
    assert_ne!(said.code, 0);
    assert!(said.stdout.contains("001_a   pending"), "{}", said.all());
    assert!(said.stderr.starts_with("error: "), "{}", said.all());
}

#[test]
fn doctor_and_wait() {
    let world = World::with_memory(&["001_a"]);
    assert_snapshot!(world.shows("doctor"), @"");
    assert_snapshot!(world.shows("wait --timeout 1s"), @"");
}
