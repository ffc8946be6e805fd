//! `lock`, `unlock` and waiting for a lease.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::world::World;

/// A project with a run at work in it that sleeps until it is ended.
fn at_work(sleep: &str) -> (World, Child) {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_slow.up.mem", format!("sleep {sleep}\n"))
        .file("migrations/memory/001_slow.down.mem", "say done\n");
    let child = world.command("up").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    let until = Instant::now() + Duration::from_secs(20);
    while world.run("lock").stdout.contains("free") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    (world, child)
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn the_holder_is_named_and_its_lease_is_not_released() {
    let (world, child) = at_work("60s");
    let said = world.run("up");
    assert_eq!(said.code, 4);
    assert!(
        said.all().starts_with("[stderr]\nerror: memory is being migrated by tester@<host> (pid <pid>) since <clock>")
    );
    assert!(said.stderr.contains("hint: wait for it with `--wait-lock 60s`; `stepladder lock` shows more"));
    assert!(world.shows("lock").contains("memory   held by tester@<host> (pid <pid>) · run <run> · since <clock>"));
    let unlock = world.run("unlock");
    assert_eq!(unlock.code, 4);
    assert!(unlock.stderr.contains("`stepladder unlock -s memory --force`"));
    end(child);
    // Its process is gone: the next look sees that, without waiting for the lease to expire.
    assert!(world.shows("lock").contains("its process is gone"));
    assert_snapshot!(world.shows("unlock"), @"memory   released the lease of tester@<host> (pid <pid>)");
    assert_snapshot!(world.shows("unlock"), @"memory   free, nothing to release");
}

#[test]
fn a_live_one_can_be_released_by_force() {
    let (world, child) = at_work("60s");
    assert_snapshot!(world.shows("unlock --force"), @"memory   released the lease of tester@<host> (pid <pid>)");
    assert_snapshot!(world.shows("lock"), @"memory   free");
    end(child);
}

#[test]
fn a_lease_is_waited_for() {
    let (world, child) = at_work("1500ms");
    let said = world.run("up --wait-lock 30s");
    assert_eq!(said.code, 0, "{}", said.all());
    assert!(said.stderr.starts_with("waiting for memory: tester@"), "{}", said.all());
    assert!(said.stdout.contains("nothing pending in 1 store") || said.stdout.contains("001_slow"), "{}", said.all());
    end(child);
}
