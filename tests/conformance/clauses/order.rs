//! Order: up in it, once, and back in reverse.

use crate::project::Fresh;

pub fn applies_and_records(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    // Compared as numbers, whatever their zeros; a file name's order would be another.
    for (label, word) in [("2_b", "b"), ("10_d", "d"), ("00009_c", "c"), ("20240215120000_e", "e")] {
        project.noting(label, word);
    }
    project.run("up").expect(0);
    assert_eq!(project.subject.notes(), ["b", "c", "d", "e"]);
    assert_eq!(project.done("up"), ["001_notes", "2_b", "00009_c", "10_d", "20240215120000_e"]);
    assert_eq!(project.subject.lease_pid(), None, "the lease was not given back");
    assert!(project.standings().iter().all(|(_, standing)| standing == "applied"));
    project.run("check").expect(0);
    let history = project.run("history --json").expect(0).json();
    assert!(history["entries"].as_array().unwrap().len() >= 5, "{history}");
}

pub fn second_run(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    project.noting("002_a", "a");
    project.run("up").expect(0);
    let before = project.subject.picture();
    project.run("up").expect(0);
    project.run("up --wait-lock 1s").expect(0);
    assert_eq!(project.subject.picture(), before, "a run with nothing to do changed something");
    project.noting("003_b", "b");
    project.run("up").expect(0);
    assert_eq!(project.subject.notes(), ["a", "b"]);
}

pub fn undoes_in_reverse(fresh: &Fresh) {
    let mut project = fresh.project();
    let config = project.world.read("stepladder.toml");
    project.world.write("stepladder.toml", config + "[stores.side]\nkind = \"memory\"\nurl = \"memory:side.json\"\n");
    project.notebook();
    project.noting("002_a", "a");
    project.noting("003_b", "b");
    for label in ["001_one", "002_two"] {
        project.world.write(format!("migrations/side/{label}.up.mem"), format!("set {label} x\n"));
        project.world.write(format!("migrations/side/{label}.down.mem"), format!("delete {label}\n"));
    }
    for up in ["up -s main --steps 2", "up -s side --steps 1", "up -s main --steps 1", "up -s side --steps 1"] {
        project.run(up).expect(0);
    }
    let side = || -> Vec<String> {
        let document: serde_json::Value = serde_json::from_str(&project.world.read("side.json")).unwrap();
        document["data"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!((project.subject.notes().len(), side().len()), (2, 2));
    project.run("down").expect(0);
    assert_eq!((project.done("down"), side()), (vec![], vec!["001_one".to_owned()]));
    project.run("down 2").expect(0);
    assert_eq!((project.done("down"), side()), (vec!["003_b".to_owned()], vec![]));
    project.stands(&[("001_notes", "applied"), ("002_a", "applied"), ("003_b", "pending")]);
    project.run("down --all --yes").expect(0);
    assert_eq!(project.subject.notes(), ["a", "b", "b back", "a back"]);
    assert_eq!(project.done("down"), ["003_b", "002_a", "001_notes"]);
    assert_eq!(project.run("down").code, 0, "nothing to undo is no failure");
    project.world.set("STEPLADDER_ENV", "");
    project.run("check").expect(3);
}
