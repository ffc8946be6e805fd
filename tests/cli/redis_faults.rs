//! Redis when its servers do not stay as they are: failovers, slots that move, nodes that are gone, servers that are loading. All
//! of them are started for these tests alone; left out without `STEPLADDER_TEST_REDIS_URL`, which is a failure in CI.

use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use crate::redis_servers::{Cluster, SECRET, Server, until, variable};
use crate::world::{Said, World};

fn wanted() -> bool {
    variable("STEPLADDER_TEST_REDIS_URL").is_some()
}

fn world(url: &str) -> World {
    World::new().file("stepladder.toml", "require_down = false\n[stores.redis]\n").variable("REDIS_URL", url)
}

fn script(n: usize) -> String {
    format!("migrations/redis/{n:03}_s.up.redis")
}

fn started(world: &World) -> Child {
    world.command("up").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

fn ended(world: &World, child: Child) -> Said {
    Said::new(&child.wait_with_output().expect("its end"), &world.path(""))
}

fn says(said: &Said, code: i32, words: &[&str]) {
    let all = said.all();
    assert_eq!(said.code, code, "{all}");
    for words in words {
        assert!(all.contains(words), "no {words:?} in\n{all}");
    }
    assert!(!all.contains(SECRET), "{all}");
}

/// A program that writes, and then keeps its server busy for a minute.
const BUSY: &str = "redis.call('SET', 'busy', 1)\nlocal function now() return redis.call('TIME')[1] * 1 end\n\
    local ending = now() + 60\nwhile now() < ending do end\n";
const QUICKLY_BUSY: &str = "busy-reply-threshold 100";

#[test]
fn a_failover_in_the_middle_of_a_run_is_told_as_what_it_is() {
    if !wanted() {
        return;
    }
    let mut old = Server::new(None, &[QUICKLY_BUSY]);
    let new = Server::new(None, &[&format!("replicaof 127.0.0.1 {}", old.port)]);
    let sentinel = Server::new(Some(old.port), &[]);
    // It is sent what is written only after a while.
    old.ask(&["SET", "warm", "1"]);
    new.until(&["GET", "warm"], |said| said == "1");
    sentinel.until(&["SENTINEL", "REPLICAS", "main"], |said| said.contains(&new.port.to_string()));
    let world = world(&format!("redis+sentinel://:{SECRET}@127.0.0.1:{}/main", sentinel.port))
        .file(&script(1), "SET a 1\n")
        .file("migrations/redis/002_busy.up.lua", BUSY)
        .file(&script(3), "SET c 1\n");
    let running = started(&world);
    old.until_busy();
    old.kill();
    let said = ended(&world, running);
    says(
        &said,
        6,
        &["redis/002_busy lost its server", "nothing of it was kept", "applied before it in this run: redis/001_s"],
    );
    new.until(&["ROLE"], |said| said.starts_with("master"));
    assert_eq!((new.ask(&["GET", "a"]), new.ask(&["EXISTS", "busy"])), ("1".to_owned(), "0".to_owned()));
    let ledger = new.ask(&["LRANGE", "{stepladder}:ledger", "0", "-1"]);
    assert!(ledger.contains("002_busy") && ledger.contains("\"event\":\"failed\""), "{ledger}");
    world.write("migrations/redis/002_busy.up.lua", "redis.call('SET', 'busy', 2)\n");
    world.ok("up");
    assert_eq!((new.ask(&["GET", "busy"]), new.ask(&["GET", "c"])), ("2".to_owned(), "1".to_owned()));
}

#[test]
fn a_server_that_comes_back_older_is_told_with_what_it_forgot() {
    if !wanted() {
        return;
    }
    let mut server = Server::new(None, &[QUICKLY_BUSY]);
    let world = world(&server.url()).file(&script(1), "SET a 1\n").file("migrations/redis/002_busy.up.lua", BUSY);
    let running = started(&world);
    server.until_busy();
    server.kill();
    server.start_again();
    let said = ended(&world, running);
    let forgotten = "in an older state: it does not know redis/001_s, which this run had done";
    says(&said, 6, &["redis/002_busy lost its server", "nothing of it was kept", forgotten]);
    world.write("migrations/redis/002_busy.up.lua", "redis.call('SET', 'busy', 2)\n");
    world.ok("up");
    assert_eq!((server.ask(&["GET", "a"]), server.ask(&["GET", "busy"])), ("1".to_owned(), "2".to_owned()));
}

#[test]
fn a_server_that_is_still_loading_is_waited_for() {
    if !wanted() {
        return;
    }
    // It loads slowly, and answers meanwhile that it does.
    let slowly = [
        "rdbcompression no",
        "loading-process-events-interval-bytes 1024",
        "key-load-delay 150000",
        "appendonly yes",
        QUICKLY_BUSY,
    ];
    let mut server = Server::new(None, &slowly);
    for n in 0..20 {
        server.ask(&["SET", &format!("big:{n}"), &"x".repeat(2000)]);
    }
    assert!(server.ask(&["BGREWRITEAOF"]).contains("started"));
    server.until(&["INFO", "persistence"], |said| {
        said.contains("aof_rewrite_in_progress:0") && said.contains("aof_rewrite_scheduled:0")
    });
    let world = world(&server.url()).file(&script(1), "SET a 1\n").file("migrations/redis/002_busy.up.lua", BUSY);
    let running = started(&world);
    server.until_busy();
    server.kill();
    server.start_again();
    server.until(&["GET", "a"], |said| said.starts_with("LOADING"));
    let status = world.run("status");
    says(&status, 6, &["is still loading its data", "`stepladder wait` waits for it"]);
    let said = ended(&world, running);
    says(&said, 6, &["redis/002_busy lost its server", "nothing of it was kept", "the server answers again"]);
    assert!(!said.all().contains("older state"), "{}", said.all());
    assert!(server.ask(&["LRANGE", "{stepladder}:ledger", "0", "-1"]).contains("002_busy"));
}

#[test]
fn slots_that_move_are_followed() {
    if !wanted() {
        return;
    }
    let cluster = Cluster::new(|_| Vec::new());
    let world = world(&cluster.nodes[2].url());
    let slot = cluster.slot("a");
    let (from, to) = (cluster.owner(&slot), 0);
    let gate = || {
        until("the gate", || {
            cluster.ask(&["CLIENT", "LIST"]).contains("cmd=blpop")
                || cluster.nodes.iter().any(|node| node.ask(&["CLIENT", "LIST"]).contains("cmd=blpop"))
        })
    };

    // Between the commands of a script, whose keys go one after the other: ASK, then MOVED.
    world.write(
        &script(1),
        "# stepladder: no-transaction\nSET a 1\nBLPOP gate 30\nINCR a\nINCR {a}new\nBLPOP gate 30\nINCR a\nINCR {a}new\n",
    );
    let running = started(&world);
    gate();
    cluster.begin(&slot, from, to);
    cluster.ask(&["RPUSH", "gate", "go"]);
    until("a key at its new node", || cluster.nodes[to].ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) == "1");
    gate();
    cluster.end(&slot, from, to);
    cluster.ask(&["RPUSH", "gate", "go"]);
    says(&ended(&world, running), 0, &[]);
    assert_eq!((cluster.ask(&["GET", "a"]), cluster.ask(&["GET", "{a}new"])), ("3".to_owned(), "2".to_owned()));

    // A script of several keys waits until all of its slot is in one place.
    cluster.begin(&slot, to, from);
    world.write(&script(2), "INCR a\nSET {a}x 1\nSET {a}y 1\n");
    let running = started(&world);
    until("its beginning", || cluster.ask(&["HGET", "{stepladder}:parts", "2"]).contains('?'));
    thread::sleep(Duration::from_millis(300));
    assert_eq!((cluster.ask(&["GET", "a"]), cluster.ask(&["EXISTS", "{a}x"])), ("3".to_owned(), "0".to_owned()));
    cluster.end(&slot, to, from);
    says(&ended(&world, running), 0, &[]);
    assert_eq!((cluster.ask(&["GET", "a"]), cluster.ask(&["GET", "{a}y"])), ("4".to_owned(), "1".to_owned()));

    // The ledger's own slot: who looks sees the same all the while, who writes waits.
    let slot = cluster.slot("{stepladder}:ledger");
    let (from, to) = (cluster.owner(&slot), (cluster.owner(&slot) + 1) % 3);
    cluster.begin(&slot, from, to);
    assert!(world.ok("status").all().contains("2 applied"), "{}", world.run("status").all());
    cluster.migrate(&slot, from, to);
    assert!(world.ok("status").all().contains("2 applied"), "{}", world.run("status").all());
    world.write(&script(3), "SET {stepladder}:x 1\n");
    let running = started(&world);
    thread::sleep(Duration::from_millis(500));
    assert!(!cluster.ask(&["LRANGE", "{stepladder}:ledger", "0", "-1"]).contains("003_s"));
    cluster.end(&slot, from, to);
    says(&ended(&world, running), 0, &[]);
    says(&world.run("check"), 0, &[]);

    // And while hundreds of steps are on their way.
    cluster.ask(&["SETRANGE", "{stepladder}:big", "8000000", "x"]);
    for n in 4..=600 {
        world.write(&script(n), format!("BITCOUNT {{stepladder}}:big\nRPUSH {{stepladder}}:list {n}\n"));
    }
    let running = started(&world);
    let (mut from, mut to, mut moves) = (to, from, 0);
    until("the end", || {
        if cluster.ask(&["LLEN", "{stepladder}:list"]).parse::<usize>().is_ok_and(|n| n > 0 && n < 500) {
            cluster.begin(&slot, from, to);
            cluster.end(&slot, from, to);
            (from, to, moves) = (to, from, moves + 1);
        }
        cluster.ask(&["LLEN", "{stepladder}:list"]) == "597" || moves > 5
    });
    says(&ended(&world, running), 0, &[]);
    let list = cluster.ask(&["LRANGE", "{stepladder}:list", "0", "-1"]);
    assert_eq!(list.lines().map(|n| n.parse().unwrap()).collect::<Vec<usize>>(), (4..=600).collect::<Vec<_>>());
    assert!(moves > 0);
    says(&world.run("check"), 0, &[]);
}

#[test]
fn a_cluster_that_lacks_a_master_is_down_and_nothing_half_is_told_as_whole() {
    if !wanted() {
        return;
    }
    let mut cluster = Cluster::new(|_| vec!["cluster-node-timeout 3000".to_owned()]);
    let home = cluster.owner(&cluster.slot("{stepladder}:ledger"));
    // A key of each other node.
    let key = |node: usize| (0..).map(|n| format!("k{n}")).find(|k| cluster.owner(&cluster.slot(k)) == node).unwrap();
    let (gone, stays) = ((home + 1) % 3, (home + 2) % 3);
    let (dead, alive) = (key(gone), key(stays));
    let world = world(&cluster.nodes[home].url());
    world.write(&script(1), "SET {stepladder}:a 1\n");
    world.write(
        &script(2),
        format!(
            "# stepladder: no-transaction\nSET {alive} 1\nBLPOP {{stepladder}}gate 30\nSET {dead} 1\nSET {alive} 2\n"
        ),
    );
    world.write(&script(3), "SET {stepladder}:c 1\n");
    let running = started(&world);
    cluster.nodes[home].until(&["CLIENT", "LIST"], |said| said.contains("cmd=blpop"));
    cluster.nodes[gone].kill();
    cluster.nodes[home].ask(&["RPUSH", "{stepladder}gate", "go"]);
    let said = ended(&world, running);
    says(
        &said,
        6,
        &[
            "redis/002_s lost its server",
            &format!("127.0.0.1:{}", cluster.nodes[gone].port),
            "not begun: 1 further step",
        ],
    );
    cluster.nodes[home].until(&["CLUSTER", "INFO"], |said| said.contains("cluster_state:fail"));
    for command in ["status", "up", "check"] {
        let said = world.run(command);
        says(&said, 6, &["is down: CLUSTERDOWN", "`redis-cli --cluster check HOST:PORT` shows what it lacks"]);
    }
    cluster.nodes[gone].start_again();
    cluster.nodes.iter().for_each(|node| node.until(&["CLUSTER", "INFO"], |said| said.contains("cluster_state:ok")));
    says(&world.run("up"), 5, &["002_s"]);
    assert_eq!(cluster.ask(&["GET", &alive]), "1");
    world.ok("repair redis/2 --resume --yes");
    world.ok("up --wait-lock 30s");
    assert_eq!((cluster.ask(&["GET", &alive]), cluster.ask(&["GET", &dead])), ("2".to_owned(), "1".to_owned()));
}

#[test]
fn a_cluster_over_tls_names_its_nodes_as_their_certificates_do() {
    let (Some(_), Some(ca)) = (variable("STEPLADDER_TEST_REDIS_URL"), variable("STEPLADDER_TEST_REDIS_CA")) else {
        return;
    };
    let wrong = variable("STEPLADDER_TEST_REDIS_WRONG_CA").unwrap();
    let tls = Path::new(&ca).parent().unwrap().display().to_string();
    let ports = std::sync::Mutex::new(Vec::new());
    let cluster = Cluster::new(|_| {
        let port = crate::redis_servers::free_port();
        ports.lock().unwrap().push(port);
        [
            format!("tls-port {port}"),
            format!("tls-cert-file {tls}/server.crt"),
            format!("tls-key-file {tls}/server.key"),
            format!("tls-ca-cert-file {ca}"),
            "tls-auth-clients no".to_owned(),
            "tls-cluster yes".to_owned(),
            "cluster-announce-hostname localhost".to_owned(),
            "cluster-preferred-endpoint-type hostname".to_owned(),
        ]
        .into()
    });
    let ports = ports.into_inner().unwrap();
    let world = World::new().variable("REDIS_URL", &format!("rediss://:{SECRET}@localhost:{}", ports[1]));
    let trusting = |ca: &str| {
        world.write("stepladder.toml", format!("require_down = false\n[stores.redis]\nca = \"{ca}\"\n"));
    };
    for n in 1..=3 {
        world.write(&script(n), format!("SET key{n} 1\n"));
    }
    trusting(&wrong);
    says(&world.run("up"), 6, &["certificate"]);
    trusting(&ca);
    world.ok("up");
    assert_eq!(cluster.nodes.iter().map(|node| node.ask(&["DBSIZE"]).parse::<u8>().unwrap()).sum::<u8>() - 2, 3);
    assert!(world.ok("doctor").all().contains("a cluster of 3 masters"));

    // Nodes that go by an address that the certificate does not name are not trusted, and what to do is said.
    for node in &cluster.nodes {
        node.ask(&["CONFIG", "SET", "cluster-preferred-endpoint-type", "ip"]);
    }
    world.write(&script(4), "SET a 1\nSET {a}b 1\n");
    world.write(&script(5), "SET b 1\nSET {b}b 1\n");
    world.write(&script(6), "SET c 1\nSET {c}b 1\n");
    says(&world.run("up"), 6, &["127.0.0.1", "cluster-announce-hostname"]);
}
