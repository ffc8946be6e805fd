//! Redis: what a person reads when a script is wrong, and the ways in. The tests that need a server say so and are left out
//! without `STEPLADDER_TEST_REDIS_URL`; in CI that is a failure.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use insta::assert_snapshot;

use crate::world::World;

const UP: &str = "migrations/redis/001_a.up.redis";
const PROGRAM: &str = "migrations/redis/001_a.up.lua";

fn variable(name: &str) -> Option<String> {
    std::env::var(format!("STEPLADDER_TEST_REDIS_{name}")).ok().filter(|v| !v.is_empty())
}

/// The server that the tests may use.
fn server() -> Option<String> {
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let url = variable("URL").filter(|_| wish != "none");
    assert!(url.is_some() || !needed, "STEPLADDER_TEST_REDIS_URL is not set");
    url
}

fn offline(script: &str) -> World {
    World::new()
        .file("stepladder.toml", "[stores.redis]\nurl = \"redis://me:s3cret@127.0.0.1:1/2\"\n")
        .file(UP, script)
        .file("migrations/redis/001_a.down.redis", "# nothing\n")
}

/// A project in a database of its own, emptied before and after.
struct Store {
    world: World,
    url: String,
    _alone: MutexGuard<'static, ()>,
}

/// One test at a time: the server serves nobody while an endless program runs.
static ALONE: Mutex<()> = Mutex::new(());

impl Store {
    fn new(url: &str, database: u8) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let url = format!("{url}/{database}");
        let world = World::new().file("stepladder.toml", "[stores.redis]\n").variable("REDIS_URL", &url);
        let store = Self { world: world.file("migrations/redis/001_a.down.redis", "# nothing\n"), url, _alone: alone };
        store.ask(&["FLUSHDB"]);
        store
    }

    fn ask(&self, words: &[&str]) -> String {
        let output =
            Command::new("redis-cli").args(["--no-auth-warning", "-u", &self.url]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.ask(&["FLUSHDB"]);
    }
}

#[test]
fn a_dry_run_shows_the_commands_in_their_pieces() {
    let world = offline("# top\nSET 'a b' \"x\\\"y\\n\"\nBLPOP q 1\nDEL a\n");
    assert_snapshot!(world.shows("up --dry-run --offline"), @r#"
    redis   1 step, built in:
      001_a   this store cannot undo a script
        1 command as one Lua script with the journal:
          SET "a b" "x\"y\n"
        alone, then its journal:
          BLPOP q 1
        1 command as one Lua script with the journal:
          DEL a
        entry: 001_a is done
    1 step in 1 store would run. Nothing was changed.
    "#);
    let said = offline("SET a 1\nSET b 'x\n").run("validate").all();
    assert!(said.contains("001_a.up.redis:2") && said.contains("never closed"), "{said}");
}

#[test]
fn a_connection_that_means_nothing_is_refused_without_its_secret() {
    for url in ["redis://u:s3cret@h/x", "redis+sentinel://:s3cret@h:1"] {
        let world = offline("").file("stepladder.toml", format!("[stores.redis]\nkind = \"redis\"\nurl = \"{url}\"\n"));
        let said = world.run("status");
        assert!(said.code == 2 && said.all().contains("cannot be understood"), "{}", said.all());
        assert!(!said.all().contains("s3cret"), "{}", said.all());
    }
}

#[test]
fn a_slip_is_told_with_its_line_before_anything_runs() {
    let Some(url) = server() else { return };
    let store = Store::new(&url, 91);
    for (line, words) in [
        ("SETT a 1", "the server knows no command `SETT`"),
        ("GET", "wrong number of arguments for GET: it takes 1, and 0 are given"),
        ("CONFIG SAT a", "the server knows no subcommand `SAT` of CONFIG"),
        ("FLUSHDB", "takes the ledger away"),
        ("SELECT 3", "leaves the database"),
        ("MULTI", "begins or ends a transaction"),
        ("SUBSCRIBE x", "never comes to an end"),
        ("DEL {stepladder}:ledger", "names a key of the ledger"),
    ] {
        store.world.write(UP, format!("SET first 1\n{line}\n"));
        let said = store.world.run("up");
        assert_eq!(said.code, 1, "{line}: {}", said.all());
        let all = said.all();
        assert!(
            all.contains("001_a.up.redis:2") && all.contains(words) && all.contains("nothing of it was kept"),
            "{all}"
        );
        assert_eq!(store.ask(&["EXISTS", "first"]), "0", "{line}");
    }
}

#[test]
fn a_half_is_counted_and_resumed() {
    let Some(url) = server() else { return };
    let store = Store::new(&url, 92);
    store.world.write(UP, "SET s x\nSET a 1\nINCR n\nLPUSH s 1\nSET c 1\nSET d 1\nSET e 1\n");
    let said = store.world.run("up");
    assert_eq!(said.code, 1);
    let all = said.all();
    for words in ["001_a.up.redis:4", "WRONGTYPE", "parts 1 to 3 of 7", "repair redis/1 --resume"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert_eq!(store.ask(&["EXISTS", "a", "c"]), "1");
    store.world.write(UP, "SET s x\nSET a 1\nINCR n\nSET l 1\nSET c 1\nSET d 1\nSET e \"\\xff\\x00\"\n");
    store.world.ok("repair redis/1 --resume --yes");
    assert_eq!((store.ask(&["GET", "n"]), store.ask(&["STRLEN", "e"])), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn what_was_sent_behind_a_failure_does_nothing() {
    let Some(url) = server() else { return };
    let store = Store::new(&url, 96);
    std::fs::remove_file(store.world.path("migrations/redis/001_a.down.redis")).unwrap();
    for n in 1..=350 {
        let command = if n == 50 { "INCR list" } else { "RPUSH list x" };
        store.world.write(&format!("migrations/redis/{n:03}_s.up.redis"), format!("{command}\n"));
        store.world.write(&format!("migrations/redis/{n:03}_s.down.redis"), "RPOP list\n");
    }
    let said = store.world.run("up").all();
    assert!(said.contains("050_s.up.redis:1") && said.contains("nothing of it was kept"), "{said}");
    assert_eq!((store.ask(&["LLEN", "list"]), store.ask(&["LLEN", "{stepladder}:ledger"])), ("49".into(), "50".into()));
    store.world.write("migrations/redis/050_s.up.redis", "RPUSH list x\n");
    store.world.ok("up");
    store.world.ok("down 340");
    assert_eq!(store.ask(&["LLEN", "list"]), "10");
}

#[test]
fn programs_are_told_their_line_and_ended_in_time() {
    let Some(url) = server() else { return };
    let store = Store::new(&url, 93);
    store.world.write(
        PROGRAM,
        "-- KEYS: 'a b'\n-- ARGV: 7\nredis.call('SET', KEYS[1], ARGV[1])\nredis.call('LPUSH', KEYS[1], 1)\n",
    );
    let all = store.world.run("up").all();
    assert!(all.contains("001_a.up.lua:4") && all.contains("WRONGTYPE") && all.contains("--mark reverted"), "{all}");
    assert_eq!(store.ask(&["GET", "a b"]), "7");
    store.world.ok("repair redis/1 --mark reverted");
    // It has to go on where it says, and come to an end.
    store.world.write(
        PROGRAM,
        "-- stepladder: no-transaction\nredis.call('RPUSH', 'cursors', ARGV[1])\nreturn ARGV[1] == '3' and '0' or tostring(ARGV[1] + 1)\n",
    );
    store.world.ok("up");
    assert_eq!(store.ask(&["LRANGE", "cursors", "0", "-1"]), "0\n1\n2\n3");
    store.world.write("migrations/redis/002_endless.up.lua", "-- stepladder: timeout 1s\nwhile true do end\n");
    store.world.write("migrations/redis/002_endless.down.lua", "return 1\n");
    let said = store.world.run("up");
    assert!(said.code == 1 && said.all().contains("ran out of time after 1 s"), "{}", said.all());
    assert!(said.all().contains("nothing of it was kept"), "{}", said.all());
    store.world.write("migrations/redis/002_endless.up.lua", "-- fine\nlocal x = 1\nreturn (x\n");
    let said = store.world.run("up").all();
    assert!(said.contains("002_endless.up.lua:") && said.contains("nothing of it was kept"), "{said}");
}

#[test]
fn ways_in() {
    let Some(url) = server() else { return };
    let emptied = Store::new(&url, 94);
    let world = offline("SET a 1\n");
    let (Some(tls), Some(ca), Some(wrong)) = (variable("TLS_URL"), variable("CA"), variable("WRONG_CA")) else {
        return;
    };
    let over = |ca: &str| {
        world.write("stepladder.toml", format!("[stores.redis]\nurl = \"{tls}/94\"\nca = \"{ca}\"\n"));
        world.run("up")
    };
    let said = over(&wrong);
    assert!(said.code == 6 && said.all().contains("certificate"), "{}", said.all());
    assert_eq!(over(&ca).code, 0);
    // Who may not append to the ledger learns it before the script has done anything.
    emptied.ask(&["ACL", "SETUSER", "narrow", "on", ">pw-5520", "~*", "+@all", "-rpush"]);
    let at = url.rsplit_once('@').unwrap().1;
    world.write("stepladder.toml", format!("[stores.redis]\nurl = \"redis://narrow:pw-5520@{at}/94\"\n"));
    world.write("migrations/redis/002_b.up.redis", "SET b 1\n");
    world.write("migrations/redis/002_b.down.redis", "DEL b\n");
    let said = world.run("up");
    emptied.ask(&["ACL", "DELUSER", "narrow"]);
    assert!(said.code == 1 && said.all().contains("may not use RPUSH"), "{}", said.all());
    assert_eq!(emptied.ask(&["EXISTS", "b"]), "0");
    if let Some(reader) = variable("READER_URL") {
        world.write("stepladder.toml", format!("[stores.redis]\nurl = \"{reader}/94\"\n"));
        world.ok("status");
        let said = world.run("down");
        assert!(said.code == 1 && said.all().contains("NOPERM"), "{}", said.all());
    }
}

#[test]
fn a_ledger_that_may_be_evicted_is_told_once_and_nothing_refused() {
    let Some(url) = server() else { return };
    let store = Store::new(&url, 95);
    store.world.write(UP, "SET a 1\n");
    assert!(!store.world.run("check").all().contains("allkeys"));
    let set = |policy: &str, most: &str| {
        store.ask(&["CONFIG", "SET", "maxmemory-policy", policy]);
        store.ask(&["CONFIG", "SET", "maxmemory", most]);
    };
    set("allkeys-lru", "4gb");
    let said: Vec<_> =
        ["up", "up", "check", "doctor", "status"].map(|command| (command, store.world.run(command))).into();
    // The same where it keeps another store's ledger.
    store.world.write("stepladder.toml", "[stores.redis]\n[stores.jobs]\nkind = \"shell\"\nledger = \"redis\"\n");
    store.world.write("migrations/jobs/001_a.up.sh", "#!/bin/sh\n");
    store.world.write("migrations/jobs/001_a.down.sh", "#!/bin/sh\n");
    let as_host = store.world.run("up");
    set("noeviction", "0");
    assert_eq!((as_host.code, as_host.all().matches("allkeys-lru").count()), (0, 1), "{}", as_host.all());
    for (command, said) in said {
        let times = said.all().matches("allkeys-lru").count();
        assert_eq!((said.code, times), (0, usize::from(command != "status")), "{command}: {}", said.all());
    }
    assert_eq!(store.ask(&["GET", "a"]), "1");
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some(url) = server() else { return };
    let store = Store::new(&url, 97);
    let world = World::new().file("stepladder.toml", "[stores.redis]\n");
    let world = world.variable("REDIS_URL", &crate::relay::cutting_idle_ones(&store.url));
    crate::relay::outlives_idle_connections(&world, "redis", "redis", "SET a 1\n");
}
