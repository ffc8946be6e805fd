//! `seed`: scripts in order, without entries.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn seeds_run_in_order_each_time() {
    let world = World::with_memory(&["001_a"])
        .file("seeds/memory/002_more.mem", "append log two\n")
        .file("seeds/memory/001_base.mem", "set log one\n")
        .file("seeds/memory/010_program.sh", "echo $STEPLADDER_STORE $MEMORY_URL > seen\n")
        .file("seeds/memory/README.md", "words\n");
    assert_snapshot!(world.shows("seed"), @"");
    assert!(world.read("seen").starts_with("memory memory:"));
    assert_snapshot!(world.shows("history"), @"");
    world.ok("seed");
}

#[test]
fn none_is_no_failure() {
    assert_snapshot!(World::with_memory(&["001_a"]).shows("seed"), @"");
}

#[test]
fn a_seed_that_fails_stops_the_others() {
    let world = World::with_memory(&["001_a"])
        .file("seeds/memory/001_base.mem", "set log one\n")
        .file("seeds/memory/002_bad.mem", "set other 1\nfail boom\n")
        .file("seeds/memory/003_never.mem", "set never 1\n");
    assert_snapshot!(world.shows("seed"), @"");
}

#[test]
fn files_that_are_no_seeds_are_named() {
    let world = World::with_memory(&["001_a"])
        .file("seeds/memory/001_base.mem", "set log one\n")
        .file("seeds/memory/base.mem", "set log one\n");
    assert_snapshot!(world.shows("seed"), @"");
    let world = world.file("seeds/memory/002_x.sql", "select 1;\n");
    assert_snapshot!(world.shows("seed"), @"");
}

#[test]
fn its_events_are_json() {
    let world = World::with_memory(&["001_a"]).file("seeds/memory/001_base.mem", "set log one\n");
    let events = world.ok("seed --json").events();
    let names: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(names, ["planned", "seed_started", "seed_done", "run_done"]);
    assert_eq!(events[3]["seeded"], 1);
}
