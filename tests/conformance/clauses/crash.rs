//! Killed at any moment: the old state, the new one, or a half that has a name.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use crate::project::{Fresh, Project};

/// How often a run is killed.
const ROUNDS: u32 = 12;
/// The same of one that takes its client longer than [`SLOW`]: a round of those takes a minute.
const FEW_ROUNDS: u32 = 6;
const SLOW: Duration = Duration::from_secs(5);

const LABELS: [(&str, &str); 5] = [("002_a", "a"), ("003_b", "b"), ("004_c", "c"), ("005_parts", "d"), ("006_e", "e")];

pub fn killed(fresh: &Fresh) {
    let project = fresh.project();
    project.notebook();
    let subject = &project.subject;
    let pause = || subject.sleep(Duration::from_millis(60));
    for (label, word) in LABELS {
        project.pair(label, &[subject.note(word), pause()], &[subject.note("back")]);
    }
    let parts = [project.directive("no-transaction"), subject.note("d"), pause(), subject.note("d2")];
    project.pair("005_parts", &parts, &[subject.note("back")]);
    let whole = measure(&project);
    let rounds = if whole > SLOW { FEW_ROUNDS } else { ROUNDS };
    let mut seen = BTreeMap::new();
    for round in 0..rounds {
        // All is applied, as the round before has seen to.
        project.run("down --to 1").expect(0);
        let before = project.subject.notes().len();
        let running = project.spawn("up");
        thread::sleep(whole * (round + 1) / (rounds + 1));
        running.kill9();
        let state = check(&project, before);
        *seen.entry(state).or_insert(0) += 1;
        complete(&project, before);
    }
    println!("{rounds} kills within {whole:?}: {seen:?}");
}

/// How long a run takes.
fn measure(project: &Project) -> Duration {
    project.run("up --to 1").expect(0);
    let began = Instant::now();
    project.run("up").expect(0);
    began.elapsed()
}

/// The words that a migration has written in this round.
fn words(project: &Project, before: usize, word: &str) -> usize {
    project.subject.notes().iter().skip(before).filter(|w| *w == word).count()
}

/// Each migration is as its standing says; the number of applied ones.
fn check(project: &Project, before: usize) -> String {
    // A client that lost its server's connection may still be at its last statement.
    let quiet = crate::common::until(Duration::from_secs(10), || project.subject.at_work() == 0);
    assert!(quiet);
    thread::sleep(Duration::from_millis(300));
    let standings = project.standings();
    let mut applied = 0;
    for (label, word) in LABELS {
        let standing = &standings.iter().find(|(l, _)| l == label).unwrap().1;
        let times = words(project, before, word);
        match standing.as_str() {
            "applied" => {
                assert_eq!(times, 1, "{label} is applied and ran {times} times");
                applied += 1;
            }
            "pending" => assert_eq!(times, 0, "{label} is pending and ran {times} times"),
            "half-applied" => {
                assert!(label == "005_parts" || !project.subject.card().is_atomic(), "{label} is a half");
                return format!("{applied} and a half");
            }
            other => panic!("{label} is {other}"),
        }
    }
    applied.to_string()
}

/// The next run takes the dead one's lease over and does the rest, each script once.
fn complete(project: &Project, before: usize) {
    let half = project.standings().into_iter().find(|(_, standing)| standing == "half-applied").map(|(label, _)| label);
    if let Some(label) = &half {
        project.run("up").expect(5).says(label);
        let number = label.split('_').next().unwrap();
        let way = if project.subject.journals() { "--resume" } else { "--mark reverted" };
        project.run(&format!("repair main/{number} {way} --wait-lock 30s --yes")).expect(0);
        if !project.subject.journals() {
            // Nobody counted its parts: the whole of it runs again.
            project.run("up --wait-lock 30s").expect(0);
        }
        // The part that was at work when the kill came may have been done without having been journalled.
        let word = LABELS.iter().find(|(l, _)| l == label).unwrap().1;
        let second = if label == "005_parts" { words(project, before, "d2") } else { 1 };
        let times = (words(project, before, word), second);
        let fine = match project.subject.journals() {
            true => [(1, 1), (2, 1), (1, 2)].contains(&times),
            false => [(1, 1), (2, 1), (2, 2)].contains(&times),
        };
        assert!(fine, "the parts of {label} ran {times:?} times");
    }
    project.run("up --wait-lock 30s").expect(0);
    for (label, word) in LABELS.iter().filter(|(label, _)| *label != "005_parts" && half.as_deref() != Some(*label)) {
        assert_eq!(words(project, before, word), 1, "{label} did not run once: {:?}", project.subject.notes());
    }
    project.run("check").expect(0);
}
