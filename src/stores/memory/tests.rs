use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::config::Environment;
use crate::domain::{Checksum, EntryEvent, Mode, Reason};
use crate::process::identity;
use crate::stores::{Context, Kept, Locked, Outcome, StepEvent, Stop, StopReason};

fn store(root: &Path, url: &str) -> Box<dyn Store> {
    let settings = Settings {
        name: "memory".to_owned(),
        url: Secret::new(url),
        client: None,
        timeout: None,
        lease: Duration::from_secs(15),
        root: root.to_owned(),
        options: std::collections::BTreeMap::new(),
        variables: Environment::default(),
    };
    open(&settings).unwrap()
}

fn step(text: &str, mode: Mode) -> Step {
    Step {
        index: 0,
        store: "memory".to_owned(),
        version: Version::new(1),
        label: "001_x".to_owned(),
        direction: Direction::Up,
        path: "migrations/memory/001_x.up.mem".to_owned(),
        file: None,
        text: text.into(),
        extension: "mem".to_owned(),
        shape: crate::domain::sql::Shape::default(),
        mode,
        checksum: Checksum::of(text.as_bytes()),
        down: None,
        timeout: None,
        resume_from: 0,
    }
}

fn lock(store: &mut dyn Store) -> Box<dyn Locked> {
    match store.lock(&identity::owner("r1")).unwrap() {
        Taken::Ours(locked) => locked,
        Taken::Held(holder) => panic!("held by {}", holder.who()),
    }
}

fn run(locked: &mut dyn Locked, step: Step, stop: &Stop) -> Result<Outcome, Box<crate::stores::StepFailure>> {
    let said = Mutex::new(Vec::new());
    let event = |_: usize, event: StepEvent| said.lock().unwrap().push(event);
    locked.run(&[step], &Context { run: "r1", stop, event: &event }).map_err(Box::new)
}

fn events(store: &mut dyn Store) -> Vec<EntryEvent> {
    store.look().unwrap().entries.iter().map(|e| e.event).collect()
}

#[test]
fn looking_makes_no_file_and_a_lease_does() {
    let root = tempfile::tempdir().unwrap();
    let mut store = store(root.path(), "memory:m.json");
    assert!(!store.look().unwrap().exists);
    assert!(store.holder().unwrap().is_none());
    assert_eq!(store.inventory().unwrap(), Vec::<String>::new());
    store.probe().unwrap();
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    lock(&mut *store).release().unwrap();
    assert!(store.look().unwrap().exists);
    assert!(store.holder().unwrap().is_none());
}

#[test]
fn a_rejected_script_leaves_nothing_and_a_two_phase_one_a_journal() {
    let root = tempfile::tempdir().unwrap();
    let mut store = store(root.path(), "memory:m.json");
    let mut locked = lock(&mut *store);
    let stop = Stop::default();
    let text = "set a 1\nset b 2\nfail no\nset c 3\n";
    let failure = run(&mut *locked, step(text, Mode::Atomic), &stop).unwrap_err();
    assert_eq!((failure.line, failure.kept, failure.message.as_str()), (Some(3), Kept::Nothing, "no"));
    assert_eq!(store.inventory().unwrap(), Vec::<String>::new());
    assert_eq!(events(&mut *store), []);

    let two_phase = Mode::TwoPhase(Reason::Directive(1));
    let failure = run(&mut *locked, step(text, two_phase.clone()), &stop).unwrap_err();
    assert_eq!(failure.kept, Kept::Half(Some((2, 4))));
    assert_eq!(store.inventory().unwrap().len(), 2);
    let resumed = Step { resume_from: 2, ..step("set a x\nset b x\nset d 4\nset c 3\n", two_phase) };
    run(&mut *locked, resumed, &stop).unwrap();
    assert_eq!(store.inventory().unwrap().len(), 4);
    assert_eq!(events(&mut *store), [EntryEvent::Begun, EntryEvent::Begun, EntryEvent::Done]);
}

#[test]
fn whoever_lost_the_lease_cannot_write() {
    let root = tempfile::tempdir().unwrap();
    let mut store = store(root.path(), "memory:m.json");
    let mut locked = lock(&mut *store);
    let seen = store.holder().unwrap().unwrap();
    assert!(store.unlock(&seen, &identity::owner("r2")).unwrap());
    assert!(!store.unlock(&seen, &identity::owner("r2")).unwrap());
    let stop = Stop::default();
    let failure = run(&mut *locked, step("set a 1", Mode::Atomic), &stop).unwrap_err();
    assert_eq!(failure.kept, Kept::Nothing);
    assert_eq!(stop.asked(), Some(StopReason::LeaseLost));
    assert!(!locked.heart().unwrap().beat().unwrap());
    assert_eq!(events(&mut *store), [EntryEvent::Unlocked]);
    assert_eq!(store.inventory().unwrap(), Vec::<String>::new());
}

#[test]
fn one_process_sees_the_others_lease_and_two_stores_inside_a_process_are_two() {
    let root = tempfile::tempdir().unwrap();
    for url in ["memory:m.json", "memory://"] {
        let mut first = store(root.path(), url);
        let mut second = store(root.path(), url);
        let locked = lock(&mut *first);
        assert!(matches!(second.lock(&identity::owner("r2")).unwrap(), Taken::Held(h) if h.run == "r1"));
        locked.release().unwrap();
        lock(&mut *second).release().unwrap();
    }
    let other = tempfile::tempdir().unwrap();
    assert!(!store(other.path(), "memory://").look().unwrap().exists);
}

#[test]
fn a_newer_format_and_a_strange_file_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("m.json");
    for text in [r#"{"format": 99, "whatever": 1}"#, "not json", r#"{"format": 1}"#] {
        std::fs::write(&path, text).unwrap();
        let mut store = store(root.path(), "memory:m.json");
        assert!(store.look().is_err(), "{text}");
        assert!(store.lock(&identity::owner("r1")).is_err(), "{text}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let mut nowhere = store(root.path(), "memory:no/such/m.json");
    assert_eq!(nowhere.probe().unwrap_err().kind, crate::FailureKind::Unreachable);
}

#[test]
fn wiping_keeps_the_lease_and_a_sleep_ends_at_its_deadline() {
    let root = tempfile::tempdir().unwrap();
    let mut store = store(root.path(), "memory:m.json");
    let mut locked = lock(&mut *store);
    let stop = Stop::default();
    run(&mut *locked, step("set a 1", Mode::Atomic), &stop).unwrap();
    locked.wipe().unwrap();
    assert_eq!(events(&mut *store), []);
    assert!(store.holder().unwrap().is_some());
    let slow = Step { timeout: Some(Duration::from_millis(30)), ..step("sleep 1m", Mode::Atomic) };
    let failure = run(&mut *locked, slow, &stop).unwrap_err();
    assert_eq!(failure.what, "ran out of time after 0.03 s");
    stop.ask(StopReason::Interrupted);
    assert_eq!(run(&mut *locked, step("set a 1", Mode::Atomic), &stop).unwrap(), Outcome::Stopped);
}
