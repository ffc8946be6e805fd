//! Redis, observed with redis-cli. A trial has a database of the server to itself, and one more for what is not the store's; a
//! cluster has one database, so a trial has all of it, and there are two clusters. There the connection names one node, the ledger is on another, and what
//! the scripts do on the third.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use stepladder::stores::Card;

use super::three;
use crate::subject::{Source, Subject, random_name};

pub const SOURCE: Source =
    Source { name: "redis", kind: "redis", variable: Some("STEPLADDER_TEST_REDIS_URL"), make: Redis::make };

pub const CLUSTER: Source = Source {
    name: "redis-cluster",
    kind: "redis",
    variable: Some("STEPLADDER_TEST_REDISCLUSTER_URL"),
    make: Redis::make_cluster,
};

struct Redis {
    user: String,
    password: String,
    host: String,
    port: String,
    database: u16,
    name: String,
    /// The nodes of a cluster; none for a single server.
    nodes: Vec<String>,
    /// What the names of a cluster's keys begin with: it puts them on one node.
    tag: &'static str,
    /// Holds the database for this trial; other processes of the suite respect it too.
    _lock: File,
}

/// The server's first databases are for trials, those from a hundred on for what is foreign to each.
const TRIALS: u16 = 90;
const FOREIGN: u16 = 100;
/// How long a trial may wait for a database.
const PATIENCE: Duration = Duration::from_secs(600);

impl Redis {
    fn make() -> Box<dyn Subject> {
        Self::at_variable("STEPLADDER_TEST_REDIS_URL", false)
    }

    fn make_cluster() -> Box<dyn Subject> {
        Self::at_variable("STEPLADDER_TEST_REDISCLUSTER_URL", true)
    }

    fn at_variable(variable: &str, cluster: bool) -> Box<dyn Subject> {
        let url = std::env::var(variable).expect("it was looked for before");
        let (login, place) = url.split_once("://").unwrap().1.rsplit_once('@').expect("a login is needed");
        let (user, password) = login.split_once(':').expect("a password is needed");
        let (host, port) = place.trim_end_matches('/').split_once(':').expect("a port is needed");
        let own = str::to_owned;
        let number: u16 = port.parse().unwrap();
        let (number, database, lock) = match cluster {
            true => claim(&[(number, 0), (number + 3, 0)]),
            false => claim(&(1..=TRIALS).map(|database| (number, database)).collect::<Vec<_>>()),
        };
        let name = random_name();
        let (user, password, host) = (own(user), own(password), own(host));
        let nodes: Vec<String> = (0..3).filter(|_| cluster).map(|n| (number + n).to_string()).collect();
        let port = nodes.get(1).cloned().unwrap_or_else(|| number.to_string());
        let tag = if cluster { "{a}" } else { "" };
        let subject = Self { user, password, host, port, database, name, nodes, tag, _lock: lock };
        subject.clean();
        Box::new(subject)
    }

    fn at(&self, password: &str, port: &str) -> String {
        format!("redis://{}:{password}@{}:{port}/{}", self.user, self.host, self.database)
    }

    fn clean(&self) {
        self.everywhere(&["FLUSHDB"]);
        if self.nodes.is_empty() {
            self.ask_in(self.database + FOREIGN, &["FLUSHDB"]);
        }
    }

    /// What every node answers; the one server, where there is no cluster.
    fn everywhere(&self, words: &[&str]) -> String {
        match self.nodes.is_empty() {
            true => self.ask(words),
            false => self.nodes.iter().map(|port| self.ask_at(port, 0, words) + "\n").collect(),
        }
    }

    /// A key of the trial's.
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.tag)
    }

    fn ask(&self, words: &[&str]) -> String {
        self.ask_in(self.database, words)
    }

    /// What redis-cli prints of the answer, its last newline apart.
    fn ask_in(&self, database: u16, words: &[&str]) -> String {
        self.ask_at(&self.port, database, words)
    }

    fn ask_at(&self, port: &str, database: u16, words: &[&str]) -> String {
        // Keys are looked for where they are, but for what is asked of a node by name.
        let follow =
            (!self.nodes.is_empty() && port == self.port && !["FLUSHDB", "KEYS"].contains(&words[0])).then_some("-c");
        let output = Command::new("redis-cli")
            .args(follow)
            .args(["-h", &self.host, "-p", port, "--user", &self.user, "-n", &database.to_string(), "-e"])
            .args(words)
            .env("REDISCLI_AUTH", &self.password)
            .stdin(Stdio::null())
            .output()
            .expect("redis-cli is needed to look from outside");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{words:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said.strip_suffix('\n').map(str::to_owned).unwrap_or(said)
    }

    fn lines(&self, words: &[&str]) -> Vec<String> {
        self.ask(words).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// Waits for a database that no other trial uses: its server's port, its number.
fn claim(databases: &[(u16, u16)]) -> (u16, u16, File) {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        for (port, database) in databases.iter().copied() {
            let path = std::env::temp_dir().join(format!("stepladder-conformance-redis-{port}-{database}.lock"));
            let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
            // SAFETY: `flock` takes any descriptor, and this one is open.
            if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return (port, database, file);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("no database became free");
}

impl Drop for Redis {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.clean();
            let library = format!("{}_foreign", self.name);
            if self.ask(&["FUNCTION", "LIST"]).contains(&library) {
                self.ask(&["FUNCTION", "DELETE", &library]);
            }
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

const LEASE: &str = "{stepladder}:lease";
const OURS: [&str; 5] = ["{stepladder}:meta", "{stepladder}:ledger", "{stepladder}:parts", "{stepladder}:down", LEASE];

/// Everything in a database: names, types, expiries and contents.
const ALL: &str = "local all = {} \
    local how = {string={'GET'}, list={'LRANGE', 0, -1}, set={'SMEMBERS'}, zset={'ZRANGE', 0, -1, 'WITHSCORES'}, \
      hash={'HGETALL'}, stream={'XRANGE', '-', '+'}} \
    local keys = redis.call('KEYS', '*') table.sort(keys) \
    for _, key in ipairs(keys) do \
      local type = redis.call('TYPE', key).ok local read = how[type] \
      all[#all + 1] = {key, type, redis.call('PTTL', key), redis.call(read[1], key, unpack(read, 2))} \
    end return all";

impl Subject for Redis {
    fn url(&self) -> String {
        self.at(&self.password, &self.port)
    }

    fn card(&self) -> &'static Card {
        SOURCE.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("HSET {} made 1", self.key(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("DEL {}", self.key(thing))
    }

    fn notebook(&self) -> String {
        format!("HSET {} made 1", self.key("notebook"))
    }

    fn note(&self, word: &str) -> String {
        format!("RPUSH {} {}", self.key("notes"), quoted(word))
    }

    fn reject(&self) -> String {
        format!("RENAME {} {}", self.key("no_such_key"), self.key("other"))
    }

    fn sleep(&self, time: Duration) -> String {
        format!("BLPOP {} {}", self.key("nothing_comes"), time.as_secs_f64())
    }

    fn shelf(&self) -> String {
        format!("HSET {} made 1", self.key("shelf"))
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("HSET {} {name} {}", self.key("shelf"), quoted(text))
    }

    fn noise(&self, bytes: usize) -> String {
        format!("EVAL \"return string.rep('noise ', {})\" 0", bytes / 6 + 1)
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        self.everywhere(&["EVAL", ALL, "0"])
    }

    fn things(&self) -> Vec<String> {
        let names = self.everywhere(&["KEYS", "*"]);
        let names = names.lines().filter(|name| !name.is_empty() && !OURS.contains(name));
        let names = names.map(|name| name.strip_prefix(self.tag).unwrap_or(name).to_owned());
        let mut things: Vec<String> =
            names.filter(|name| !["notebook", "notes", "shelf"].contains(&name.as_str())).collect();
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        self.lines(&["LRANGE", &self.key("notes"), "0", "-1"])
    }

    fn kept(&self, name: &str) -> Option<String> {
        Some(self.ask(&["HGET", &self.key("shelf"), name])).filter(|text| !text.is_empty())
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let read = "local rows = {} for _, row in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do \
            local e = cjson.decode(row) \
            rows[#rows + 1] = e.event .. '\\31' .. e.direction .. '\\31' .. e.label end return rows";
        self.lines(&["EVAL", read, "1", "{stepladder}:ledger"]).iter().map(|line| three(line)).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        self.ask(&["HGET", LEASE, "pid"]).parse().ok()
    }

    fn at_work(&self) -> usize {
        let database = format!(" db={} ", self.database);
        let waits = |line: &&str| line.contains(&database) && line.contains(" flags=b ");
        self.everywhere(&["CLIENT", "LIST"]).lines().filter(waits).count()
    }

    fn give_lease_away(&self, time: Duration) {
        let give = "local t = redis.call('TIME') redis.call('HSET', KEYS[1], 'host', 'elsewhere', 'token', 'somebody-else', \
            'expires', string.format('%.0f', t[1] * 1000 + ARGV[1]))";
        self.ask(&["EVAL", give, "1", LEASE, &time.as_millis().to_string()]);
    }

    fn delete_lease(&self) {
        self.ask(&["DEL", LEASE]);
    }

    fn move_lease_elsewhere(&self) {
        self.ask(&["HSET", LEASE, "host", "elsewhere"]);
    }

    fn raise_format(&self) {
        self.ask(&["HSET", "{stepladder}:meta", "format", "99"]);
    }

    fn litter(&self) {
        for words in [
            &["SET", "litter", "x"][..],
            &["SET", "litter:expires", "x", "EX", "1000"],
            &["SETBIT", "litter:bits", "7", "1"],
            &["PFADD", "litter:count", "a", "b"],
            &["RPUSH", "litter:list", "a"],
            &["SADD", "litter:set", "a"],
            &["ZADD", "litter:zset", "1", "a"],
            &["GEOADD", "litter:geo", "13.36", "38.11", "Palermo"],
            &["HSET", "litter:hash", "a", "1"],
            &["XADD", "litter:stream", "*", "a", "1"],
            &["XGROUP", "CREATE", "litter:stream", "group", "$"],
            &["SET", "it's a \"key\"; 🪜 {stepladder}:*", "x"],
            &["SET", "{stepladder}:litter", "x"],
            &["EVAL", "for i = 1, 2500 do redis.call('SET', KEYS[1] .. i, i) end", "1", "{many}:"],
        ] {
            self.ask(words);
        }
    }

    fn plant_foreign(&self) {
        if self.nodes.is_empty() {
            self.ask_in(self.database + FOREIGN, &["SET", "foreign", "x"]);
        }
        let library = format!("{}_foreign", self.name);
        let code = format!("#!lua name={library}\nredis.register_function('{library}', function() return 1 end)");
        self.ask(&["FUNCTION", "LOAD", &code]);
    }

    fn foreign_is_there(&self) -> bool {
        let library = format!("{}_foreign", self.name);
        (!self.nodes.is_empty() || self.ask_in(self.database + FOREIGN, &["GET", "foreign"]) == "x")
            && self.ask(&["FUNCTION", "LIST"]).contains(&library)
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let secret = "wrong-secret-8472".to_owned();
        Some((self.at(&secret, &self.port), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(&secret, "1"), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        Some(self.password.clone())
    }
}
