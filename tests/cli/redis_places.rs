//! Redis on more than one server: a cluster, replicas, sentinels. The tests that need servers are left out without
//! `STEPLADDER_TEST_REDIS_URL` or `STEPLADDER_TEST_REDISCLUSTER_URL`; in CI that is a failure.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::redis_servers::{Server, variable};
use crate::world::World;

const UP: &str = "migrations/redis/001_a.up.redis";
const DOWN: &str = "migrations/redis/001_a.down.redis";

fn ask(url: &str, words: &[&str]) -> String {
    let output = Command::new("redis-cli").args(["--no-auth-warning", "-c", "-u", url]).args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// The first of the test's clusters, which this test has to itself.
struct Cluster {
    world: World,
    nodes: Vec<String>,
    _alone: File,
}

impl Cluster {
    fn new(url: &str) -> Self {
        let (before, port) = url.rsplit_once(':').unwrap();
        let port: u16 = port.trim_end_matches('/').parse().unwrap();
        let nodes: Vec<String> = (port..port + 3).map(|port| format!("{before}:{port}")).collect();
        // The conformance suite takes the same lock.
        let path = std::env::temp_dir().join(format!("stepladder-conformance-redis-{port}-0.lock"));
        let lock = File::options().create(true).truncate(false).write(true).open(path).unwrap();
        // SAFETY: `flock` takes any descriptor, and this one is open.
        assert_eq!(unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) }, 0);
        let world = World::new().file("stepladder.toml", "[stores.redis]\n").file(DOWN, "# nothing\n");
        let cluster = Self { world: world.variable("REDIS_URL", &nodes[2]), nodes, _alone: lock };
        cluster.clean();
        cluster
    }

    fn clean(&self) {
        self.nodes.iter().for_each(|node| drop(ask(node, &["FLUSHALL"])));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.clean();
    }
}

#[test]
fn a_cluster_takes_scripts_of_one_slot_and_single_commands_of_any() {
    let Some(url) = variable("STEPLADDER_TEST_REDISCLUSTER_URL") else { return };
    let cluster = Cluster::new(&url);
    let world = &cluster.world;
    for (script, line, words) in [
        ("SET a 1\nSET b 1\n", 2, "`a` (line 1) in 15495, `b` in 3300"),
        ("SET {a}x 1\n# no\nMSET {a}y 1 b 2\n", 3, "its keys are in several slots"),
        ("# stepladder: no-transaction\nSET a 1\nMSET a 1 b 2\n", 3, "its keys are in several slots"),
    ] {
        world.write(UP, script);
        let said = world.run("up").all();
        assert!(said.contains(&format!("001_a.up.redis:{line}")) && said.contains(words), "{said}");
        assert!(said.contains("{user:1}:name") && said.contains("nothing of it was kept"), "{said}");
        assert_eq!(ask(&url, &["EXISTS", "a"]), "0", "{script}");
    }
    world.write(UP, "# stepladder: no-transaction\nSET a 1\nSET b 1\nINCR c\nLPUSH a 1\nINCR c\n");
    let said = world.run("up").all();
    assert!(said.contains("001_a.up.redis:5") && said.contains("parts 1 to 3 of 5"), "{said}");
    world.write(UP, "# stepladder: no-transaction\nSET a 1\nSET b 1\nINCR c\nSET d 1\nINCR c\n");
    world.ok("repair redis/1 --resume --yes");
    assert_eq!((ask(&url, &["GET", "b"]), ask(&url, &["GET", "c"])), ("1".to_owned(), "2".to_owned()));
    // Half of what went to another node in one go is counted too.
    world.write("migrations/redis/002_b.up.redis", "SET {a}x 1\nINCR {a}n\nLPUSH {a}x 1\nINCR {a}n\n");
    world.write("migrations/redis/002_b.down.redis", "# nothing\n");
    let said = world.run("up").all();
    assert!(said.contains("002_b.up.redis:3") && said.contains("parts 1 and 2 of 4"), "{said}");
    world.write("migrations/redis/002_b.up.redis", "SET {a}x 1\nINCR {a}n\nSET {a}y 1\nINCR {a}n\n");
    world.ok("repair redis/2 --resume --yes");
    assert_eq!(ask(&url, &["GET", "{a}n"]), "2");
}

#[test]
fn a_cluster_takes_many_steps_at_once_beside_its_ledger() {
    let Some(url) = variable("STEPLADDER_TEST_REDISCLUSTER_URL") else { return };
    let cluster = Cluster::new(&url);
    cluster.world.write("stepladder.toml", "[stores.redis]\nprefix = \"{app}:\"\n");
    for n in 1..=250 {
        cluster.world.write(&format!("migrations/redis/{n:03}_s.up.redis"), format!("RPUSH {{app}}list {n}\n"));
        cluster.world.write(&format!("migrations/redis/{n:03}_s.down.redis"), "RPOP {app}list\n");
    }
    std::fs::remove_file(cluster.world.path(DOWN)).unwrap();
    cluster.world.write("migrations/redis/251_bad.up.redis", "SET {app}x 1\nINCR {app}list\n");
    cluster.world.write("migrations/redis/251_bad.down.redis", "DEL {app}x\n");
    let said = cluster.world.run("up").all();
    assert!(said.contains("251_bad.up.redis:2") && said.contains("part 1 of 2"), "{said}");
    let list = ask(&url, &["LRANGE", "{app}list", "0", "-1"]);
    assert_eq!(list.lines().map(|n| n.parse().unwrap()).collect::<Vec<u32>>(), (1..=250).collect::<Vec<u32>>());
    assert_eq!(ask(&url, &["LLEN", "{app}:ledger"]), "252");
}

#[test]
fn a_cluster_runs_programs_that_say_their_keys_and_keeps_libraries_on_every_master() {
    let Some(url) = variable("STEPLADDER_TEST_REDISCLUSTER_URL") else { return };
    let cluster = Cluster::new(&url);
    let world = &cluster.world;
    let program = "migrations/redis/001_a.up.lua";
    world.write(program, "redis.call('SET', 'a', 1)\n");
    let said = world.run("up").all();
    assert!(said.contains("has to say its keys") && said.contains("-- KEYS: a b"), "{said}");
    world.write(program, "-- KEYS: a\nredis.call('SET', KEYS[1], 1)\nredis.call('LPUSH', KEYS[1], 1)\n");
    let said = world.run("up").all();
    assert!(said.contains("001_a.up.lua:3") && said.contains("WRONGTYPE"), "{said}");
    world.ok("repair redis/1 --mark reverted");
    world.write(program, "-- KEYS: a\nredis.call('SET', KEYS[1], 7)\n");
    world.ok("up");
    assert_eq!(ask(&url, &["GET", "a"]), "7");
    let library = "#!lua name=places\nredis.register_function('places', function() return 1 end)\n";
    world.write("migrations/redis/002_b.up.lua", library);
    world.write("migrations/redis/002_b.down.redis", "FUNCTION DELETE places\n");
    let everywhere = || cluster.nodes.iter().filter(|node| ask(node, &["FUNCTION", "LIST"]).contains("places")).count();
    world.ok("up");
    assert_eq!(everywhere(), 3);
    world.ok("down");
    assert_eq!(everywhere(), 0);
    assert!(world.ok("doctor").all().contains("a cluster of 3 masters"));
    world.write("stepladder.toml", "[stores.redis]\ndatabase = \"3\"\n");
    let said = world.run("status");
    assert!(said.code == 6 && said.all().contains("database 0 alone"), "{}", said.all());
}

#[test]
fn a_kill_while_another_node_is_at_work_leaves_a_count_that_is_not_known() {
    let Some(url) = variable("STEPLADDER_TEST_REDISCLUSTER_URL") else { return };
    let cluster = Cluster::new(&url);
    let program = "-- KEYS: a\nredis.call('SET', KEYS[1], 1)\nlocal function now() local t = redis.call('TIME') \
        return t[1] * 1000 + t[2] / 1000 end\nlocal ending = now() + 1200\nwhile now() < ending do end\n";
    cluster.world.write("migrations/redis/001_a.up.lua", program);
    let mut child = cluster.world.command("up").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // The program is on its way when the journal says so, and nobody is served by its node until it has ended.
    let until = |fine: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(30);
        while !fine() {
            assert!(Instant::now() < end);
            thread::sleep(Duration::from_millis(20));
        }
    };
    until(&|| ask(&url, &["HGET", "{stepladder}:parts", "1"]).contains('?'));
    thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
    until(&|| ask(&url, &["GET", "a"]) == "1");
    let said = cluster.world.run("up");
    assert!(said.code == 5 && said.all().contains("was begun and its end is not known"), "{}", said.all());
    assert!(!said.all().contains("--resume"), "{}", said.all());
    cluster.world.ok("repair redis/1 --mark applied");
    assert_eq!(cluster.world.run("check").code, 0);
}

#[test]
fn a_replica_names_its_master_and_sentinels_name_the_new_one() {
    if variable("STEPLADDER_TEST_REDIS_URL").is_none() {
        return;
    }
    let old = Server::new(None, &[]);
    let new = Server::new(None, &[&format!("replicaof 127.0.0.1 {}", old.port)]);
    let sentinel = Server::new(Some(old.port), &[]);
    new.until(&["INFO", "replication"], |said| said.contains("master_link_status:up"));
    let world = World::new().file("stepladder.toml", "[stores.redis]\n").file(UP, "SET a 1\n").file(DOWN, "DEL a\n");

    let world = world.variable("REDIS_URL", &format!("redis://:pw-7731@127.0.0.1:{}", new.port));
    let said = world.run("up");
    let master = format!("is a replica of 127.0.0.1:{}, and takes no writes", old.port);
    assert!(said.code == 6 && said.all().contains(&master), "{}", said.all());
    assert!(world.run("doctor").all().contains(&master));

    // The first sentinel does not answer.
    let through = |name: &str| format!("redis+sentinel://:pw-7731@127.0.0.1:1,127.0.0.1:{}/{name}/2", sentinel.port);
    let world = world.variable("REDIS_URL", &through("other"));
    let said = world.run("status");
    assert!(said.code == 6 && said.all().contains("knows no master `other`"), "{}", said.all());
    let world = world.variable("REDIS_URL", &through("main"));
    world.ok("up");
    assert_eq!(old.ask(&["-n", "2", "GET", "a"]), "1");

    sentinel.until(&["SENTINEL", "REPLICAS", "main"], |said| said.contains(&new.port.to_string()));
    sentinel.until(&["SENTINEL", "FAILOVER", "main"], |said| said == "OK");
    new.until(&["ROLE"], |said| said.starts_with("master"));
    world.write("migrations/redis/002_b.up.redis", "SET b 1\n");
    world.write("migrations/redis/002_b.down.redis", "DEL b\n");
    sentinel.until(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"], |said| said.contains(&new.port.to_string()));
    world.ok("up");
    assert_eq!((new.ask(&["-n", "2", "GET", "b"]), world.run("check").code), ("1".to_owned(), 0));
    assert!(!world.run("status").all().contains("pw-7731"));
}
