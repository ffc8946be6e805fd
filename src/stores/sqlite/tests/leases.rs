use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use super::*;
use crate::FailureKind;
use crate::domain::EntryEvent;
use crate::stores::{Holder, Kept, NewEntry};

fn held(taken: Result<Taken, Failure>) -> Holder {
    match taken.unwrap() {
        Taken::Held(holder) => holder,
        Taken::Ours(_) => panic!("taken twice"),
    }
}

fn entry(version: u128) -> NewEntry {
    NewEntry {
        event: EntryEvent::Baselined,
        direction: Direction::Up,
        version: Some(Version::new(version)),
        label: "001_a".to_owned(),
        checksum: Checksum::recorded("sha256:0"),
        down: None,
        ordinal: 0,
        duration_ms: None,
        parts_done: None,
        parts_total: None,
        note: Some("by hand".to_owned()),
    }
}

#[test]
fn the_loser_learns_the_holder() {
    let world = World::new();
    let winner = owner();
    let locked = world.lock_as(&winner);
    let holder = held(world.store().lock(&owner()));
    assert_eq!((holder.token, holder.pid), (winner.token.clone(), winner.pid));
    assert!(holder.expires_in_ms > 13_000 && holder.idle_ms < 2_000);
    assert_eq!(world.store().holder().unwrap().unwrap().run, winner.run);
    locked.release().unwrap();
    assert!(world.store().holder().unwrap().is_none());
    world.lock().release().unwrap();
    assert!(world.ledger().entries.is_empty());
}

#[test]
fn of_many_racers_one_wins() {
    let world = World::new();
    let (world, start) = (&world, &std::sync::Barrier::new(8));
    let taken: Vec<_> = std::thread::scope(|scope| {
        let racer = || {
            start.wait();
            world.store().lock(&owner()).unwrap()
        };
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(move || matches!(racer(), Taken::Ours(_)))).collect();
        racers.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert_eq!(taken.iter().filter(|won| **won).count(), 1);
}

#[test]
fn a_stale_lease_is_taken_over_and_its_run_cannot_write() {
    for mode in ["delete", "wal"] {
        let world = World { lease: Duration::from_millis(300), ..World::new().option("journal_mode", mode) };
        let mut late = world.lock();
        std::thread::sleep(Duration::from_millis(400));
        let locked = world.lock();
        assert!(locked.took_over().is_some());
        let entries = world.ledger().entries;
        assert_eq!(entries[0].event, EntryEvent::Unlocked);
        assert!(entries[0].note.as_ref().unwrap().contains("its lease had expired"));
        assert!(!late.heart().unwrap().beat().unwrap());
        assert!(late.record(&entry(1)).is_err());
        assert!(late.wipe().is_err());
        for attempt in [step(1, "create table a(b)"), in_parts(1, "create table a(b)")] {
            let failure = run(late.as_mut(), &[attempt]).failure();
            assert_eq!(failure.kept, Kept::Nothing);
            assert!(failure.message.contains("the lease was lost"), "{}", failure.message);
        }
        assert_eq!(world.sql::<i64>("select count(*) from sqlite_schema where name = 'a'"), 0);
        late.release().unwrap();
        assert!(world.store().holder().unwrap().is_some(), "not theirs to give back");
        drop(locked);
    }
}

#[test]
fn a_step_that_outlasts_the_lease_keeps_it() {
    let world = World { lease: Duration::from_millis(200), ..World::new() };
    let mut locked = world.lock();
    let slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000000) select max(i) from n";
    let started = Instant::now();
    run(locked.as_mut(), &[step(1, slow)]).all_done();
    if started.elapsed() > Duration::from_millis(250) {
        let holder = world.store().holder().unwrap().unwrap();
        assert!(holder.expires_in_ms > 0, "{holder:?}");
    }
}

#[test]
fn a_heart_renews_and_counts_a_busy_database_as_alive() {
    let world = World::new();
    let mut locked = world.lock();
    let mut heart = locked.heart().unwrap();
    world.execute("update stepladder_lease set renewed_ms = 0, expires_ms = 0");
    assert!(heart.beat().unwrap());
    assert!(world.store().holder().unwrap().unwrap().expires_in_ms > 13_000);
    let outside = Connection::open(world.path()).unwrap();
    outside.execute_batch("begin exclusive").unwrap();
    assert!(heart.beat().unwrap());
    outside.execute_batch("commit").unwrap();
    world.execute("delete from stepladder_lease");
    assert!(!heart.beat().unwrap());
}

#[test]
fn a_lease_is_released_by_force_only_while_it_is_the_one_that_was_seen() {
    let world = World::new();
    let locked = world.lock();
    let seen = world.store().holder().unwrap().unwrap();
    let other = Holder { token: "other".to_owned(), ..seen.clone() };
    assert!(!world.store().unlock(&other, &owner()).unwrap());
    assert!(world.store().unlock(&seen, &owner()).unwrap());
    assert!(!world.store().unlock(&seen, &owner()).unwrap());
    assert!(world.store().holder().unwrap().is_none());
    let entries = world.ledger().entries;
    assert_eq!((entries.len(), entries[0].event), (1, EntryEvent::Unlocked));
    drop(locked);
    let nowhere = World::new();
    assert!(!nowhere.store().unlock(&seen, &owner()).unwrap());
    assert!(nowhere.files().is_empty());
}

#[test]
fn entries_are_recorded_as_given() {
    let world = World::new();
    let mut locked = world.lock();
    locked.record(&NewEntry { down: Some(script("x")), ..entry(99_999_999_999_999_999_999) }).unwrap();
    let read = world.ledger().entries.remove(0);
    assert_eq!(read.version, Some(Version::new(99_999_999_999_999_999_999)));
    assert_eq!((read.event, read.note.as_deref()), (EntryEvent::Baselined, Some("by hand")));
    locked.record(&NewEntry { event: EntryEvent::Begun, ..entry(2) }).unwrap();
    locked.journal(Version::new(2), 3, 7).unwrap();
    let read = world.ledger().entries.pop().unwrap();
    assert_eq!((read.parts_done, read.parts_total), (Some(3), Some(7)));
    assert!(locked.journal(Version::new(3), 1, 1).is_err());
}

/// The `sqlite3` shell with a transaction open; none where there is no such program.
fn shell(world: &World, begin: &str) -> Option<Child> {
    let mut child =
        Command::new("sqlite3").arg(world.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    writeln!(child.stdin.as_mut().unwrap(), "{begin}\nselect 'ready';").unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    while lines.next()?.ok()? != "ready" {}
    Some(child)
}

#[test]
fn another_program_that_locks_the_database_is_named() {
    for mode in ["delete", "wal"] {
        let world = World::new().option("journal_mode", mode).option("busy_timeout", "200ms");
        let mut locked = world.lock();
        run(locked.as_mut(), &[step(1, "create table t(a)")]).all_done();
        let Some(mut child) = shell(&world, "begin immediate;") else { return };
        let name = format!("app.db is locked by pid {} (sqlite3)", child.id());
        let failure = run(locked.as_mut(), &[step(2, "create table u(a)")]).failure();
        assert!(failure.message.contains(&name), "{mode}: {}", failure.message);
        assert_eq!(failure.kept, Kept::Nothing);
        child.stdin.as_mut().unwrap().write_all(b"commit;\n").unwrap();
        child.stdin.take();
        child.wait().unwrap();
        locked.release().unwrap();

        let mut child = shell(&world, "begin immediate;").unwrap();
        let failure = world.store().lock(&owner()).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Unreachable);
        assert_eq!(failure.message, format!("app.db is locked by pid {} (sqlite3)", child.id()));
        child.stdin.take();
        child.wait().unwrap();
    }
}

#[test]
fn a_reader_that_blocks_the_commit_is_named() {
    let world = World::new().option("busy_timeout", "200ms");
    let mut locked = world.lock();
    run(locked.as_mut(), &[step(1, "create table t(a); insert into t values (1)")]).all_done();
    let Some(mut child) = shell(&world, "begin; select * from t;") else { return };
    let failure = run(locked.as_mut(), &[step(2, "insert into t values (2)")]).failure();
    assert_eq!((failure.what.as_str(), failure.kept), ("could not be committed", Kept::Nothing));
    assert!(failure.message.contains(&format!("pid {} (sqlite3)", child.id())), "{}", failure.message);
    child.stdin.take();
    child.wait().unwrap();
    run(locked.as_mut(), &[step(2, "insert into t values (2)")]).all_done();
}

#[test]
fn a_run_whose_script_keeps_the_database_locked_counts_as_holder() {
    for mode in ["delete", "wal"] {
        let world = World { lease: Duration::from_millis(100), ..World::new().option("journal_mode", mode) };
        let winner = owner();
        let mut locked = world.lock_as(&winner);
        let stop = Stop::default();
        let asking = stop.clone();
        let (started, has_started) = channel();
        let endless = "create table a(b); insert into a with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";
        let thread = std::thread::spawn(move || {
            let event = |_: usize, _: StepEvent| started.send(()).unwrap();
            let context = Context { run: "r", stop: &stop, event: &event };
            assert!(locked.run(&[step(1, endless)], &context).is_err());
        });
        has_started.recv().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        // The lease has run out, but its holder is at work.
        let holder = held(world.store().lock(&owner()));
        assert_eq!(holder.pid, winner.pid, "{mode}");
        // In the other mode readers are locked out too, and the system has to tell who it is.
        assert!(mode == "delete" || holder.token == winner.token);
        asking.ask(crate::stores::StopReason::Interrupted);
        thread.join().unwrap();
    }
}
