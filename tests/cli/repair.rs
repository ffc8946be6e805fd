//! `repair`: shows and settles what a run may not decide by itself.

use insta::assert_snapshot;

use crate::world::World;

fn half() -> World {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: no-transaction\nset x 1\nset y 1\nfail boom\nset z 2\n")
        .file("migrations/memory/002_b.down.mem", "# stepladder: no-transaction\ndelete x\ndelete nothing\ndelete y\n");
    assert_eq!(world.run("up").code, 1);
    world
}

#[test]
fn nothing_to_repair() {
    assert_snapshot!(World::with_memory(&["001_a"]).shows("repair"), @"");
}

#[test]
fn a_half_is_listed_and_shown() {
    let world = half();
    assert_snapshot!(world.shows("repair"), @"");
    assert_snapshot!(world.shows("repair memory/2"), @"");
    assert_snapshot!(world.shows("repair memory/9"), @"");
    assert_snapshot!(world.shows("repair nothing/2"), @"");
}

#[test]
fn resuming_runs_the_rest_of_the_corrected_script() {
    let world = half();
    assert_snapshot!(world.shows("repair memory/2 --resume"), @"");
    world.write("migrations/memory/002_b.up.mem", "# stepladder: no-transaction\nset x 1\nset y 1\nset q 3\nset z 2\n");
    assert_snapshot!(world.shows("repair memory/2 --resume"), @"");
    assert_snapshot!(world.shows("repair memory/2 --resume"), @"");
    world.ok("check");
}

#[test]
fn a_half_down_is_resumed_downwards() {
    let world = half();
    world.ok("repair memory/2 --mark applied");
    assert_eq!(world.run("down").code, 1);
    world.write("migrations/memory/002_b.down.mem", "# stepladder: no-transaction\ndelete x\nsay nothing\ndelete y\n");
    assert_snapshot!(world.shows("repair memory/2"), @"");
    assert_snapshot!(world.shows("repair memory/2 --resume"), @"");
    assert_snapshot!(world.shows("status"), @"");
}

#[test]
fn a_persons_word_settles_it() {
    let world = half();
    assert_snapshot!(world.shows("repair 2 --mark applied"), @"");
    world.ok("check");
    let world = half();
    assert_snapshot!(world.shows("repair memory/002_b --mark reverted"), @"");
    assert_snapshot!(world.shows("status"), @"");
    assert_snapshot!(world.shows("history"), @"");
}

#[test]
fn a_program_cannot_be_resumed() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_p.up.sh", "exit 7\n")
        .file("migrations/memory/001_p.down.sh", "true\n");
    assert_eq!(world.run("up").code, 1);
    assert_snapshot!(world.shows("repair memory/1 --resume"), @"");
}

#[test]
fn a_change_is_accepted() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    world.write("migrations/memory/001_a.up.mem", "set 001_a 1\n# a word more\n");
    assert_eq!(world.run("check").code, 3);
    assert_eq!(world.run("repair").code, 3);
    assert_snapshot!(world.shows("repair memory/1 --mark applied"), @"");
    assert_snapshot!(world.shows("repair memory/1 --accept-checksum"), @"");
    world.ok("check");
    world.ok("down");
}

#[test]
fn what_stands_well_is_left_alone() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up --steps 1");
    assert_snapshot!(world.shows("repair memory/1 --mark reverted"), @"");
    assert_snapshot!(world.shows("repair memory/2 --mark applied"), @"");
    assert_snapshot!(world.shows("repair memory/1 --accept-checksum"), @"");
}
