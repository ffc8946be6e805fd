//! `up`, `down`, `redo`, `goto` and `baseline`.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn up_applies_in_order_and_a_second_one_does_nothing() {
    let world = World::with_memory(&["001_create_customers", "002_orders"]);
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("up"), @"");
}

#[test]
fn up_stops_where_it_is_told_to() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d"]);
    assert_snapshot!(world.shows("up --to 002_b"), @"");
    assert_snapshot!(world.shows("up --steps 1"), @"");
    assert_snapshot!(world.shows("up --to 17"), @"");
}

#[test]
fn down_goes_back_in_reverse_and_says_when_there_is_nothing() {
    let world = World::with_memory(&["001_a", "002_b", "003_c", "004_d", "005_e"]);
    assert_snapshot!(world.shows("down"), @"");
    world.ok("up");
    assert_snapshot!(world.shows("down"), @"");
    assert_snapshot!(world.shows("down 2"), @"");
    assert_snapshot!(world.shows("down --to 1"), @"");
    assert_snapshot!(world.shows("down --version 9"), @"");
    assert_snapshot!(world.shows("down --run zzzz"), @"");
}

#[test]
fn down_all_wants_a_yes() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up");
    assert_snapshot!(world.shows("down --all"), @"");
    assert_snapshot!(world.shows("down --all --yes"), @"");
}

#[test]
fn down_takes_a_whole_run_back_by_the_end_of_its_id() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    let world = world.pair("memory", "002_b").pair("memory", "003_c");
    let events = world.ok("up --json").events();
    let run = events[0]["run"].as_str().expect("a run").to_owned();
    assert_eq!(run.len(), 16);
    assert_snapshot!(world.shows(&format!("down --run {}", &run[12..])), @"");
}

#[test]
fn down_works_where_the_files_are_gone() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up");
    std::fs::remove_file(world.path("migrations/memory/002_b.up.mem")).expect("removed");
    std::fs::remove_file(world.path("migrations/memory/002_b.down.mem")).expect("removed");
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("down"), @"");
}

#[test]
fn no_way_back_is_said_before_anything_is_rolled_back() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: irreversible the rows are gone\nset b 1\n");
    world.ok("up");
    assert_snapshot!(world.shows("down 2"), @"");
}

#[test]
fn late_migrations_are_refused_unless_asked_for() {
    let world = World::with_memory(&["001_a", "013_m"]);
    world.ok("up");
    let world = world.pair("memory", "009_add_tags").pair("memory", "011_fix_zip");
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("up --out-of-order"), @"");
}

#[test]
fn redo_and_goto() {
    let world = World::with_memory(&["001_a", "002_b", "003_c"]);
    world.ok("up");
    assert_snapshot!(world.shows("redo 2"), @"");
    assert_snapshot!(world.shows("goto 1"), @"");
    assert_snapshot!(world.shows("goto 1"), @"");
    assert_snapshot!(world.shows("goto 003_c"), @"");
    assert_snapshot!(world.shows("goto 8"), @"");
    assert_snapshot!(world.shows("goto 0"), @"");
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
    assert_snapshot!(world.shows("goto 1"), @"");
    assert_snapshot!(world.shows("goto 1 -s b"), @"");
    assert_snapshot!(world.shows("baseline 1"), @"");
}

#[test]
fn baseline_records_without_running() {
    let world = World::with_memory(&["001_a", "002_b", "003_c"]);
    assert_snapshot!(world.shows("baseline 2"), @"");
    assert_snapshot!(world.shows("baseline 2"), @"");
    assert_snapshot!(world.shows("baseline 7"), @"");
    assert_snapshot!(world.shows("status"), @"");
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
    assert_snapshot!(world.shows("status"), @"");
    assert_snapshot!(world.shows("up -s a"), @"");
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("down -s b"), @"");
    assert_snapshot!(world.shows("down 2"), @"");
}
