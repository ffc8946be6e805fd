//! Leases of the dead and of the living.

use std::thread;
use std::time::{Duration, Instant};

use crate::project::{Fresh, Project};

const SECOND: Duration = Duration::from_secs(1);

pub fn dead_and_alive(fresh: &Fresh) {
    renewed(fresh);
    taken_over_at_once(fresh);
    expires(fresh);
}

fn slow(project: &Project, time: Duration) {
    let script = [project.subject.sleep(time), project.subject.create("slow")];
    project.pair("001_slow", &script, &[project.subject.remove("slow")]);
}

/// A living holder's lease outlasts its length many times, in a transaction and in parts.
fn renewed(fresh: &Fresh) {
    for directive in ["", "no-transaction"] {
        let project = fresh.with("lease = \"1s\"");
        slow(&project, 7 * SECOND);
        if !directive.is_empty() {
            let script = project.world.read(project.up_path("001_slow"));
            project.world.write(project.up_path("001_slow"), project.directive(directive) + "\n" + &script);
        }
        let mut holder = project.spawn_holding("up");
        let began = Instant::now();
        let mut refused = Duration::ZERO;
        while refused < 4 * SECOND && !holder.has_ended() {
            let output = project.run("up");
            if holder.has_ended() {
                break;
            }
            output.expect(4);
            refused = began.elapsed();
            thread::sleep(SECOND / 4);
        }
        assert!(refused > 3 * SECOND, "it held its lease for {refused:?} only");
        holder.wait().expect(0);
        assert_eq!(project.subject.things(), ["slow"]);
        assert_eq!(project.done("up"), ["001_slow"]);
    }
}

/// A holder that was a process of this host and is gone is not waited for.
fn taken_over_at_once(fresh: &Fresh) {
    let project = fresh.with("lease = \"60s\"");
    slow(&project, 60 * SECOND);
    project.spawn_holding("up").kill9();
    assert!(project.subject.lease_pid().is_some(), "the dead one's lease should still be there");
    project.thing("001_slow", "slow");
    goes_on(&project, "up --wait-lock 10s");
    assert_eq!(project.subject.things(), ["slow"]);
    let unlocked = project.subject.ledger().iter().filter(|(event, ..)| event == "unlocked").count();
    assert_eq!(unlocked, 1, "the ledger does not say that the lease was taken over");
}

/// A holder on another host may live: its lease has to expire.
fn expires(fresh: &Fresh) {
    let project = fresh.with("lease = \"4s\"");
    slow(&project, 60 * SECOND);
    project.spawn_holding("up").kill9();
    project.subject.move_lease_elsewhere();
    project.thing("001_slow", "slow");
    project.run("up").expect(4).says("elsewhere");
    assert_eq!(project.subject.things(), Vec::<String>::new());
    let began = Instant::now();
    goes_on(&project, "up --wait-lock 30s");
    assert!(began.elapsed() < 15 * SECOND, "it waited for {:?}", began.elapsed());
    assert_eq!(project.subject.things(), ["slow"]);
}

/// The next run after a dead one. Where the store cannot take a script back it finds a half, which has to be settled.
fn goes_on(project: &Project, up: &str) {
    if project.subject.card().is_atomic() {
        project.run(up).expect(0);
        return;
    }
    let output = project.run(up);
    // A client that starts slowly may have been killed before its script had begun: the old state.
    if output.code == 0 {
        return;
    }
    output.expect(5).says("001_slow");
    project.run("repair main/1 --mark reverted").expect(0);
    project.run("up").expect(0);
}
