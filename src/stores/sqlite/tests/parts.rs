use super::*;
use crate::domain::{EntryEvent, State, fold};
use crate::stores::Kept;

fn standing(world: &World, number: u128) -> State {
    fold(&world.ledger().entries)[&Version::new(number)].state.clone()
}

#[test]
fn a_half_is_counted_and_resumed_at_the_failed_statement() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "pragma case_sensitive_like = on;\ncreate table a(b);\ninsert into a values (1);\ninsert into nowhere values (2);\n\
        create table seen as select 'a' like 'A' as alike;";
    let ran = run(locked.as_mut(), &[in_parts(1, text)]);
    let progress: Vec<_> = ran.events.iter().filter(|(_, e)| matches!(e, StepEvent::Progress { .. })).collect();
    assert_eq!(progress.len(), 3, "{progress:?}");
    let failure = ran.failure();
    assert_eq!((failure.line, failure.kept), (Some(4), Kept::Half(Some((3, 5)))));
    let State::HalfApplied(half) = standing(&world, 1) else { panic!() };
    assert_eq!((half.done, half.total), (Some(3), Some(5)));
    let corrected = text.replace("nowhere", "a");
    let resumed = Step { resume_from: 3, ..in_parts(1, &corrected) };
    run(locked.as_mut(), &[resumed]).all_done();
    assert_eq!(standing(&world, 1), State::Applied);
    assert_eq!(world.sql::<String>("select group_concat(b) from a"), "1,2");
    assert_eq!(world.sql::<i64>("select alike from seen"), 0, "the setting was replayed");
    let last = world.ledger().entries.pop().unwrap();
    assert_eq!((last.event, last.parts_done, last.parts_total), (EntryEvent::Done, Some(5), Some(5)));
}

#[test]
fn a_script_that_committed_nothing_left_nothing() {
    let world = World::new();
    let mut locked = world.lock();
    for text in [
        "nonsense",
        "begin; create table a(b); insert into nowhere values (1); commit",
        "pragma foreign_keys = off; begin; create table a(b); nonsense; commit;",
        "begin; create table a(b);",
        "select 1; create table a(b unique) as",
    ] {
        let failure = run(locked.as_mut(), &[in_parts(1, text)]).failure();
        assert_eq!(failure.kept, Kept::Nothing, "{text}");
        assert!(world.ledger().entries.is_empty(), "{text}");
        assert_eq!(world.sql::<i64>("select count(*) from sqlite_schema where name = 'a'"), 0, "{text}");
    }
}

#[test]
fn a_transaction_that_is_left_open_is_a_failure() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "create table a(b); begin; insert into a values (1);";
    let failure = run(locked.as_mut(), &[in_parts(1, text)]).failure();
    assert_eq!((failure.what.as_str(), failure.kept), ("did not commit", Kept::Half(Some((1, 3)))));
    assert_eq!(world.sql::<i64>("select count(*) from a"), 0);
}

#[test]
fn a_rebuild_with_foreign_keys_off_loses_no_rows() {
    let world = World::new().option("foreign_keys", "true");
    let mut locked = world.lock();
    let first = "create table customer(id integer primary key, email text);
        create table purchase(id integer primary key, customer references customer(id) on delete cascade);
        insert into customer values (1, 'a'); insert into purchase values (1, 1);";
    let rebuild = "pragma foreign_keys = off; begin;
        create table customer_new(id integer primary key, email text not null);
        insert into customer_new select * from customer; drop table customer; alter table customer_new rename to customer;
        commit; pragma foreign_keys = on;";
    run(locked.as_mut(), &[step(1, first), in_parts(2, rebuild)]).all_done();
    assert_eq!(world.sql::<i64>("select count(*) from purchase"), 1);
    // And the next step has them on again.
    let failure = run(locked.as_mut(), &[step(3, "insert into purchase values (2, 77)")]).failure();
    assert!(failure.message.contains("FOREIGN KEY"));
}

#[test]
fn the_journal_is_part_of_the_scripts_own_transactions() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "begin; create table a(b); commit; begin; insert into a values (1); commit; nonsense";
    let failure = run(locked.as_mut(), &[in_parts(1, text)]).failure();
    assert_eq!(failure.kept, Kept::Half(Some((6, 7))));
    assert_eq!(world.sql::<i64>("select count(*) from a"), 1);
}

#[test]
fn a_statement_is_not_kept_by_a_run_that_lost_its_lease_meanwhile() {
    let world = World::new();
    let mut locked = world.lock();
    let stop = Stop::default();
    let event = |_: usize, event: StepEvent| {
        if matches!(event, StepEvent::Progress { done: 2, .. }) {
            world.execute("update stepladder_lease set token = 'another'");
        }
    };
    let context = Context { run: "r", stop: &stop, event: &event };
    let text = "create table a(b); insert into a values (1); insert into a values (2); insert into a values (3)";
    let failure = locked.run(&[in_parts(1, text)], &context).unwrap_err();
    assert_eq!((failure.what.as_str(), failure.kept), ("was stopped", Kept::Half(Some((2, 4)))));
    assert_eq!(world.sql::<i64>("select max(b) from a"), 1);
}

#[test]
fn a_constraint_that_is_checked_at_the_end_of_a_statement_has_its_line() {
    let world = World::new().option("foreign_keys", "true");
    let mut locked = world.lock();
    let text = "create table a(b primary key);\ncreate table c(d references a deferrable initially deferred);\n
        -- no parent\ninsert into c values (1);";
    let failure = run(locked.as_mut(), &[in_parts(1, text)]).failure();
    assert_eq!((failure.line, failure.kept), (Some(5), Kept::Half(Some((2, 3)))));
    assert!(failure.message.contains("FOREIGN KEY"));
}

#[test]
fn a_long_script_in_parts_is_not_slow() {
    let world = World::new();
    let mut locked = world.lock();
    let rows = "insert into a values ('0123456789 0123456789 0123456789 0123456789');\n".repeat(20_000);
    let started = std::time::Instant::now();
    run(locked.as_mut(), &[in_parts(1, &format!("create table a(b);\nbegin;\n{rows}commit;"))]).all_done();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(world.ledger().entries.last().unwrap().parts_done, Some(20_003));
}

#[test]
fn journal_modes_can_be_switched_both_ways() {
    let world = World::new();
    let mut locked = world.lock();
    let mut heart = locked.heart().unwrap();
    assert!(heart.beat().unwrap());
    for (number, mode) in [(1, "wal"), (2, "delete"), (3, "wal")] {
        let text = format!("pragma journal_mode = {mode}; create table t{number}(a); vacuum");
        run(locked.as_mut(), &[in_parts(number, &text)]).all_done();
        assert_eq!(world.sql::<String>("pragma journal_mode"), mode);
        assert!(heart.beat().unwrap());
    }
    locked.release().unwrap();
    assert_eq!(world.files(), ["app.db"]);
}

#[test]
fn a_connection_that_locks_exclusively_does_not_lock_us_out() {
    let world = World::new();
    let mut locked = world.lock();
    let mut heart = locked.heart().unwrap();
    run(
        locked.as_mut(),
        &[in_parts(1, "pragma locking_mode = exclusive; create table a(b); insert into a values (1)")],
    )
    .all_done();
    assert!(heart.beat().unwrap());
    run(locked.as_mut(), &[step(2, "insert into a values (2)")]).all_done();
}

#[test]
fn shell_commands_are_refused_before_anything_runs() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "create table a(b);\n.read other.sql\n";
    for attempt in [step(1, text), in_parts(1, text)] {
        let failure = run(locked.as_mut(), &[attempt]).failure();
        assert_eq!((failure.line, failure.kept), (Some(2), Kept::Nothing));
        assert_eq!(failure.message, "`.read other.sql` is a command of the sqlite3 shell, not SQL");
    }
    assert!(world.ledger().entries.is_empty());
    let unseen = Step { shape: Default::default(), ..step(1, text) };
    let failure = run(locked.as_mut(), &[unseen]).failure();
    assert!(failure.hints[0].contains("sqlite3 shell"), "{failure:?}");
}
