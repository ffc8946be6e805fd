//! `generate`: the next number, both files, never over another one.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn numbers_and_names() {
    let world = World::with_memory(&["001_a", "007_b"]);
    assert_snapshot!(world.shows("generate memory \"Add user preferences\""), @r#"
        created  migrations/memory/008_add_user_preferences.up.mem
        created  migrations/memory/008_add_user_preferences.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    assert_snapshot!(world.shows("generate memory AddTotals"), @r#"
        created  migrations/memory/009_add_totals.up.mem
        created  migrations/memory/009_add_totals.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    assert_snapshot!(world.shows("generate memory '  Ünïcode, really?! '"), @r#"
        created  migrations/memory/010_ünïcode_really.up.mem
        created  migrations/memory/010_ünïcode_really.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    assert_snapshot!(world.shows("generate memory '///'"), @r#"
        [stderr]
        error: `///` holds no letter and no digit, so it makes no name
        [exit 2]
        "#);
}

#[test]
fn a_folder_that_is_missing_is_made() {
    let world = World::new();
    assert_snapshot!(world.shows("generate memory first"), @r#"
        created  migrations/memory/001_first.up.mem
        created  migrations/memory/001_first.down.mem
        next: edit both, then `stepladder up --dry-run`
        "#);
    assert!(world.has("migrations/memory/001_first.down.mem"));
}

#[test]
fn padding_is_the_folders() {
    let world = World::with_memory(&["000041_a"]);
    assert!(world.ok("generate memory b").stdout.contains("000042_b.up.mem"));
    let world = World::with_memory(&["9_a"]);
    assert!(world.ok("generate memory b").stdout.contains("memory/10_b.up.mem"));
    let world = World::with_memory(&["99999999999999999999999999999999_a"]);
    assert_snapshot!(world.shows("generate memory b"), @r#"
        [stderr]
        error: there is no number after 99999999999999999999999999999999: a version has at most 32 digits
        [exit 2]
        "#);
}

#[test]
fn timestamps_are_fourteen_digits() {
    let world = World::with_memory(&["001_a"]);
    let created = world.ok("generate memory b --timestamp --json").json();
    let name = created["migration"].as_str().expect("a name").to_owned();
    assert_eq!(name.len(), "20260714093000_b".len(), "{name}");
    let next = world.ok("generate memory c --json").json();
    assert!(next["migration"].as_str().expect("a name") > name.as_str());
}

#[test]
fn unknown_stores_and_templates_are_named() {
    let world = World::with_memory(&["001_a"]);
    let said = world.run("generate memroy b");
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("hint: did you mean `memory`?"), "{}", said.stderr);
    let said = world.run("generate memory b --template tabel");
    assert_eq!(said.code, 2);
    assert!(said.stderr.starts_with("error: there is no template `tabel` for Memory\n"), "{}", said.stderr);
    assert_eq!(world.run("generate").code, 2);
    assert_eq!(world.run("generate memory a -s other").code, 2);
}

#[test]
fn names_that_no_file_can_have_are_refused_before_anything_is_written() {
    let world = World::with_memory(&["001_a"]);
    let before = world.snapshot();
    let said = world.run(&format!("generate memory {}", "x".repeat(244)));
    assert_eq!(said.code, 2);
    assert!(said.stderr.starts_with("error: the name makes a file name of 257 bytes"), "{}", said.stderr);
    assert_eq!(world.snapshot(), before);
}

#[test]
fn what_it_writes_goes_up_and_down() {
    let world = World::new().variable("MEMORY_URL", "memory:data.json");
    world.ok("generate memory first");
    world.ok("generate memory second");
    world.ok("validate");
    world.ok("up");
    world.ok("down 2");
}
