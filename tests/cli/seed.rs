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
    assert_snapshot!(world.shows("seed"), @r#"
        memory   001_base      seeded <ms>
        memory   002_more      seeded <ms>
        memory   010_program   seeded <ms>
        3 seeded in 1 store · run <run> · <ms>
        "#);
    assert!(world.read("seen").starts_with("memory memory:"));
    assert_snapshot!(world.shows("history"), @"no events yet");
    world.ok("seed");
}

#[test]
fn none_is_no_failure() {
    assert_snapshot!(World::with_memory(&["001_a"]).shows("seed"), @"no seed scripts in seeds/");
}

#[test]
fn a_seed_that_fails_stops_the_others() {
    let world = World::with_memory(&["001_a"])
        .file("seeds/memory/001_base.mem", "set log one\n")
        .file("seeds/memory/002_bad.mem", "set other 1\nfail boom\n")
        .file("seeds/memory/003_never.mem", "set never 1\n");
    assert_snapshot!(world.shows("seed"), @r#"
        memory   001_base    seeded <ms>
        [stderr]
        error: seeds/memory/002_bad.mem was rejected at line 2
          seeds/memory/002_bad.mem:2
            2 | fail boom
              | boom
          nothing of it was kept
          seeded before it in this run: memory/001_base
          not begun: 1 further step
        hint: correct the script, then `stepladder seed`
        [exit 1]
        "#);
}

#[test]
fn files_that_are_no_seeds_are_named() {
    let world = World::with_memory(&["001_a"])
        .file("seeds/memory/001_base.mem", "set log one\n")
        .file("seeds/memory/base.mem", "set log one\n");
    assert_snapshot!(world.shows("seed"), @r#"
        memory   001_base   seeded <ms>
        1 seeded in 1 store · run <run> · <ms>
        [stderr]
        warning: seeds/memory/base.mem is not a seed script: expected NNN_name.EXT
        "#);
    let world = world.file("seeds/memory/002_x.sql", "select 1;\n");
    assert_snapshot!(world.shows("seed"), @r#"
        [stderr]
        error: nothing was run: there are errors in the seed scripts
          seeds/memory/002_x.sql has the extension .sql, which Memory does not run
          seeds/memory/base.mem is not a seed script: expected NNN_name.EXT
        hint: Memory runs .mem, .sh and .py
        [exit 3]
        "#);
}

#[test]
fn its_events_are_json() {
    let world = World::with_memory(&["001_a"]).file("seeds/memory/001_base.mem", "set log one\n");
    let events = world.ok("seed --json").events();
    let names: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(names, ["planned", "seed_started", "seed_done", "run_done"]);
    assert_eq!(events[3]["seeded"], 1);
}
