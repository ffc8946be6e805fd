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
    assert_snapshot!(world.shows("up --dry-run"), @r#"
        memory   3 steps, built in:
          001_a   in one transaction with its ledger entry
            on a copy of the data:
              set 001_a 1
            copy and entry: 001_a is applied, in one write
          002_b   no transaction: the directive at line 1
            entry: 002_b is begun
              # stepladder: no-transaction
              set b 1
              set c 2
            a journal of each command with its change
            entry: 002_b is applied
          003_p   a program runs it
            MEMORY_URL=memory:<folder>/data.json STEPLADDER_URL=memory:<folder>/data.json STEPLADDER_STORE=memory STEPLADDER_VERSION=3 STEPLADDER_DIRECTION=up sh migrations/memory/003_p.up.sh
        3 steps in 1 store would run. Nothing was changed.
        "#);
    assert_snapshot!(world.shows("up --offline --steps 1"), @r#"
        memory   1 step, built in:
          001_a   in one transaction with its ledger entry
            on a copy of the data:
              set 001_a 1
            copy and entry: 001_a is applied, in one write
        1 step in 1 store would run. Nothing was changed.
        "#);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn down_redo_goto_and_fresh_have_theirs() {
    let world = mixed();
    world.ok("up --to 2");
    let before = world.snapshot();
    assert_snapshot!(world.shows("down --dry-run"), @r#"
        memory   1 step, built in:
          002_b   down   in one transaction with its ledger entry
            on a copy of the data:
              delete b
            copy and entry: 002_b is reverted, in one write
        1 step in 1 store would run. Nothing was changed.
        "#);
    assert_snapshot!(world.shows("redo --dry-run"), @r#"
        memory   2 steps, built in:
          002_b   down   in one transaction with its ledger entry
            on a copy of the data:
              delete b
            copy and entry: 002_b is reverted, in one write
          002_b   no transaction: the directive at line 1
            entry: 002_b is begun
              # stepladder: no-transaction
              set b 1
              set c 2
            a journal of each command with its change
            entry: 002_b is applied
        2 steps in 1 store would run. Nothing was changed.
        "#);
    assert_snapshot!(world.shows("goto 0 --dry-run"), @r#"
        memory   2 steps, built in:
          002_b   down   in one transaction with its ledger entry
            on a copy of the data:
              delete b
            copy and entry: 002_b is reverted, in one write
          001_a   down   in one transaction with its ledger entry
            on a copy of the data:
              delete 001_a
            copy and entry: 001_a is reverted, in one write
        2 steps in 1 store would run. Nothing was changed.
        "#);
    assert_snapshot!(world.shows("fresh --dry-run"), @r#"
        memory   3 steps, built in:
          would be dropped first:
            key 001_a (1 bytes)
            key b (1 bytes)
            key c (1 bytes)
          001_a   in one transaction with its ledger entry
            on a copy of the data:
              set 001_a 1
            copy and entry: 001_a is applied, in one write
          002_b   no transaction: the directive at line 1
            entry: 002_b is begun
              # stepladder: no-transaction
              set b 1
              set c 2
            a journal of each command with its change
            entry: 002_b is applied
          003_p   a program runs it
            MEMORY_URL=memory:<folder>/data.json STEPLADDER_URL=memory:<folder>/data.json STEPLADDER_STORE=memory STEPLADDER_VERSION=3 STEPLADDER_DIRECTION=up sh migrations/memory/003_p.up.sh
        3 steps in 1 store would run. Nothing was changed.
        "#);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn nothing_to_do_is_said() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    assert_snapshot!(world.shows("up --dry-run"), @"Nothing would run.");
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
