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
    assert_snapshot!(World::with_memory(&["001_a"]).shows("repair"), @"nothing needs repair in 1 store");
}

#[test]
fn a_half_is_listed_and_shown() {
    let world = half();
    assert_snapshot!(world.shows("repair"), @r#"
        memory/002_b   half-applied   2 of 4 parts of its up script done
        1 migration needs repair; `stepladder repair STORE/VERSION` shows the ways out
        [exit 3]
        "#);
    assert_snapshot!(world.shows("repair memory/2"), @r#"
        memory/002_b   half-applied
          2 of 4 parts of its up script done
          last event: failed at <time> by tester@<host> in run <run>
          the client said:
            boom
          migrations/memory/002_b.up.mem
        hint: go on where it stopped: `stepladder repair memory/2 --resume`
        hint: finished it by hand? `stepladder repair memory/2 --mark applied`
        hint: undid it by hand? `stepladder repair memory/2 --mark reverted`
        "#);
    assert_snapshot!(world.shows("repair memory/9"), @r#"
        [stderr]
        error: there is no version 9 in memory
        hint: `stepladder status` lists the versions
        [exit 2]
        "#);
    assert_snapshot!(world.shows("repair nothing/2"), @r#"
        [stderr]
        error: there is no store `nothing`
        hint: the stores are `memory`
        [exit 2]
        "#);
}

#[test]
fn resuming_runs_the_rest_of_the_corrected_script() {
    let world = half();
    assert_snapshot!(world.shows("repair memory/2 --resume"), @r#"
        [stderr]
        error: memory/002_b was rejected at line 4
          migrations/memory/002_b.up.mem:4
            4 | fail boom
              | boom
          done and kept: parts 1 and 2 of 4 (no transaction: the directive at line 1)
        hint: correct the script from line 4 on, then `stepladder repair memory/2 --resume`
        hint: finished it by hand? `stepladder repair memory/2 --mark applied`
        hint: undid it by hand? `stepladder repair memory/2 --mark reverted`
        [exit 1]
        "#);
    world.write("migrations/memory/002_b.up.mem", "# stepladder: no-transaction\nset x 1\nset y 1\nset q 3\nset z 2\n");
    assert_snapshot!(world.shows("repair memory/2 --resume"), @r#"
        memory   002_b   applied <ms>
        1 applied in 1 store · run <run> · <ms>
        [stderr]
        warning: memory/002_b: the script has changed since it was begun; its rest is run as it is now
        "#);
    assert_snapshot!(world.shows("repair memory/2 --resume"), @r#"
        [stderr]
        error: memory/2 is not half-applied, so there is nothing to resume
        hint: `stepladder repair` lists what needs repair
        [exit 2]
        "#);
    world.ok("check");
}

#[test]
fn a_half_down_is_resumed_downwards() {
    let world = half();
    world.ok("repair memory/2 --mark applied");
    assert_eq!(world.run("down").code, 1);
    world.write("migrations/memory/002_b.down.mem", "# stepladder: no-transaction\ndelete x\nsay nothing\ndelete y\n");
    assert_snapshot!(world.shows("repair memory/2"), @r#"
        memory/002_b   half-applied
          1 of 3 parts of its down script done
          last event: failed at <time> by tester@<host> in run <run>
          the client said:
            there is no key `nothing`
          migrations/memory/002_b.down.mem
        hint: go on where it stopped: `stepladder repair memory/2 --resume`
        hint: finished it by hand? `stepladder repair memory/2 --mark applied`
        hint: undid it by hand? `stepladder repair memory/2 --mark reverted`
        "#);
    assert_snapshot!(world.shows("repair memory/2 --resume"), @r#"
        memory   002_b   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        [stderr]
        warning: memory/002_b: migrations/memory/002_b.down.mem is not the down script that was recorded when it was applied
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   1 applied · 1 pending
          001_a   applied   <time> <ms>   run <run>   tester@<host>
          002_b   pending
        "#);
}

#[test]
fn a_persons_word_settles_it() {
    let world = half();
    assert_snapshot!(world.shows("repair 2 --mark applied"), @"memory/002_b is recorded as applied now");
    world.ok("check");
    let world = half();
    assert_snapshot!(world.shows("repair memory/002_b --mark reverted"), @"memory/002_b is recorded as reverted now");
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   1 applied · 1 pending
          001_a   applied   <time> <ms>   run <run>   tester@<host>
          002_b   pending
        "#);
    assert_snapshot!(world.shows("history"), @r#"
        <time>   memory   001_a   applied <ms>   run <run>   tester@<host>
        <time>   memory   002_b   up begun                     run <run>   tester@<host>
        <time>   memory   002_b   up failed                    run <run>   tester@<host>   boom
        <time>   memory   002_b   settled as reverted          run <run>   tester@<host>   marked as reverted
        "#);
}

#[test]
fn a_program_cannot_be_resumed() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_p.up.sh", "exit 7\n")
        .file("migrations/memory/001_p.down.sh", "true\n");
    assert_eq!(world.run("up").code, 1);
    assert_snapshot!(world.shows("repair memory/1 --resume"), @r#"
        [stderr]
        error: memory/001_p cannot be resumed: how much of it is done is not known
        hint: finished it by hand? `stepladder repair memory/1 --mark applied`
        hint: undid it by hand? `stepladder repair memory/1 --mark reverted`
        [exit 5]
        "#);
}

#[test]
fn a_change_is_accepted() {
    let world = World::with_memory(&["001_a"]);
    world.ok("up");
    world.write("migrations/memory/001_a.up.mem", "set 001_a 1\n# a word more\n");
    assert_eq!(world.run("check").code, 3);
    assert_eq!(world.run("repair").code, 3);
    assert_snapshot!(world.shows("repair memory/1 --mark applied"), @r#"
        [stderr]
        error: memory/001_a is applied, and its file has changed
        hint: take the file as it is now: `stepladder repair memory/1 --accept-checksum`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("repair memory/1 --accept-checksum"), @"memory/001_a is recorded with its file as it is now");
    world.ok("check");
    world.ok("down");
}

#[test]
fn what_stands_well_is_left_alone() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up --steps 1");
    assert_snapshot!(world.shows("repair memory/1 --mark reverted"), @r#"
        [stderr]
        error: memory/001_a is applied and needs no repair
        hint: `stepladder repair` lists what does
        [exit 2]
        "#);
    assert_snapshot!(world.shows("repair memory/2 --mark applied"), @r#"
        [stderr]
        error: memory/002_b is pending, so there is nothing to settle
        hint: it is in the store already? `stepladder baseline 2 -s memory`
        [exit 2]
        "#);
    assert_snapshot!(world.shows("repair memory/1 --accept-checksum"), @r#"
        [stderr]
        error: memory/001_a is applied and needs no repair
        hint: `stepladder repair` lists what does
        [exit 2]
        "#);
}
