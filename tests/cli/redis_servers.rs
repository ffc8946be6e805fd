//! Redis servers of a test's own, which may be killed: single ones, sentinels, a cluster. They start in half a second, a cluster in three.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A variable that names a server of the tests; its absence is a failure where servers are wanted.
pub fn variable(name: &str) -> Option<String> {
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let url = std::env::var(name).ok().filter(|url| !url.is_empty() && wish != "none");
    assert!(url.is_some() || !needed, "{name} is not set");
    url
}

/// What all of these servers let in with.
pub const SECRET: &str = "pw-7731";

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks until there is an answer that will do.
pub fn until(what: &str, mut fine: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !fine() {
        assert!(Instant::now() < end, "{what} does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A server of the test's own, ended with it.
pub struct Server {
    child: Child,
    sentinel: bool,
    /// Where it listens.
    pub port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    /// A server, or a sentinel of one.
    pub fn new(sentinel_of: Option<u16>, settings: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut lines = format!("bind 127.0.0.1\nport {port}\ndir {}\n", folder.path().display());
        lines += &sentinel_of.map_or_else(
            || format!("save \"\"\nrepl-diskless-sync-delay 0\nrequirepass {SECRET}\nmasterauth {SECRET}\n"),
            |of| {
                format!(
                    "sentinel monitor main 127.0.0.1 {of} 1\nsentinel auth-pass main {SECRET}\n\
                     sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
                )
            },
        );
        settings.iter().for_each(|line| lines += &format!("{line}\n"));
        std::fs::write(folder.path().join("redis.conf"), lines).unwrap();
        let sentinel = sentinel_of.is_some();
        let server = Self { child: Self::spawn(&folder, sentinel), sentinel, port, folder };
        server.until(&["PING"], |said| said == "PONG" || said.contains("NOAUTH"));
        server
    }

    fn spawn(folder: &tempfile::TempDir, sentinel: bool) -> Child {
        let mut command = Command::new("redis-server");
        command.arg(folder.path().join("redis.conf")).args(sentinel.then_some("--sentinel"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("redis-server is needed")
    }

    /// As a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again with what it had written to disk, without waiting for its answer.
    pub fn start_again(&mut self) {
        self.child = Self::spawn(&self.folder, self.sentinel);
    }

    /// The way in.
    pub fn url(&self) -> String {
        format!("redis://:{SECRET}@127.0.0.1:{}", self.port)
    }

    /// What it answers to a command.
    pub fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string()]).args(words).env("REDISCLI_AUTH", SECRET);
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Asks until the answer will do.
    pub fn until(&self, words: &[&str], fine: impl Fn(&str) -> bool) {
        until(&format!("an answer to {words:?}"), || fine(&self.ask(words)));
    }

    /// Until a script keeps it busy.
    pub fn until_busy(&self) {
        self.until(&["PING"], |said| said.starts_with("BUSY"));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three masters of the test's own.
pub struct Cluster {
    /// The nodes, by their slots.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// A cluster whose nodes have these settings besides.
    pub fn new(settings: impl Fn(u16) -> Vec<String>) -> Self {
        let mut buses = Vec::new();
        let node = |_| {
            let bus = free_port();
            let own = settings(bus);
            let all = ["cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 5000"];
            let bus_line = format!("cluster-port {bus}");
            let lines: Vec<&str> =
                all.into_iter().chain([bus_line.as_str()]).chain(own.iter().map(String::as_str)).collect();
            buses.push(bus);
            Server::new(None, &lines)
        };
        let nodes: Vec<Server> = (0..3).map(node).collect();
        let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
        for (epoch, (node, (first, last))) in (1..).zip(nodes.iter().zip(slots)) {
            assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last]), "OK");
            assert_eq!(node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()]), "OK");
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), &bus.to_string()]);
        }
        for node in &nodes {
            node.until(&["CLUSTER", "INFO"], |said| {
                said.contains("cluster_state:ok") && said.contains("cluster_known_nodes:3")
            });
        }
        Self { nodes }
    }

    /// What the cluster answers, wherever the keys are.
    pub fn ask(&self, words: &[&str]) -> String {
        let all: Vec<&str> = ["-c"].iter().chain(words).copied().collect();
        self.nodes[0].ask(&all)
    }

    fn id(&self, node: usize) -> String {
        self.nodes[node].ask(&["CLUSTER", "MYID"])
    }

    /// A key's slot.
    pub fn slot(&self, key: &str) -> String {
        self.nodes[0].ask(&["CLUSTER", "KEYSLOT", key])
    }

    /// The node that has a slot, as the first one sees it.
    pub fn owner(&self, slot: &str) -> usize {
        let slot: u16 = slot.parse().unwrap();
        let has = |node: &Server| {
            let nodes = node.ask(&["CLUSTER", "NODES"]);
            let myself = nodes.lines().find(|line| line.contains("myself")).unwrap();
            myself.split(' ').skip(8).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                first.parse::<u16>().ok().zip(last.parse::<u16>().ok()).is_some_and(|(a, b)| (a..=b).contains(&slot))
            })
        };
        self.nodes.iter().position(has).unwrap()
    }

    /// A slot begins to move, without its keys.
    pub fn begin(&self, slot: &str, from: usize, to: usize) {
        assert_eq!(self.nodes[to].ask(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &self.id(from)]), "OK");
        assert_eq!(self.nodes[from].ask(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &self.id(to)]), "OK");
    }

    /// Its keys follow.
    pub fn migrate(&self, slot: &str, from: usize, to: usize) {
        let keys = self.nodes[from].ask(&["CLUSTER", "GETKEYSINSLOT", slot, "1000"]);
        let port = self.nodes[to].port.to_string();
        for key in keys.lines().filter(|key| !key.is_empty()) {
            assert_eq!(self.nodes[from].ask(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000", "AUTH", SECRET]), "OK");
        }
    }

    /// And it is where it was going.
    pub fn end(&self, slot: &str, from: usize, to: usize) {
        self.migrate(slot, from, to);
        let id = self.id(to);
        for node in [to, from] {
            assert_eq!(self.nodes[node].ask(&["CLUSTER", "SETSLOT", slot, "NODE", &id]), "OK");
        }
    }
}
