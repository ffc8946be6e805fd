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
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   1 applied · 1 pending · 1 changed · 1 missing
          001_a   applied   <time> <ms>   run <run>   tester@<host>
          002_b   CHANGED   <time> <ms>   run <run>   tester@<host>   `stepladder repair memory/2`
          003_c   MISSING   <time> <ms>   run <run>   tester@<host>   `stepladder repair memory/3`
          004_d   pending
        "#);
    assert_snapshot!(world.shows("check"), @r#"
        memory/002_b   changed
        memory/003_c   missing
        memory/004_d   pending
        3 findings in 1 store; `stepladder status` shows more
        [exit 3]
        "#);
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: 2 applied migrations are not what was applied
          memory/002_b has changed since it was applied
          memory/003_c is applied, and its up file is gone
        hint: bring the file back as it was; `stepladder status` shows all
        hint: a change that needs no new run? `stepladder repair STORE/VERSION --accept-checksum`
        [exit 3]
        "#);
}

#[test]
fn old_ones_are_hidden_unless_asked_for() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d", "005_e", "006_f", "007_g"]);
    world.ok("up");
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   7 applied · nothing pending
          ... (2 older, --all shows them)
          003_c   applied   <time> <ms>   run <run>   tester@<host>
          004_d   applied   <time> <ms>   run <run>   tester@<host>
          005_e   applied   <time> <ms>   run <run>   tester@<host>
          006_f   applied   <time> <ms>   run <run>   tester@<host>
          007_g   applied   <time> <ms>   run <run>   tester@<host>
        "#);
    assert_eq!(world.ok("status --all").stdout.lines().count(), 8);
}

#[test]
fn current_and_history() {
    let world = World::with_memory(&["001_a", "002_b"]);
    assert_snapshot!(world.shows("current"), @"memory   nothing applied");
    assert_snapshot!(world.shows("history"), @"no events yet");
    world.ok("up");
    world.ok("down");
    assert_snapshot!(world.shows("current"), @"memory   001_a   <time>   run <run>");
    assert_snapshot!(world.shows("history"), @r#"
        <time>   memory   001_a   applied <ms>   run <run>   tester@<host>
        <time>   memory   002_b   applied <ms>   run <run>   tester@<host>
        <time>   memory   002_b   reverted <ms>   run <run>   tester@<host>
        "#);
    assert_snapshot!(world.shows("history --limit 1"), @"<time>   memory   002_b   reverted <ms>   run <run>   tester@<host>");
}

#[test]
fn check_is_for_scripts() {
    let world = World::with_memory(&["001_a", "003_c"]);
    assert_snapshot!(world.shows("check"), @r#"
        memory/001_a   pending
        memory/003_c   pending
        2 findings in 1 store; `stepladder status` shows more
        [exit 3]
        "#);
    assert_snapshot!(world.shows("check -q"), @"[exit 3]");
    world.ok("up");
    assert_snapshot!(world.shows("check"), @"nothing pending in 1 store");
    let world = world.pair("memory", "002_b");
    assert_snapshot!(world.shows("check"), @r#"
        memory/002_b   pending, below the highest applied one
        1 finding in 1 store; `stepladder status` shows more
        [exit 3]
        "#);
}

#[test]
fn a_migration_for_another_environment_is_not_pending_here() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: only-env staging\nset b 1\n")
        .file("migrations/memory/002_b.down.mem", "delete b\n");
    world.ok("up");
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   1 applied · nothing pending
          001_a   applied   <time> <ms>   run <run>   tester@<host>
          002_b   pending   not here: only in staging
        "#);
    world.ok("check");
    assert_snapshot!(world.shows("up -e staging"), @r#"
        memory   002_b   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
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
    assert_snapshot!(world.shows("doctor"), @r#"
        memory   data.json
          client       built in
          server       memory, nothing in it yet
          ledger       none yet: the first run makes it
          lease        free
        "#);
    assert_snapshot!(world.shows("wait --timeout 1s"), @"memory   answers: memory, nothing in it yet <ms>");
}
