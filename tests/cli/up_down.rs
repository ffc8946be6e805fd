//! `up`, `down`, `redo`, `goto` and `baseline`.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn up_applies_in_order_and_a_second_one_does_nothing() {
    let world = World::with_memory(&["001_create_customers", "002_orders"]);
    assert_snapshot!(world.shows("up"), @r#"
        memory   001_create_customers   applied <ms>
        memory   002_orders             applied <ms>
        2 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("up"), @"nothing pending in 1 store");
}

#[test]
fn up_stops_where_it_is_told_to() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d"]);
    assert_snapshot!(world.shows("up --to 002_b"), @r#"
        memory   001_a   applied <ms>
        memory   002_b   applied <ms>
        2 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("up --steps 1"), @r#"
        memory   003_c   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("up --to 17"), @r#"
        [stderr]
        error: there is no version 17 in memory
        hint: `stepladder status` lists the versions
        [exit 2]
        "#);
}

#[test]
fn down_goes_back_in_reverse_and_says_when_there_is_nothing() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d", "005_e"]);
    assert_snapshot!(world.shows("down"), @"nothing to roll back");
    world.ok("up");
    assert_snapshot!(world.shows("down"), @r#"
        memory   005_e   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("down 2"), @r#"
        memory   004_d   reverted <ms>
        memory   003_c   reverted <ms>
        2 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("down --to 1"), @r#"
        memory   002_b   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("down --version 9"), @r#"
        [stderr]
        error: version 9 is not applied
        hint: `stepladder status` shows what is
        [exit 2]
        "#);
    assert_snapshot!(world.shows("down --run zzzz"), @r#"
        [stderr]
        error: no applied migration belongs to a run `zzzz`
        hint: `stepladder history` lists the runs
        [exit 2]
        "#);
}

#[test]
fn down_all_wants_a_yes() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up");
    assert_snapshot!(world.shows("down --all"), @r#"
        [stderr]
        error: rolling back everything needs a confirmation, and there is no terminal to ask on
        hint: say it on the command line: `--yes`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("down --all --yes"), @r#"
        memory   002_b   reverted <ms>
        memory   001_a   reverted <ms>
        2 reverted in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn down_takes_a_whole_run_back_by_the_end_of_its_id() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    let world = world.pair("memory", "002_b").pair("memory", "003_c");
    let events = world.ok("up --json").events();
    let run = events[0]["run"].as_str().expect("a run").to_owned();
    assert_eq!(run.len(), 16);
    assert_snapshot!(world.shows(&format!("down --run {}", &run[12..])), @r#"
        memory   003_c   reverted <ms>
        memory   002_b   reverted <ms>
        2 reverted in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn down_works_where_the_files_are_gone() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up");
    std::fs::remove_file(world.path("migrations/memory/002_b.up.mem")).expect("removed");
    std::fs::remove_file(world.path("migrations/memory/002_b.down.mem")).expect("removed");
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: 1 applied migration is not what was applied
          memory/002_b is applied, and its up file is gone
        hint: bring the file back as it was; `stepladder status` shows all
        hint: a change that needs no new run? `stepladder repair STORE/VERSION --accept-checksum`
        [exit 3]
        "#);
    assert_snapshot!(world.shows("down"), @r#"
        memory   002_b   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        [stderr]
        warning: memory/002_b: the down script comes from the ledger: its file is gone
        "#);
}

#[test]
fn no_way_back_is_said_before_anything_is_rolled_back() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: irreversible the rows are gone\nset b 1\n");
    world.ok("up");
    assert_snapshot!(world.shows("down 2"), @r#"
        [stderr]
        error: nothing was rolled back: there is no way back over some of the migrations
          memory/002_b is irreversible: the rows are gone
        hint: write the missing down script, or roll back less: `stepladder down N`
        [exit 3]
        "#);
}

#[test]
fn late_migrations_are_refused_unless_asked_for() {
    let world = World::with_memory(&["001_a", "013_m"]);
    world.ok("up");
    let world = world.pair("memory", "009_add_tags").pair("memory", "011_fix_zip");
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: memory has 2 migrations below the highest applied one (13): 009_add_tags and 011_fix_zip
        hint: they came in from another branch? `stepladder up --out-of-order` applies them now
        [exit 3]
        "#);
    assert_snapshot!(world.shows("up --out-of-order"), @r#"
        memory   009_add_tags   applied <ms>
        memory   011_fix_zip    applied <ms>
        2 applied in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn redo_and_goto() {
    let world = World::with_memory(&["001_a", "002_b", "003_c"]);
    world.ok("up");
    assert_snapshot!(world.shows("redo 2"), @r#"
        memory   003_c   reverted <ms>
        memory   002_b   reverted <ms>
        memory   002_b   applied <ms>
        memory   003_c   applied <ms>
        2 reverted, 2 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("goto 1"), @r#"
        memory   003_c   reverted <ms>
        memory   002_b   reverted <ms>
        2 reverted in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("goto 1"), @"already at version 1");
    assert_snapshot!(world.shows("goto 003_c"), @r#"
        memory   002_b   applied <ms>
        memory   003_c   applied <ms>
        2 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("goto 8"), @r#"
        [stderr]
        error: there is no version 8 in memory
        hint: `stepladder status` lists the versions; 0 means none applied
        [exit 2]
        "#);
    assert_snapshot!(world.shows("goto 0"), @r#"
        memory   003_c   reverted <ms>
        memory   002_b   reverted <ms>
        memory   001_a   reverted <ms>
        3 reverted in 1 store · run <run> · <ms>
        "#);
}

#[test]
fn goto_needs_one_store() {
    let world = World::new()
        .file(
            "stepladder.toml",
            "[stores.a]\nkind = \"memory\"\nurl = \"memory:a\"\n[stores.b]\nkind = \"memory\"\nurl = \"memory:b\"\n",
        )
        .pair("a", "001_a")
        .pair("b", "001_b");
    assert_snapshot!(world.shows("goto 1"), @r#"
        [stderr]
        error: `goto` needs one store
        hint: name it: `stepladder goto VERSION -s STORE`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("goto 1 -s b"), @r#"
        b   001_b   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("baseline 1"), @r#"
        [stderr]
        error: `baseline` needs one store
        hint: name it: `stepladder baseline VERSION -s STORE`
        [exit 2]
        "#);
}

#[test]
fn baseline_records_without_running() {
    let world = World::with_memory(&["001_a", "002_b", "003_c"]);
    assert_snapshot!(world.shows("baseline 2"), @r#"
        memory   001_a   baselined
        memory   002_b   baselined
        2 migrations recorded as applied, nothing was run
        "#);
    assert_snapshot!(world.shows("baseline 2"), @"nothing to record: all of it is applied in memory");
    assert_snapshot!(world.shows("baseline 7"), @r#"
        [stderr]
        error: there is no version 7 in memory
        hint: `stepladder status` lists the versions
        [exit 2]
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   2 applied · 1 pending
          001_a   applied   <time>      run <run>   tester@<host>
          002_b   applied   <time>      run <run>   tester@<host>
          003_c   pending
        "#);
    assert!(!world.read("data.json").contains("\"001_a\": \"1\""));
}

#[test]
fn stores_go_side_by_side_and_what_requires_waits() {
    let world = World::new()
        .file(
            "stepladder.toml",
            "[stores.a]\nkind = \"memory\"\nurl = \"memory:a\"\n[stores.b]\nkind = \"memory\"\nurl = \"memory:b\"\n",
        )
        .file("migrations/a/001_first.up.mem", "# stepladder: requires b/1\nset first 1\n")
        .file("migrations/a/001_first.down.mem", "delete first\n")
        .pair("b", "001_before");
    assert_snapshot!(world.shows("status"), @r#"
        a   a   0 applied · 1 pending
          001_first   pending   needs b/1
        b   b   0 applied · 1 pending
          001_before   pending
        "#);
    assert_snapshot!(world.shows("up -s a"), @r#"
        [stderr]
        error: 1 migration depends on what is not applied
          a/001_first needs b/1: it is pending and not part of this run
        hint: apply what is needed first, or leave `-s` out so that all stores go up together
        [exit 3]
        "#);
    assert_snapshot!(world.shows("up"), @r#"
        b   001_before   applied <ms>
        a   001_first    applied <ms>
        2 applied in 2 stores · run <run> · <ms>
        "#);
    assert_snapshot!(world.shows("down -s b"), @r#"
        [stderr]
        error: nothing was rolled back: other migrations need what would go
          a/001_first is applied and needs b/1
        hint: roll those back first, or leave `-s` out so that all stores go down together
        [exit 3]
        "#);
    assert_snapshot!(world.shows("down 2"), @r#"
        a   001_first    reverted <ms>
        b   001_before   reverted <ms>
        2 reverted in 2 stores · run <run> · <ms>
        "#);
}
