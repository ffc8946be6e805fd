//! Leases between processes that live.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::until;
use crate::project::{Fresh, Project};

const SECOND: Duration = Duration::from_secs(1);

pub fn two_processes(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    project.run("up").expect(0);
    let slow = [project.subject.sleep(8 * SECOND), project.subject.note("once")];
    project.pair("002_slow", &slow, &[project.subject.comment("nothing")]);
    let first = project.spawn_holding("up");
    let pid = format!("pid {}", first.pid());
    let began = Instant::now();
    for command in ["up", "down", "baseline 2 -s main", "fresh --yes"] {
        project.run(command).expect(4).says("tester@").says(&pid).says("--wait-lock");
    }
    project.run("lock").expect(0).says("tester@").says(&pid);
    let looks = project.run("status");
    assert_eq!(looks.code, 0, "looking needs no lease: {looks}");
    assert!(began.elapsed() < 30 * SECOND, "being told took {:?}", began.elapsed());
    first.wait().expect(0);
    assert_eq!(project.subject.notes(), ["once"]);
    assert_eq!(project.done("up"), ["001_notes", "002_slow"]);
    project.run("lock").expect(0).says("free");
}

pub fn five_racers(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    for (label, word) in [("002_a", "a"), ("003_b", "b"), ("004_c", "c"), ("005_d", "d")] {
        project.noting(label, word);
    }
    // The ledger does not exist yet: making it is part of the race.
    let racers: Vec<_> = (0..5).map(|_| project.spawn("up --wait-lock 60s")).collect();
    for racer in racers {
        racer.wait().expect(0);
    }
    assert_eq!(project.subject.notes(), ["a", "b", "c", "d"]);
    assert_eq!(project.done("up").len(), 5, "{:?}", project.subject.ledger());
    assert_eq!(project.subject.lease_pid(), None);

    let racers: Vec<_> = (0..5).map(|_| project.spawn("down --wait-lock 60s")).collect();
    for racer in racers {
        let output = racer.wait();
        assert!([0, 1].contains(&output.code), "{output}");
    }
    let notes = project.subject.notes();
    let mut backs: Vec<&String> = notes.iter().skip(4).collect();
    backs.dedup();
    assert_eq!(backs.len(), notes.len() - 4, "a script ran twice: {notes:?}");
}

pub fn lost_lease(fresh: &Fresh) {
    stolen_from_a_program(fresh);
    ended_by_the_heartbeat(fresh);
    for steal in [Steal::Give, Steal::Delete] {
        let project = fresh.project();
        if project.subject.lets_meddle() {
            stolen_in_a_transaction(&project, steal);
            stolen_between_parts(fresh, steal);
        }
    }
}

#[derive(Clone, Copy)]
enum Steal {
    Give,
    Delete,
}

impl Steal {
    fn from(self, project: &Project) {
        match self {
            Self::Give => project.subject.give_lease_away(600 * SECOND),
            Self::Delete => project.subject.delete_lease(),
        }
    }
}

fn assert_lost(project: &Project, running: crate::common::Running) {
    let output = running.wait();
    assert_eq!(output.code, 1, "a run that lost its lease should have failed: {output}");
    assert!(output.all().contains("lease"), "it should say that its lease is gone: {output}");
    let written: Vec<_> = project.subject.ledger().into_iter().filter(|(e, ..)| e == "done").collect();
    assert_eq!(written.len(), 1, "it wrote without a lease: {written:?}\n{output}");
}

/// A script that is one transaction with its entry: not even the script may stay.
fn stolen_in_a_transaction(project: &Project, steal: Steal) {
    project.notebook();
    project.run("up").expect(0);
    // Once the entry is refused before the heartbeat has noticed, once the heartbeat comes first.
    let length = if matches!(steal, Steal::Give) { 3 } else { 8 };
    let script = [project.subject.note("lost"), project.subject.sleep(length * SECOND)];
    project.pair("002_slow", &script, &[project.subject.comment("nothing")]);
    project.noting("003_next", "next");
    let running = project.spawn_holding("up");
    thread::sleep(SECOND);
    steal.from(project);
    assert_lost(project, running);
    if project.subject.card().is_atomic() {
        assert_eq!(project.subject.notes(), Vec::<String>::new());
    }
}

/// A script in parts: it stays begun, and the next script does not start.
fn stolen_between_parts(fresh: &Fresh, steal: Steal) {
    let project = fresh.project();
    project.notebook();
    project.run("up").expect(0);
    let subject = &project.subject;
    let script = [project.directive("no-transaction"), subject.note("a"), subject.sleep(8 * SECOND), subject.note("b")];
    project.pair("002_slow", &script, &[subject.comment("nothing")]);
    project.noting("003_next", "next");
    let running = project.spawn_holding("up");
    assert!(until(20 * SECOND, || subject.notes() == ["a"]), "{}", running.so_far());
    thread::sleep(SECOND);
    steal.from(&project);
    assert_lost(&project, running);
    let notes = project.subject.notes();
    assert!(!notes.contains(&"next".to_owned()), "it went on without a lease: {notes:?}");
    subject.delete_lease();
    assert_eq!(project.standing("002_slow"), "half-applied");
    project.run("up").expect(5);
}

/// A program knows nothing of leases, but its entry cannot be written and nothing runs after it.
fn stolen_from_a_program(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    project.run("up").expect(0);
    project.world.write("migrations/main/002_slow.up.sh", "sleep 6\n");
    project.world.write("migrations/main/002_slow.down.sh", "true\n");
    project.noting("003_next", "next");
    let running = project.spawn_holding("up");
    thread::sleep(SECOND);
    project.subject.give_lease_away(600 * SECOND);
    assert_lost(&project, running);
    assert_eq!(project.subject.notes(), Vec::<String>::new());
}

/// With a short lease the heartbeat sees it long before the script would have come to its end.
fn ended_by_the_heartbeat(fresh: &Fresh) {
    let project = fresh.with("lease = \"1s\"");
    project.notebook();
    project.run("up").expect(0);
    project.world.write("migrations/main/002_slow.up.sh", "sleep 60\n");
    project.world.write("migrations/main/002_slow.down.sh", "true\n");
    let running = project.spawn_holding("up");
    thread::sleep(SECOND);
    let began = Instant::now();
    project.subject.give_lease_away(600 * SECOND);
    assert_lost(&project, running);
    assert!(began.elapsed() < 20 * SECOND, "it went on for {:?} without a lease", began.elapsed());
}
