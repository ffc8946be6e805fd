//! Looking: it creates nothing, refuses what it does not know, and finds what has changed.

use crate::project::{Fresh, Project};

/// Each with the exit codes that are fine where something is pending.
const LOOKS: [(&str, &[i32]); 13] = [
    ("status", &[0]),
    ("status --json", &[0]),
    ("check", &[0, 3]),
    ("history", &[0]),
    ("current", &[0]),
    ("validate", &[0]),
    ("doctor", &[0]),
    ("lock", &[0]),
    ("wait --timeout 5s", &[0]),
    ("up --dry-run", &[0]),
    ("up --dry-run --offline", &[0]),
    ("down --all --dry-run", &[0]),
    ("fresh --dry-run", &[0]),
];

pub fn creates_nothing(fresh: &Fresh) {
    let project = fresh.project();
    project.thing("001_one", "thing_1");
    project.thing("002_two", "thing_2");
    looks(&project, "an empty store");
    assert_eq!(project.subject.ledger(), []);
    assert_eq!(project.subject.lease_pid(), None);

    project.run("up --steps 1").expect(0);
    looks(&project, "a store with a ledger");
}

fn looks(project: &Project, what: &str) {
    let before = project.subject.picture();
    for (look, codes) in LOOKS {
        let output = project.run(look);
        assert!(codes.contains(&output.code), "`{look}` on {what}: {output}");
        assert_eq!(project.subject.picture(), before, "`{look}` changed {what}");
    }
}

pub fn newer_ledger(fresh: &Fresh) {
    let project = fresh.project();
    project.thing("001_one", "thing_1");
    project.thing("002_two", "thing_2");
    project.run("up --steps 1").expect(0);
    project.subject.raise_format();
    let before = project.subject.picture();
    for command in
        ["up", "down", "check", "history", "fresh --yes", "baseline 2 -s main", "repair main/1 --mark applied"]
    {
        let output = project.run(command);
        assert_ne!(output.code, 0, "`{command}` should have been refused: {output}");
        assert!(output.all().contains("newer"), "`{command}` should say that the ledger is newer: {output}");
        assert_eq!(project.subject.picture(), before, "`{command}` wrote into a newer ledger");
    }
    assert!(project.run("status").all().contains("newer"));
}

pub fn changed_and_missing(fresh: &Fresh) {
    let project = fresh.project();
    for (label, thing) in [("001_one", "thing_1"), ("002_two", "thing_2"), ("003_three", "thing_3")] {
        project.thing(label, thing);
    }
    project.run("up --to 2").expect(0);
    project.run("check").expect(3).says("003_three");

    let original = project.world.read(project.up_path("001_one"));
    project.world.write(project.up_path("001_one"), original.clone() + &project.subject.create("more") + "\n");
    project.world.remove(project.up_path("002_two"));
    project.world.remove(project.down_path("002_two"));
    project.stands(&[("001_one", "changed"), ("002_two", "missing"), ("003_three", "pending")]);
    project.run("check").expect(3).says("001_one").says("002_two");
    project.run("up").expect(3).says("main/001_one").says("main/002_two");
    assert_eq!(project.subject.things(), ["thing_1", "thing_2"]);

    // A byte order mark, CRLF and a lost last newline change nothing.
    let same = format!("\u{feff}{}", original.trim_end().replace('\n', "\r\n"));
    project.world.write(project.up_path("001_one"), same);
    assert_eq!(project.standing("001_one"), "applied");

    project.world.write(project.up_path("001_one"), original + &project.subject.comment("only a word") + "\n");
    assert_eq!(project.standing("001_one"), "changed");
    project.run("repair main/1 --accept-checksum").expect(0);
    project.thing("002_two", "thing_2");
    project.stands(&[("001_one", "applied"), ("002_two", "applied"), ("003_three", "pending")]);
    project.run("up").expect(0);
    project.run("check").expect(0);
}
