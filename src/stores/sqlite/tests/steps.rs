use std::time::Instant;

use super::*;
use crate::FailureKind;
use crate::domain::{EntryEvent, State, fold};
use crate::stores::{Kept, StopReason};

#[test]
fn steps_are_applied_in_order_and_recorded() {
    let world = World::new();
    let mut locked = world.lock();
    let first = Step { down: Some(script("drop table a;\n")), ..step(1, "create table a(b)") };
    let ran = run(locked.as_mut(), &[first, step(2, "insert into a values (1); select b from a")]);
    assert_eq!(ran.outcome, Ok(Outcome::AllDone));
    assert_eq!(ran.events.len(), 5, "{:?}", ran.events);
    assert!(matches!(ran.events[1], (1, StepEvent::Done { .. })));
    assert_eq!(ran.events[3], (2, StepEvent::Said("1".to_owned())));
    assert_eq!(locked.stored_down(Version::new(1)).unwrap(), Some(script("drop table a;\n")));
    assert_eq!(locked.stored_down(Version::new(2)).unwrap(), None);
    assert_eq!(locked.look().unwrap(), world.ledger());
    locked.release().unwrap();
    let entries = world.ledger().entries;
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|e| e.event == EntryEvent::Done && e.duration_ms.is_some() && e.who.contains('@')));
    assert_eq!(entries[1].ordinal, 2);
    assert!((entries[0].at_ms - jiff::Timestamp::now().as_millisecond()).abs() < 60_000);
    assert_eq!(world.files(), ["app.db"]);
}

#[test]
fn a_rejected_script_leaves_nothing_and_says_its_line() {
    let world = World::new();
    let mut locked = world.lock();
    let bad =
        step(2, "create table c(d);\ninsert into a values (1);\ninsert into a\n  values (1);\ncreate table e(f);\n");
    let steps = [step(1, "create table a(b unique)"), bad, step(3, "create table g(h)")];
    let failure = run(locked.as_mut(), &steps).failure();
    assert_eq!((failure.index, failure.line, failure.kept), (2, Some(3), Kept::Nothing));
    assert_eq!(failure.what, "was rejected");
    assert_eq!(failure.message, "UNIQUE constraint failed: a.b (SQLITE_CONSTRAINT_UNIQUE)");
    assert_eq!(
        world.sql::<String>("select group_concat(name) from sqlite_schema where sql like 'create table _(%'"),
        "a"
    );
    assert_eq!(world.ledger().entries.len(), 1);
    // The connection is fit for more.
    run(locked.as_mut(), &[step(2, "create table c(d)")]).all_done();
}

#[test]
fn a_commit_that_was_not_recognised_is_refused() {
    let world = World::new();
    let mut locked = world.lock();
    for (text, line) in [
        ("create table a(b);\ncommit; begin; create table c(d)", 2),
        ("create table a(b);\n\nrollback;", 3),
        ("begin; create table a(b); commit;", 1),
        ("end", 1),
    ] {
        let failure = run(locked.as_mut(), &[step(1, text)]).failure();
        assert_eq!((failure.line, failure.kept), (Some(line), Kept::Nothing), "{text}");
        assert!(failure.message.contains("inside the transaction"), "{}", failure.message);
        assert!(failure.hints[0].contains("no-transaction"));
    }
    assert_eq!(world.sql::<i64>("select count(*) from sqlite_schema where name in ('a', 'c')"), 0);
    assert!(world.ledger().entries.is_empty());
}

#[test]
fn savepoints_are_the_scripts_own_affair() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "create table a(b); savepoint s; insert into a values (1); rollback to s; release s;
        savepoint t; insert into a values (2); release t";
    run(locked.as_mut(), &[step(1, text)]).all_done();
    assert_eq!(world.sql::<i64>("select sum(b) from a"), 2);
}

#[test]
fn a_rollback_by_a_constraint_leaves_nothing() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "create table a(b unique); insert into a values (1); insert or rollback into a values (1); select 1";
    let failure = run(locked.as_mut(), &[step(1, text)]).failure();
    assert_eq!(failure.kept, Kept::Nothing);
    assert!(world.ledger().entries.is_empty());
    assert_eq!(world.sql::<i64>("select count(*) from sqlite_schema where name = 'a'"), 0);
}

#[test]
fn a_constraint_that_is_checked_at_the_commit_leaves_nothing() {
    let world = World::new().option("foreign_keys", "true");
    let mut locked = world.lock();
    let text = "create table a(b primary key); create table c(d references a deferrable initially deferred);
        insert into c values (1)";
    let failure = run(locked.as_mut(), &[step(1, text)]).failure();
    assert_eq!((failure.what.as_str(), failure.kept), ("could not be committed", Kept::Nothing));
    assert!(failure.message.contains("FOREIGN KEY constraint failed"));
    assert!(world.ledger().entries.is_empty());
}

#[test]
fn foreign_keys_are_off_as_in_sqlite_itself() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "create table a(b primary key); create table c(d references a); insert into c values (1)";
    run(locked.as_mut(), &[step(1, text)]).all_done();
    let failure = run(locked.as_mut(), &[step(2, "select 1;\npragma foreign_keys = on")]).failure();
    assert_eq!(failure.line, Some(2));
    assert_eq!(failure.message, "PRAGMA foreign_keys has no effect inside a transaction");
}

#[test]
fn nothing_of_a_script_leaks_into_the_next() {
    let world = World::new();
    let mut locked = world.lock();
    let other = world.folder.path().join("other.db");
    let leak = format!(
        "create temp table t(a); pragma case_sensitive_like = on; pragma recursive_triggers = on; attach '{}' as other;
         create table x(a); create temp view v as select 1; pragma temp.user_version = 4",
        other.display()
    );
    let check = "create table seen as select
        (select count(*) from sqlite_temp_schema) as temps, 'a' like 'A' as alike,
        (select count(*) from pragma_database_list where name not in ('main', 'temp')) as attached,
        (select recursive_triggers from pragma_recursive_triggers) as triggers;";
    run(locked.as_mut(), &[step(1, &leak), step(2, check)]).all_done();
    assert_eq!(world.sql::<String>("select temps || alike || attached || triggers from seen"), "0100");
}

#[test]
fn the_ledger_is_out_of_reach_of_scripts() {
    let world = World::new();
    let mut locked = world.lock();
    for text in [
        "delete from stepladder_ledger",
        "drop table stepladder_lease",
        "update main.STEPLADDER_LEASE set token = 'x'",
        "alter table stepladder_meta rename to x",
        "create trigger t before insert on stepladder_ledger begin select raise(ignore); end",
        "drop view stepladder_applied",
    ] {
        for attempt in [step(1, text), in_parts(1, text)] {
            let failure = run(locked.as_mut(), &[attempt]).failure();
            assert!(failure.message.contains("Stepladder's own"), "{text}: {}", failure.message);
            assert_eq!(failure.kept, Kept::Nothing, "{text}");
        }
    }
    run(locked.as_mut(), &[step(1, "create table stepladder_notes as select count(*) from stepladder_ledger")])
        .all_done();
}

#[test]
fn hostile_texts_come_back_whole() {
    let world = World::new();
    let mut locked = world.lock();
    let long = "x".repeat(1 << 20);
    let texts = ["it''s \\ \"q\" `b` \t tab 🪜 é", "a\r\nb", "-- no comment /* neither */ ;", &long];
    for (number, text) in (1u128..).zip(texts) {
        let sql = format!("create table t{number}(a);\r\ninsert into t{number} values ('{text}') -- end");
        let down = script(&format!("-- {text}\r\ndrop table t{number} /* 🪜 */"));
        run(locked.as_mut(), &[Step { down: Some(down.clone()), ..step(number, &sql) }]).all_done();
        assert_eq!(world.sql::<String>(&format!("select a from t{number}")), text.replace("''", "'"));
        assert_eq!(locked.stored_down(Version::new(number)).unwrap(), Some(down));
    }
    run(locked.as_mut(), &[step(9, ""), step(10, "-- only a comment"), step(11, "/* open")]).all_done();
    let failure = run(locked.as_mut(), &[step(12, "create table z(a);\n\0create table y(a);")]).failure();
    assert_eq!((failure.line, failure.kept), (Some(2), Kept::Nothing));
}

#[test]
fn bodies_of_triggers_are_one_statement() {
    let world = World::new();
    let mut locked = world.lock();
    let text = "create table a(b, c);\ncreate trigger t after insert on a when new.b = ';' begin
        update a set c = case when b = 1 then 'x;' else 'y' end;\n  delete from a where b = 3; end;\ninsert into a values (';', 0);";
    run(locked.as_mut(), &[step(1, text)]).all_done();
    let again = ["table a(", "on a when", "update a ", "from a ", "into a "]
        .iter()
        .fold(text.replace(" t ", " u "), |t, part| t.replace(part, &part.replace(" a", " e")));
    run(locked.as_mut(), &[in_parts(2, &again)]).all_done();
    assert_eq!(world.sql::<String>("select c from a"), "y");
    assert_eq!(world.sql::<String>("select c from e"), "y");
    assert_eq!(world.ledger().entries.last().unwrap().parts_total, Some(3));
}

#[test]
fn a_long_script_is_not_slow() {
    let world = World::new();
    let mut locked = world.lock();
    let row = "insert into a values ('0123456789 0123456789 0123456789 0123456789 0123456789');\n";
    let text = format!("create table a(b);\n{}", row.repeat(5 * (1 << 20) / row.len()));
    let started = Instant::now();
    run(locked.as_mut(), &[step(1, &text)]).all_done();
    assert_eq!(world.sql::<i64>("select count(*) from a"), (5 * (1 << 20) / row.len()) as i64);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

const ENDLESS: &str = "create table a(b);\ninsert into a with recursive n(i) as (select 1 union all select i + 1 from n) select i from n;";

#[test]
fn a_script_is_interrupted_at_its_deadline() {
    let world = World::new();
    let mut locked = world.lock();
    for endless in [step(1, ENDLESS), in_parts(1, &format!("begin;\n{ENDLESS}\ncommit"))] {
        let endless = Step { timeout: Some(Duration::from_millis(200)), ..endless };
        let started = Instant::now();
        let failure = run(locked.as_mut(), &[endless]).failure();
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(failure.what, "ran out of time after 0.2 s");
        assert_eq!((failure.kept, failure.kind), (Kept::Nothing, FailureKind::Failed));
        assert!(world.ledger().entries.is_empty());
    }
    run(locked.as_mut(), &[step(1, "create table a(b)")]).all_done();
}

#[test]
fn a_script_is_interrupted_when_the_run_is() {
    let world = World::new();
    let mut locked = world.lock();
    let stop = Stop::default();
    let asking = stop.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        asking.ask(StopReason::Interrupted);
    });
    let ran = run_until(locked.as_mut(), &[step(1, ENDLESS), step(2, "create table c(d)")], &stop);
    thread.join().unwrap();
    let failure = ran.failure();
    assert_eq!((failure.what.as_str(), failure.kind), ("was interrupted", FailureKind::Interrupted));
    assert_eq!(failure.line, Some(2));
    assert!(world.ledger().entries.is_empty());
    assert_eq!(run_until(locked.as_mut(), &[step(2, "create table c(d)")], &stop).outcome, Ok(Outcome::Stopped));
}

#[test]
fn what_cannot_run_in_a_transaction_is_told_to_use_the_directive() {
    let world = World::new();
    let mut locked = world.lock();
    for text in ["vacuum", "pragma journal_mode = wal", "pragma synchronous = off"] {
        let failure = run(locked.as_mut(), &[step(1, text)]).failure();
        assert!(failure.hints.iter().any(|h| h.contains("no-transaction")), "{text}: {failure:?}");
    }
    run(locked.as_mut(), &[in_parts(1, "vacuum; pragma synchronous = off; pragma journal_mode = wal")]).all_done();
}

#[test]
fn a_seed_is_one_transaction_without_an_entry() {
    let world = World::new();
    let mut locked = world.lock();
    let (stop, event) = (Stop::default(), |_: usize, _: StepEvent| {});
    let context = Context { run: "r", stop: &stop, event: &event };
    locked.seed(&step(0, "create table a(b); insert into a values (1)"), &context).unwrap();
    let failure = locked.seed(&step(0, "insert into a values (2);\nnonsense"), &context).unwrap_err();
    assert_eq!((failure.line, failure.kept), (Some(2), Kept::Nothing));
    locked.seed(&in_parts(0, "begin; insert into a values (3); commit; vacuum"), &context).unwrap();
    assert_eq!(world.sql::<i64>("select sum(b) from a"), 4);
    assert!(world.ledger().entries.is_empty());
}

#[test]
fn wiping_drops_all_of_the_users_things_and_nothing_else() {
    let world = World::new();
    world.execute(
        "create table parent(id integer primary key autoincrement); create table \"a \"\"b\"\" c\"(p references parent);
         insert into parent default values; insert into \"a \"\"b\"\" c\" values (1); create index i on parent(id);
         create view v as select * from gone; create virtual table f using fts5(body); create virtual table r using rtree(i, a, b);
         insert into f values ('x'); create trigger t after insert on parent begin select 1; end; analyze;
         pragma user_version = 7; create table stepladder_notes(a); create table empty(a); drop table empty",
    );
    let world = World { options: world.options.clone(), ..world }.option("foreign_keys", "on");
    let inventory = world.store().inventory().unwrap();
    assert!(inventory.contains(&"table a \"b\" c (1 row)".to_owned()), "{inventory:?}");
    assert!(inventory.contains(&"virtual table f".to_owned()), "{inventory:?}");
    let mut locked = world.lock();
    run(locked.as_mut(), &[step(1, "create table late(a)")]).all_done();
    locked.wipe().unwrap();
    assert!(world.store().inventory().unwrap().is_empty());
    let left = "select group_concat(name) from (select name from sqlite_schema order by name)";
    assert_eq!(
        world.sql::<String>(left),
        "sqlite_sequence,stepladder_applied,stepladder_lease,stepladder_ledger,stepladder_meta"
    );
    assert_eq!(world.sql::<i64>("pragma user_version"), 0);
    assert!(world.ledger().entries.is_empty() && world.store().holder().unwrap().is_some());
    run(locked.as_mut(), &[step(1, "create table late(a)")]).all_done();
    assert_eq!(fold(&world.ledger().entries)[&Version::new(1)].state, State::Applied);
    locked.release().unwrap();
}
