//! A script that the store rejects: what is left, what is said, and how to go on.

use crate::project::{Fresh, Project};

pub fn later_ones_stay(fresh: &Fresh) {
    let project = fresh.project();
    project.thing("001_one", "thing_1");
    project.pair("002_bad", &[project.subject.reject()], &[project.subject.comment("nothing")]);
    project.thing("003_three", "thing_3");
    project.run("up").expect(1).says("main/002_bad");
    assert_eq!(project.subject.things(), ["thing_1"]);
    assert_eq!(project.standing("001_one"), "applied");
    assert_eq!(project.standing("003_three"), "pending");
    assert_eq!(project.done("up"), ["001_one"]);
    let failed = ("failed".to_owned(), "up".to_owned(), "002_bad".to_owned());
    assert!(project.subject.ledger().contains(&failed), "the failure is not in the ledger");
    assert_eq!(project.subject.lease_pid(), None, "the lease was not given back");
    if !project.subject.card().is_atomic() {
        return;
    }
    project.thing("002_bad", "thing_2");
    project.run("up").expect(0);
    assert_eq!(project.subject.things(), ["thing_1", "thing_2", "thing_3"]);

    // A down script that is rejected leaves its migration applied.
    project.world.write(project.down_path("003_three"), project.subject.reject() + "\n");
    project.run("down 2").expect(1).says("main/003_three");
    assert_eq!(project.standing("003_three"), "applied");
    assert_eq!(project.subject.things(), ["thing_1", "thing_2", "thing_3"]);
}

pub fn nothing_after(fresh: &Fresh) {
    let project = fresh.project();
    let statements = || {
        let subject = &project.subject;
        vec![subject.create("before"), subject.reject(), subject.create("after")]
    };
    let nothing = [project.subject.comment("nothing")];
    if project.subject.card().is_atomic() {
        project.pair("001_whole", &statements(), &nothing);
        project.run("up").expect(1);
        assert_eq!(project.subject.things(), Vec::<String>::new());
        project.stands(&[("001_whole", "pending")]);
        project.world.remove(project.up_path("001_whole"));
        project.world.remove(project.down_path("001_whole"));
    }
    let mut halved = statements();
    halved.insert(0, project.directive("no-transaction"));
    project.pair("002_half", &halved, &nothing);
    project.run("up").expect(1).says("main/002_half").says("--mark");
    assert_eq!(project.subject.things(), ["before"]);
    assert_eq!(project.standing("002_half"), "half-applied");
    project.run("check").expect(3);
    // Nothing runs before the half is settled, not even backwards.
    project.thing("003_later", "later");
    for command in ["up", "down"] {
        let refused = project.run(command).expect(5).says("002_half").says("--mark reverted");
        // Where nobody counted the parts there is no going on at one.
        let offers = refused.all().contains("--resume");
        assert_eq!(offers, project.subject.journals(), "{refused}");
    }
    assert_eq!(project.subject.things(), ["before"]);
    project.run("repair main/2 --mark applied").expect(0);
    project.run("up").expect(0);
    assert_eq!(project.subject.things(), ["before", "later"]);
}

pub fn carries_the_line(fresh: &Fresh) {
    let project = fresh.project();
    let subject = &project.subject;
    let before = |name: &str| {
        vec![
            subject.comment("it's the top"),
            String::new(),
            subject.create(name),
            subject.shelf(),
            subject.keep("long", "one\ntwo\n\nfour"),
            subject.comment("nothing; here"),
        ]
    };
    let expect = |label: &str, lines: &[String], end: &str| {
        let text = lines.join(end) + end;
        let path = project.up_path(label);
        let line = text.lines().position(|l| l.trim_end() == subject.reject()).unwrap() + 1;
        project.world.write(&path, &text);
        project.world.write(project.down_path(label), "\n");
        project.run("up").expect(1).says(&format!("{path}:{line}"));
        let json = project.run("up --json");
        assert!(json.stdout.contains(&format!("\"line\":{line}")) || json.code == 5, "{json}");
        if project.standing(label) == "half-applied" {
            project.run(&format!("repair main/{} --mark reverted", label.split('_').next().unwrap())).expect(0);
        }
        project.world.remove(path);
        project.world.remove(project.down_path(label));
    };
    let bad = |name: &str| [before(name), vec![subject.reject(), subject.create("after")]].concat();
    if subject.card().is_atomic() {
        expect("001_whole", &bad("whole"), "\n");
        expect("002_crlf", &bad("crlf"), "\r\n");
    }
    let mut halved = bad("halved");
    halved.insert(0, project.directive("no-transaction"));
    expect("003_half", &halved, "\n");
}

pub fn resumes(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    project.run("up").expect(0);
    let subject = &project.subject;
    let script = |third: String| {
        let marks = project.directive("no-transaction");
        vec![marks, subject.note("a"), subject.note("b"), third, subject.note("d")]
    };
    project.pair("002_parts", &script(subject.reject()), &[subject.comment("nothing")]);
    project.run("up").expect(1);
    assert_eq!(subject.notes(), ["a", "b"]);
    assert_eq!(project.standing("002_parts"), "half-applied");
    if subject.journals() {
        let half = half_of(&project, "002_parts");
        assert_eq!((half["parts_done"].as_u64(), half["parts_total"].as_u64()), (Some(2), Some(4)), "{half}");
        // Still wrong: it stops at the same place and nothing runs twice.
        project.run("repair main/2 --resume --yes").expect(1);
        assert_eq!(subject.notes(), ["a", "b"]);
        project.pair("002_parts", &script(subject.note("c")), &[subject.comment("nothing")]);
        project.run("repair main/2 --resume --yes").expect(0);
        assert_eq!(subject.notes(), ["a", "b", "c", "d"]);
    } else {
        project.pair("002_parts", &script(subject.note("c")), &[subject.comment("nothing")]);
        project.run("repair main/2 --mark reverted --yes").expect(0);
        project.run("up").expect(0);
    }
    project.stands(&[("001_notes", "applied"), ("002_parts", "applied")]);
    project.run("check").expect(0);
}

fn half_of(project: &Project, label: &str) -> serde_json::Value {
    let status = project.run("status --json").json();
    let migrations = status["stores"][0]["migrations"].as_array().unwrap().clone();
    migrations.into_iter().find(|m| m["migration"] == label).unwrap()["half"].clone()
}
