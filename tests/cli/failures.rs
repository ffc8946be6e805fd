//! Failures: what happened, where, what state the store is in, and what to do next.

use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::world::{Said, World};

#[test]
fn a_failure_that_left_nothing_behind() {
    let world = World::with_memory(&["001_a", "002_b"])
        .file("migrations/memory/003_c.up.mem", "set x 1\n\nfail 'no such\n   column'\nset y 2\n")
        .file("migrations/memory/003_c.down.mem", "delete x\n")
        .pair("memory", "004_d");
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("status"), @"");
}

#[test]
fn a_failure_that_left_a_half_refuses_the_next_run() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: no-transaction\nset x 1\nfail boom\nset y 2\n")
        .file("migrations/memory/002_b.down.mem", "delete x\n");
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("up"), @"");
    assert_snapshot!(world.shows("down"), @"");
    assert_snapshot!(world.shows("check"), @"");
    assert_snapshot!(world.shows("status"), @"");
}

#[test]
fn a_down_that_fails_leaves_it_applied() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "set x 1\n")
        .file("migrations/memory/002_b.down.mem", "fail not today\n");
    world.ok("up");
    assert_snapshot!(world.shows("down 2"), @"");
    assert_snapshot!(world.shows("current"), @"");
}

#[test]
fn a_program_that_fails_is_half_applied() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_p.up.sh", "echo before\necho 'cannot reach it' >&2\nexit 7\n")
        .file("migrations/memory/001_p.down.sh", "true\n");
    assert_snapshot!(world.shows("up"), @"");
}

#[test]
fn warnings_of_pending_files_are_said_and_the_run_goes_on() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "set b 1\n")
        .file("migrations/memory/003_c.up.mem", "")
        .file("migrations/memory/003_c.down.mem", "")
        .file("migrations/memory/notes.mem", "");
    assert_snapshot!(world.shows("up"), @"");
}

#[test]
fn broken_files_keep_everything_from_running() {
    let world = World::with_memory(&["001_a"]).file("migrations/memory/002_b.up.mem", "# stepladder: require x/1\n");
    assert_snapshot!(world.shows("up"), @"");
    assert!(!world.has("data.json"));
}

#[test]
fn an_interrupt_ends_the_run_with_130() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "sleep 60s\n")
        .file("migrations/memory/002_b.down.mem", "sleep 1ms\n")
        .pair("memory", "003_c");
    let child = world.command("up").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let until = Instant::now() + Duration::from_secs(20);
    while !world.run("current").stdout.contains("001_a") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(100));
    let pid = i32::try_from(child.id()).expect("a pid");
    // SAFETY: the process is our own child and has not been waited for.
    unsafe { libc::kill(pid, libc::SIGINT) };
    let said = Said::new(&child.wait_with_output().expect("an end"), &world.path(""));
    assert_snapshot!(said.all(), @"");
    assert_snapshot!(world.shows("lock"), @"");
    assert_eq!(world.ok("current").stdout.contains("001_a"), true);
}
