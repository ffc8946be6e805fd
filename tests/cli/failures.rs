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
    assert_snapshot!(world.shows("up"), @r#"
        memory   001_a   applied <ms>
        memory   002_b   applied <ms>
        [stderr]
        error: memory/003_c was rejected at line 3
          migrations/memory/003_c.up.mem:3
            3 | fail 'no such
              | no such
              |    column
          nothing of it was kept: the script ran in one transaction
          applied before it in this run: memory/001_a and memory/002_b
          not begun: 1 further step
        hint: correct the script, then `stepladder up`
        [exit 1]
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   2 applied · 2 pending
          001_a   applied   <time> <ms>   run <run>   tester@<host>
          002_b   applied   <time> <ms>   run <run>   tester@<host>
          003_c   pending
          004_d   pending
        "#);
}

#[test]
fn a_failure_that_left_a_half_refuses_the_next_run() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "# stepladder: no-transaction\nset x 1\nfail boom\nset y 2\n")
        .file("migrations/memory/002_b.down.mem", "delete x\n");
    assert_snapshot!(world.shows("up"), @r#"
        memory   001_a   applied <ms>
        [stderr]
        error: memory/002_b was rejected at line 3
          migrations/memory/002_b.up.mem:3
            3 | fail boom
              | boom
          done and kept: part 1 of 3 (no transaction: the directive at line 1)
          applied before it in this run: memory/001_a
        hint: correct the script from line 3 on, then `stepladder repair memory/2 --resume`
        hint: finished it by hand? `stepladder repair memory/2 --mark applied`
        hint: undid it by hand? `stepladder repair memory/2 --mark reverted`
        [exit 1]
        "#);
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: 1 migration is half-applied and must be settled first
          memory/002_b   1 of 3 parts of its up script done
        hint: `stepladder repair memory/2` shows what is known
        hint: go on where it stopped: `stepladder repair memory/2 --resume`
        hint: finished it by hand? `stepladder repair memory/2 --mark applied`
        hint: undid it by hand? `stepladder repair memory/2 --mark reverted`
        [exit 5]
        "#);
    assert_snapshot!(world.shows("down"), @r#"
        [stderr]
        error: 1 migration is half-applied and must be settled first
          memory/002_b   1 of 3 parts of its up script done
        hint: `stepladder repair memory/2` shows what is known
        hint: go on where it stopped: `stepladder repair memory/2 --resume`
        hint: finished it by hand? `stepladder repair memory/2 --mark applied`
        hint: undid it by hand? `stepladder repair memory/2 --mark reverted`
        [exit 5]
        "#);
    assert_snapshot!(world.shows("check"), @r#"
        memory/002_b   half-applied
        1 finding in 1 store; `stepladder status` shows more
        [exit 3]
        "#);
    assert_snapshot!(world.shows("status"), @r#"
        memory   data.json   1 applied · 1 half-applied
          001_a   applied        <time> <ms>   run <run>   tester@<host>
          002_b   HALF-APPLIED   1 of 3 parts of its up script done   `stepladder repair memory/2`
        "#);
}

#[test]
fn a_down_that_fails_leaves_it_applied() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "set x 1\n")
        .file("migrations/memory/002_b.down.mem", "fail not today\n");
    world.ok("up");
    assert_snapshot!(world.shows("down 2"), @r#"
        [stderr]
        error: the down script of memory/002_b was rejected at line 1
          migrations/memory/002_b.down.mem:1
            1 | fail not today
              | not today
          nothing of it was kept: the script ran in one transaction; it is still applied
          not begun: 1 further step
        hint: correct the script, then `stepladder down`
        [exit 1]
        "#);
    assert_snapshot!(world.shows("current"), @"memory   002_b   <time>   run <run>");
}

#[test]
fn a_program_that_fails_is_half_applied() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_p.up.sh", "echo before\necho 'cannot reach it' >&2\nexit 7\n")
        .file("migrations/memory/001_p.down.sh", "true\n");
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: memory/001_p ended with exit code 7
          migrations/memory/001_p.up.sh
            | cannot reach it
          how much of it was done is not known: it is half-applied now
        hint: finished it by hand? `stepladder repair memory/1 --mark applied`
        hint: undid it by hand? `stepladder repair memory/1 --mark reverted`
        [exit 1]
        "#);
}

#[test]
fn an_interpreter_that_is_missing_is_said_and_nothing_is_begun() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_p.up.py", "print(1)\n")
        .file("migrations/memory/001_p.down.py", "print(1)\n")
        .variable("PATH", "/nowhere");
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: memory/001_p could not be run: `python3` was not found, and migrations/memory/001_p.up.py needs it
          migrations/memory/001_p.up.py
          nothing of it was kept
        [exit 6]
        "#);
    assert_snapshot!(world.shows("check"), @r#"
        memory/001_p   pending
        1 finding in 1 store; `stepladder status` shows more
        [exit 3]
        "#);
}

#[test]
fn warnings_of_pending_files_are_said_and_the_run_goes_on() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "set b 1\n")
        .file("migrations/memory/003_c.up.mem", "")
        .file("migrations/memory/003_c.down.mem", "")
        .file("migrations/memory/notes.mem", "");
    assert_snapshot!(world.shows("up"), @r#"
        memory   001_a   applied <ms>
        memory   002_b   applied <ms>
        memory   003_c   applied <ms>
        3 applied in 1 store · run <run> · <ms>
        [stderr]
        warning: migrations/memory/002_b.up.mem has no down script
        warning: migrations/memory/003_c.down.mem is empty: it will count as done without doing anything
        warning: migrations/memory/003_c.up.mem is empty: it will count as done without doing anything
        warning: migrations/memory/notes.mem is not a migration: expected NNN_name.up.EXT or NNN_name.down.EXT
        "#);
}

#[test]
fn broken_files_keep_everything_from_running() {
    let world = World::with_memory(&["001_a"]).file("migrations/memory/002_b.up.mem", "# stepladder: require x/1\n");
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: nothing was run: 1 error in the files
          migrations/memory/002_b.up.mem:1   unknown directive `require`
        hint: did you mean `requires`? The directives are `no-transaction`, `irreversible`, `requires`, `timeout`, `only-env`
        hint: `stepladder validate` shows everything that is wrong
        [exit 3]
        "#);
    assert!(!world.has("data.json"));
}

/// Files of this moment are read again before they run, older ones only where something about them has changed.
#[test]
fn a_file_that_changes_during_a_run_is_not_run() {
    for age in [Duration::ZERO, Duration::from_millis(3100)] {
        let world = World::new()
            .file("stepladder.toml", "require_down = false\n[stores.memory]\nurl = \"memory:data.json\"\n[stores.other]\nkind = \"memory\"\nurl = \"memory:other.json\"\n")
            .file("migrations/memory/001_edit.up.sh", "sed -i 's/set a/set b/' migrations/other/001_a.up.mem\n")
            .file("migrations/other/001_a.up.mem", "# stepladder: requires memory/1\nset a 1\n");
        std::thread::sleep(age);
        let said = world.run("up");
        let changed = "other/001_a could not be run: migrations/other/001_a.up.mem has changed since the run began; it was not run";
        let ways = "hint: run the command again, and it is planned with the file as it is now";
        let told = said.stderr.contains(changed) && said.stderr.contains(ways);
        assert!(said.code == 1 && told && said.stdout.contains("001_edit   applied"), "{}", said.all());
        assert!(world.ok("up").stdout.contains("other   001_a   applied"));
    }
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
    assert_snapshot!(said.all(), @r#"
        memory   001_a   applied <ms>
        [stderr]
        error: memory/002_b was interrupted at line 1
          migrations/memory/002_b.up.mem:1
            1 | sleep 60s
          nothing of it was kept: the script ran in one transaction
          applied before it in this run: memory/001_a
          not begun: 1 further step
        hint: `stepladder up` goes on from here
        [exit 130]
        "#);
    assert_snapshot!(world.shows("lock"), @"memory   free");
    assert!(world.ok("current").stdout.contains("001_a"));
}
