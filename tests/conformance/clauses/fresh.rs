//! A fresh start: all of the user's things go, and nothing else.

use crate::project::Fresh;

pub fn drops(fresh: &Fresh) {
    let mut project = fresh.project();
    let config = project.world.read("stepladder.toml");
    project.world.write("stepladder.toml", config + "[env.production]\nprotected = true\n");
    project.notebook();
    project.thing("002_one", "thing_1");
    project.thing("003_two", "thing_2");
    project.run("up").expect(0);
    let clean = project.subject.things();
    assert_eq!(clean, ["thing_1", "thing_2"]);

    project.subject.plant_foreign();
    project.subject.litter();
    let littered = project.subject.things();
    assert!(littered.len() > clean.len());

    // Nobody said yes.
    for command in ["fresh", "fresh --yes -e production", "fresh --dry-run"] {
        let output = project.run(command);
        assert_eq!(output.code == 0, command.contains("dry-run"), "`{command}`: {output}");
        assert_eq!(project.subject.things(), littered, "`{command}` dropped something");
    }
    project.run("fresh --yes").expect(0);
    assert_eq!(project.subject.things(), clean);
    assert!(project.subject.foreign_is_there(), "something was dropped that is not the user's");
    project.run("check").expect(0);
    assert_eq!(project.done("up"), ["001_notes", "002_one", "003_two"]);
    assert_eq!(project.subject.lease_pid(), None, "the lease was not given back");

    // From a half, and a second time: it always works.
    let half = [project.directive("no-transaction"), project.subject.create("half"), project.subject.reject()];
    project.pair("004_half", &half, &[project.subject.comment("nothing")]);
    project.run("up").expect(1);
    project.pair("004_half", &[project.subject.create("whole")], &[project.subject.remove("whole")]);
    project.run("fresh --yes").expect(0);
    assert_eq!(project.subject.things(), ["thing_1", "thing_2", "whole"]);
    project.world.set("STEPLADDER_ENV", "production");
    project.run("fresh --yes").expect(2);
}
