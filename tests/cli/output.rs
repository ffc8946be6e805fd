//! Pipes and colours.

use std::io::Read;
use std::process::Stdio;

use crate::world::World;

const ESCAPE: char = '\u{1b}';

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let names: Vec<String> = (1..=40).map(|n| format!("{n:03}_migration_with_a_longer_name")).collect();
    let world = World::with_memory(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for line in ["status", "up", "history", "validate", "completions bash", "man", "--help", "up --json"] {
        let mut child = world.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        drop(child.stdout.take());
        let mut stderr = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
        let status = child.wait().expect("an end");
        assert!(!stderr.contains("panicked"), "{line}: {stderr}");
        assert_eq!(status.code(), Some(0), "{line}: {stderr}");
    }
    // The run went on to its end although nobody read of it.
    world.ok("check");
}

#[test]
fn colours_follow_the_flag_and_the_environment() {
    let plain = World::with_memory(&["001_a"]);
    assert!(!plain.ok("status").stdout.contains(ESCAPE), "no terminal, no colours");
    assert!(plain.ok("status --color always").stdout.contains(ESCAPE));
    let forced = World::with_memory(&["001_a"]).variable("CLICOLOR_FORCE", "1");
    assert!(forced.ok("status").stdout.contains(ESCAPE));
    assert!(!forced.ok("status --color never").stdout.contains(ESCAPE));
    let forced_zero = World::with_memory(&["001_a"]).variable("CLICOLOR_FORCE", "0");
    assert!(!forced_zero.ok("status").stdout.contains(ESCAPE));
    let none = World::with_memory(&["001_a"]).variable("NO_COLOR", "1").variable("CLICOLOR_FORCE", "1");
    assert!(!none.ok("status").stdout.contains(ESCAPE));
    assert!(none.ok("status --color always").stdout.contains(ESCAPE));
}

#[test]
fn quiet_prints_errors_only() {
    let world = World::with_memory(&["001_a"]).file("migrations/memory/002_b.up.mem", "fail boom\n");
    assert_eq!(world.run("status -q").all(), "");
    let said = world.run("up -q");
    assert!(said.stdout.is_empty());
    assert!(said.stderr.starts_with("error: memory/002_b was rejected at line 1\n"), "{}", said.stderr);
}

#[test]
fn verbose_shows_what_scripts_say() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_a.up.mem", "say hello there\n")
        .file("migrations/memory/001_a.down.mem", "say bye\n");
    assert!(!world.ok("up").stderr.contains("hello"));
    assert_eq!(world.ok("down -v").stderr, "memory/001_a: bye\n");
}
