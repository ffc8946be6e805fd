use super::*;
use crate::FailureKind;
use crate::domain::EntryEvent;

#[test]
fn looking_creates_nothing() {
    let world = World::new();
    let mut store = world.store();
    assert_eq!(store.look().unwrap(), Ledger::default());
    assert!(store.holder().unwrap().is_none());
    assert!(store.stored_down(Version::new(1)).unwrap().is_none());
    assert!(store.inventory().unwrap().is_empty());
    assert!(store.probe().unwrap().server.contains("is not there yet"));
    store.preview(&[step(1, "select 1"), in_parts(2, "vacuum")], "r").unwrap();
    assert!(store.client().unwrap().is_none());
    assert!(world.files().is_empty());
}

#[test]
fn looking_into_a_database_leaves_it_as_it_was() {
    for mode in ["delete", "wal"] {
        let world = World::new();
        world.execute(&format!("pragma journal_mode = {mode}; create table t(a); insert into t values (1)"));
        let before = std::fs::read(world.path()).unwrap();
        let mut store = world.store();
        assert!(!store.look().unwrap().exists);
        assert!(store.holder().unwrap().is_none());
        assert_eq!(store.inventory().unwrap(), ["table t (1 row)"]);
        assert!(store.probe().unwrap().server.contains(&format!("journal mode {mode}")));
        assert_eq!(world.files(), ["app.db"], "{mode}");
        assert_eq!(std::fs::read(world.path()).unwrap(), before, "{mode}");
    }
}

#[test]
fn what_is_no_database_is_refused_before_anything_runs() {
    let world = World::new();
    std::fs::write(world.path(), "this is a text file and not a database, however long one makes it".repeat(99))
        .unwrap();
    std::fs::create_dir(world.folder.path().join("folder")).unwrap();
    for (url, message) in [
        ("sqlite:app.db", "app.db is not a SQLite database"),
        ("sqlite:folder", "folder is a folder, not a database"),
        ("sqlite:app.db/x", "app.db/x cannot be opened: Not a directory (os error 20)"),
    ] {
        let mut store = world.open(url).unwrap();
        let failure = store.look().unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Unreachable, message));
        assert!(store.probe().is_err());
        assert!(store.lock(&owner()).is_err(), "{url}");
    }
    let mut store = world.open("sqlite:nowhere/app.db").unwrap();
    assert!(!store.look().unwrap().exists);
    let failure = store.lock(&owner()).err().unwrap();
    assert_eq!(failure.message, "the folder of nowhere/app.db does not exist");
    assert_eq!(world.files(), ["app.db", "folder"]);
}

#[test]
fn a_database_that_is_opened_read_only_is_looked_into_and_not_locked() {
    let world = World::new();
    world.lock().release().unwrap();
    let mut store = world.open("sqlite:app.db?mode=ro").unwrap();
    assert!(store.look().unwrap().exists);
    let failure = store.lock(&owner()).err().unwrap();
    assert!(failure.message.contains("mode=ro"), "{failure}");
    let failure = world.open("sqlite:other.db?mode=rw").unwrap().lock(&owner()).err().unwrap();
    assert_eq!(failure.message, "there is no database other.db");
}

#[test]
fn a_database_in_memory_is_refused() {
    let failure = World::new().open("sqlite::memory:").err().unwrap();
    assert_eq!(failure.kind, FailureKind::Usage);
}

#[test]
fn options_are_checked() {
    for (key, value) in [("foreign_keys", "maybe"), ("busy_timeout", "soon"), ("journal_mode", "off")] {
        let failure = World::new().option(key, value).open("sqlite:app.db").err().unwrap();
        assert!(failure.message.contains(&format!("`{key} = {value}`")), "{failure}");
    }
}

#[test]
fn a_newer_ledger_is_refused_and_not_touched() {
    let world = World::new();
    world.lock().release().unwrap();
    world.execute("update stepladder_meta set format = 99");
    let failure = world.store().look().unwrap_err();
    assert!(failure.message.contains("newer Stepladder"), "{failure}");
    assert!(world.store().lock(&owner()).is_err());
    assert_eq!(world.sql::<i64>("select count(*) from stepladder_lease"), 0);
}

#[test]
fn the_ledger_can_be_read_by_old_libraries_and_has_a_view() {
    let world = World::new();
    let mut locked = world.lock();
    run(locked.as_mut(), &[step(1, "create table a(b)"), step(2, "create table c(d)")]).all_done();
    let down = Step { direction: Direction::Down, index: 3, ..step(2, "drop table c") };
    run(locked.as_mut(), &[down]).all_done();
    locked.release().unwrap();
    assert_eq!(world.sql::<String>("select group_concat(version) from stepladder_applied"), "1");
    assert_eq!(world.sql::<i64>("select count(*) from pragma_table_list where strict"), 0);
    assert_eq!(world.sql::<i64>("select count(*) from sqlite_schema where name = 'sqlite_sequence'"), 0);
    let events: Vec<_> = world.ledger().entries.iter().map(|e| (e.event, e.direction)).collect();
    let (up, down) = (Direction::Up, Direction::Down);
    assert_eq!(events, [(EntryEvent::Done, up), (EntryEvent::Done, up), (EntryEvent::Done, down)]);
}

#[test]
fn a_dry_run_shows_the_statements_of_a_run() {
    let world = World::new();
    let up = Step { down: Some(script("drop table a")), ..step(14, "create table a(b)") };
    let preview = world.store().preview(&[up, in_parts(15, "vacuum")], "r").unwrap();
    assert_eq!(preview.client, "sqlite (built in) app.db");
    let atomic = &preview.steps[0];
    assert_eq!(atomic[0], "begin immediate;");
    assert_eq!(atomic[1], ".read migrations/sqlite/014_step.up.sql");
    assert!(atomic[2].starts_with("insert into main.stepladder_ledger ("), "{}", atomic[2]);
    assert!(atomic[2].contains("'done', 'up', '14', '014_step'") && atomic[2].contains("x'...'"), "{}", atomic[2]);
    assert!(atomic[2].ends_with("where id = 1 and token = '***');"), "{}", atomic[2]);
    assert_eq!(atomic[3], "commit;");
    let parts = &preview.steps[1];
    assert!(parts[1].contains("statement by statement") && parts[2] == "begin immediate;" && parts[5] == "commit;");
    assert!(parts[4].contains(", 1, 1, NULL where exists"), "{}", parts[4]);
}

#[test]
fn programs_are_told_where_the_database_is() {
    let world = World::new();
    let environment = world.store().environment();
    let of = |name: &str| environment.iter().find(|(n, _)| n == name).unwrap().1.reveal().to_owned();
    assert_eq!(of("SQLITE_DATABASE"), world.path().to_str().unwrap());
    assert_eq!(of("STEPLADDER_URL"), format!("sqlite://{}", world.path().display()));
    assert_eq!(world.open(&of("STEPLADDER_URL")).unwrap().address(), "app.db");
}
