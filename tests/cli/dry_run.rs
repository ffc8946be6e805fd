//! Dry runs: exactly what would run, and nothing of it done.

use insta::assert_snapshot;

use crate::world::World;

fn mixed() -> World {
    World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: no-transaction\nset b 1\nset c 2\n")
        .file("migrations/memory/002_b.down.mem", "delete b\n")
        .file("migrations/memory/003_p.up.sh", "echo hello\n")
        .file("migrations/memory/003_p.down.sh", "echo bye\n")
}

#[test]
fn each_step_is_shown_with_its_mode() {
    let world = mixed();
    let before = world.snapshot();
    assert_snapshot!(world.shows("up --dry-run"), @"");
    assert_snapshot!(world.shows("up --offline --steps 1"), @"");
    assert_eq!(world.snapshot(), before);
}

#[test]
fn down_redo_goto_and_fresh_have_theirs() {
    let world = mixed();
    world.ok("up --to 2");
    let before = world.snapshot();
    assert_snapshot!(world.shows("down --dry-run"), @"");
    assert_snapshot!(world.shows("redo --dry-run"), @"");
    assert_snapshot!(world.shows("goto 0 --dry-run"), @"");
    assert_snapshot!(world.shows("fresh --dry-run"), @"");
    assert_eq!(world.snapshot(), before);
}

#[test]
fn nothing_to_do_is_said() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    assert_snapshot!(world.shows("up --dry-run"), @"");
}

#[test]
fn it_comes_as_json_too() {
    let plan = mixed().ok("up --dry-run --json").json();
    assert_eq!(plan["dry_run"], true);
    let steps = &plan["stores"][0]["steps"];
    assert_eq!(steps[0]["migration"], "001_a");
    assert_eq!(steps[0]["version"], "1");
    assert_eq!(steps[0]["direction"], "up");
    assert_eq!(steps[0]["atomic"], true);
    assert_eq!(steps[1]["atomic"], false);
    assert_eq!(steps[1]["mode"], "no transaction: the directive at line 1");
    assert_eq!(steps[2]["mode"], "a program runs it");
}
