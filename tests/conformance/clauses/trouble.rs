//! Trouble with the way in, and with clients that do not come to an end.

use std::time::{Duration, Instant};

use crate::common::{processes, until};
use crate::project::{Fresh, Project};

const SECOND: Duration = Duration::from_secs(1);

pub fn no_way_in(fresh: &Fresh) {
    let mut project = fresh.project();
    project.thing("001_one", "thing_1");
    let good = project.subject.url();
    let wrong = project.subject.wrong_password().map(|(url, secret)| (url, Some(secret)));
    let ways: Vec<_> = [wrong, project.subject.unreachable()].into_iter().flatten().collect();
    assert!(!ways.is_empty(), "its card promises what cannot be tried");
    for (url, secret) in ways {
        project.world.set("STEPLADDER_MAIN_URL", &url);
        for command in
            ["up", "status", "check", "doctor", "wait --timeout 1s", "up -v --json", "down --all --yes", "history"]
        {
            let began = Instant::now();
            let output = project.run(command);
            let fine: &[i32] = if command == "doctor" || command == "status" { &[6, 3, 1] } else { &[6] };
            assert!(fine.contains(&output.code), "`{command}`: {output}");
            let shown = secret.as_ref().is_some_and(|secret| output.all().contains(secret));
            assert!(!shown, "`{command}` shows the secret: {output}");
            assert!(began.elapsed() < 30 * SECOND, "`{command}` took {:?}", began.elapsed());
        }
    }
    project.world.set("STEPLADDER_MAIN_URL", &good);
    let Some(secret) = project.subject.secret() else { return };
    secret_stays_inside(&project, &secret);
}

/// While scripts run, after they failed, in previews and in the ledger.
fn secret_stays_inside(project: &Project, secret: &str) {
    let subject = &project.subject;
    let slow = [subject.create("slow"), subject.sleep(2 * SECOND)];
    project.pair("002_slow", &slow, &[subject.remove("slow")]);
    project.world.write("migrations/main/003_program.up.sh", "sleep 1; true\n");
    project.world.write("migrations/main/003_program.down.sh", "true\n");
    project.pair("004_bad", &[subject.reject()], &[subject.comment("nothing")]);
    let mut running = project.spawn("up -v");
    let mut most = 0;
    while !running.has_ended() {
        let family = processes::family(running.pid());
        most = most.max(family.len());
        for process in family {
            assert!(!process.arguments.contains(secret), "`ps` shows the secret: {}", process.arguments);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(most > 1, "no child was seen, so nothing was looked at");
    let mut said = running.wait().expect(1).all();
    for command in
        ["status", "status --json", "history", "doctor", "up --dry-run", "up --dry-run --json", "lock", "repair"]
    {
        said += &project.run(command).all();
    }
    assert!(!said.contains(secret), "the secret was shown");
    assert!(!subject.dump().contains(secret), "the secret is in the store");
}

pub fn hanging(fresh: &Fresh) {
    let project = fresh.project();
    let subject = &project.subject;
    let nothing = [subject.comment("nothing")];
    let deadline = subject.deadline();
    let directives = [project.directive(&format!("timeout {}s", deadline.as_secs()))];
    let whole = [&directives[..], &[subject.create("kept"), subject.sleep(300 * SECOND)]].concat();
    if subject.card().is_atomic() {
        project.pair("001_whole", &whole, &nothing);
        ends_in_time(&project, "main/001_whole", deadline);
        assert_eq!(subject.things(), Vec::<String>::new());
        project.stands(&[("001_whole", "pending")]);
        project.world.remove(project.up_path("001_whole"));
        project.world.remove(project.down_path("001_whole"));
    }
    let parts = [&[project.directive("no-transaction")], &whole[..]].concat();
    project.pair("002_parts", &parts, &nothing);
    ends_in_time(&project, "main/002_parts", deadline);
    assert_eq!(subject.things(), ["kept"]);
    assert_eq!(project.standing("002_parts"), "half-applied");
    project.run("repair main/2 --mark applied").expect(0);

    // A program with children that want to hear nothing, and one that has left its process group.
    let deaf = "# stepladder: timeout 2s\ntrap '' TERM INT HUP\n(trap '' TERM INT HUP; sleep 300) &\nsleep 300\n";
    project.world.write("migrations/main/003_deaf.up.sh", deaf);
    project.world.write("migrations/main/003_deaf.down.sh", "true\n");
    ends_in_time(&project, "main/003_deaf", 2 * SECOND);
}

fn ends_in_time(project: &Project, name: &str, deadline: Duration) {
    let began = Instant::now();
    project.run("up").expect(1).says(name).says("ran out of time");
    let took = began.elapsed();
    assert!(took >= deadline && took < deadline + 18 * SECOND, "{name} ended after {took:?}");
    let folder = project.world.root().parent().unwrap().to_owned();
    let gone = until(3 * SECOND, || processes::of_world(&folder).is_empty());
    assert!(gone, "still there: {:?}", processes::of_world(&folder));
    let at_rest = until(3 * SECOND, || project.subject.at_work() == 0);
    assert!(at_rest, "{name} is still at work inside the store");
    assert_eq!(project.subject.lease_pid(), None, "the lease was not given back");
}
