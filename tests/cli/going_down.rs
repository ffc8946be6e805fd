//! What a person reads when a server goes down with a script. The servers are started for these tests alone, since they
//! are going to be killed; left out where `STEPLADDER_TEST_POSTGRES_URL` and its like are not set, which is a failure in CI.

use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Said, World};

const SERVERS_SH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/servers.sh");

/// A server that nobody else uses.
struct Server {
    kind: &'static str,
    // Of its own: it has to be there until the server has been stopped.
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Server {
    /// None where servers are not wanted.
    fn start(kind: &'static str) -> Option<Self> {
        let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
        let needed =
            wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
        let named = format!("STEPLADDER_TEST_{}_URL", kind.to_uppercase());
        let wanted = std::env::var(&named).is_ok_and(|url| !url.is_empty()) && wish != "none";
        assert!(wanted || !needed, "{named} is not set");
        wanted.then(|| {
            let mut server = Self { kind, folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() };
            server.does("start");
            let said = server.does("env");
            let variables = said.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
            let unquoted = variables.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()));
            server.variables = unquoted.collect();
            server
        })
    }

    fn servers_sh(&self, verb: &str) -> Output {
        let named = format!("STEPLADDER_TEST_{}_URL", self.kind.to_uppercase());
        Command::new(SERVERS_SH)
            .args([verb, self.kind])
            .env("STEPLADDER_SERVERS_DIR", self.folder.path())
            .env_remove(named)
            .output()
            .expect("servers.sh runs")
    }

    fn does(&self, verb: &str) -> String {
        let output = self.servers_sh(verb);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !told.contains("starting afresh"), "{verb}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn variable(&self, end: &str) -> &str {
        let name = format!("STEPLADDER_TEST_{}_{end}", self.kind.to_uppercase());
        self.variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str()).expect("a variable")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.servers_sh("stop");
    }
}

fn up(world: &World) -> Child {
    world.command("up").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

fn ended(world: &World, child: Child) -> Said {
    Said::new(&child.wait_with_output().expect("its end"), &world.path(""))
}

/// Asks until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn says(said: &Said, words: &[&str]) {
    assert_ne!(said.code, 0, "{}", said.all());
    for words in words {
        assert!(said.stderr.contains(words), "no {words:?} in\n{}", said.all());
    }
}

#[cfg(feature = "postgres")]
fn psql(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args(["-XAtq", "-d", url, "-c", sql]).output().expect("psql runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(feature = "mysql")]
fn mariadb(server: &Server, sql: &str) -> String {
    let port =
        server.variable("ADMIN_URL").rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()).expect("a port");
    let login = ["--no-defaults", "-N", "-h127.0.0.1", "-uroot", "-P", port, "stepladder", "-e", sql];
    let output = Command::new("mariadb").args(login).output().expect("mariadb runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[cfg(any(feature = "postgres", feature = "mysql"))]
fn three(kind: &str, slow: &str) -> World {
    World::new()
        .file(&format!("migrations/{kind}/001_a.up.sql"), "create table a (id int);\n")
        .file(&format!("migrations/{kind}/002_slow.up.sql"), slow)
        .file(&format!("migrations/{kind}/003_c.up.sql"), "create table c (id int);\n")
}

#[cfg(feature = "postgres")]
#[test]
fn postgresql_is_asked_again_what_became_of_the_script() {
    let world = three("postgres", "insert into a values (1);\nselect pg_sleep(60);\n")
        .file("stepladder.toml", "require_down = false\n");
    let Some(server) = Server::start("postgres") else { return };
    let url = server.variable("URL");
    // The tests' servers forget their last moments in a crash; this one must not.
    for sql in ["alter system set synchronous_commit = on", "select pg_reload_conf()"] {
        psql(server.variable("ADMIN_URL"), sql);
    }
    assert_eq!(psql(url, "show synchronous_commit"), "on");
    let world = world.variable("POSTGRES_URL", url);
    let find = "select pid from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
    let sleeper = || until(|| Some(psql(url, find)).filter(|pid| !pid.is_empty()));

    // One of its processes is killed, so it ends all connections, recovers and is back.
    let running = up(&world);
    let pid = sleeper();
    assert!(Command::new("kill").args(["-9", &pid]).status().is_ok_and(|status| status.success()));
    let lost = "postgres/002_slow lost its connection";
    says(&ended(&world, running), &[lost, "nothing of it was kept", "postgres/001_a"]);
    assert_eq!(psql(url, "select count(*) from a"), "0");
    let entries = "select string_agg(event || ' ' || label, ', ' order by seq) from stepladder_ledger";
    assert_eq!(psql(url, entries), "done 001_a, failed 002_slow");

    // All of it is killed and does not come back: what is not known is said to be so, of the script that was at work.
    let running = up(&world);
    sleeper();
    server.does("kill");
    says(&ended(&world, running), &[lost, "not known"]);
    server.does("start");
    world.write("migrations/postgres/002_slow.up.sql", "insert into a values (1);\n");
    let said = world.run("up --wait-lock 90s");
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(psql(url, "select count(*), to_regclass('c') from a"), "1|c");
}

#[cfg(feature = "mysql")]
#[test]
fn mariadb_is_asked_again_what_became_of_the_script() {
    let world = three("mysql", "insert into a values (1);\nselect sleep(60);\n")
        .file("stepladder.toml", "require_down = false\n[stores.mysql]\nclient = \"mariadb\"\n");
    let Some(server) = Server::start("mariadb") else { return };
    let url = server.variable("URL");
    let ask = |sql: &str| mariadb(&server, sql);
    let sleeper = || {
        let find = "select id from information_schema.processlist where info like 'select sleep%'";
        until(|| Some(ask(find)).filter(|id| !id.is_empty()))
    };
    let world = world.variable("MYSQL_URL", url);

    // It is back while it is asked.
    let running = up(&world);
    sleeper();
    server.does("kill");
    server.does("start");
    let lost = "mysql/002_slow lost its connection";
    says(&ended(&world, running), &[lost, "nothing of it was kept", "mysql/001_a"]);
    assert_eq!(ask("select count(*) from a"), "0");

    // It does not come back.
    let running = up(&world);
    sleeper();
    server.does("kill");
    says(&ended(&world, running), &[lost, "not known"]);
    server.does("start");
    world.write("migrations/mysql/002_slow.up.sql", "insert into a values (1);\n");
    let said = world.run("up --wait-lock 90s");
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(ask("select count(*) from a"), "1");
}

#[cfg(feature = "mysql")]
#[test]
fn a_program_that_outlives_its_server_ran_whatever_the_ledger_says() {
    let Some(server) = Server::start("mariadb") else { return };
    let kill = format!(
        "unset STEPLADDER_TEST_MARIADB_URL\nSTEPLADDER_SERVERS_DIR={} {SERVERS_SH} kill mariadb\n",
        server.folder.path().display()
    );
    let world = World::new()
        .file("stepladder.toml", "require_down = false\n")
        .file("migrations/mysql/003_kill.up.sh", kill)
        .variable("MYSQL_URL", server.variable("URL"));
    says(
        &world.run("up"),
        &["mysql/003_kill ran to its end, but could not be recorded", "repair mysql/3 --mark applied"],
    );
    server.does("start");
    assert_eq!(world.standing("003_kill"), "half-applied", "{}", world.run("status").all());
    let said = world.run("repair mysql/3 --mark applied --yes --wait-lock 60s");
    assert_eq!((said.code, world.standing("003_kill").as_str()), (0, "applied"), "{}", said.all());
}

#[cfg(feature = "redis")]
#[test]
fn redis_is_asked_again_what_became_of_the_script() {
    let busy = "redis.call('SET', 'busy', 1)\nlocal function now() return redis.call('TIME')[1] * 1 end\n\
        local ending = now() + 60\nwhile now() < ending do end\n";
    let (slow, pieces) = ("migrations/redis/002_slow.up.lua", "migrations/redis/002_slow.up.redis");
    let world = World::new()
        .file("stepladder.toml", "require_down = false\n")
        .file("migrations/redis/001_a.up.redis", "SET a 1\n")
        .file(slow, busy)
        .file("migrations/redis/003_c.up.redis", "SET c 1\n");
    let Some(server) = Server::start("redis") else { return };
    let url = server.variable("URL");
    let ask = |words: &[&str]| {
        let output = Command::new("redis-cli").args(["--no-auth-warning", "-u", url]).args(words).output();
        String::from_utf8_lossy(&output.expect("redis-cli runs").stdout).trim().to_owned()
    };
    let world = world.variable("REDIS_URL", url);
    let busy = || until(|| ask(&["PING"]).starts_with("BUSY").then_some(()));

    // It is back while it is asked. A program that did not get to its end has written nothing.
    let running = up(&world);
    busy();
    server.does("kill");
    server.does("start");
    let lost = "redis/002_slow lost its server";
    says(&ended(&world, running), &[lost, "nothing of it was kept", "redis/001_a", "the server answers again"]);
    assert_eq!(ask(&["EXISTS", "busy"]), "0");
    assert!(ask(&["LRANGE", "{stepladder}:ledger", "0", "-1"]).contains("\"event\":\"failed\""));

    // It does not come back.
    let running = up(&world);
    busy();
    server.does("kill");
    says(&ended(&world, running), &[lost, "not known", "`stepladder wait` waits"]);
    server.does("start");

    // Between the pieces of a script the count is the ledger's.
    std::fs::remove_file(world.path(slow)).expect("removed");
    world.write(pieces, "SET b 1\nINCR n\nBLPOP gate 60\nINCR n\n");
    let running = world.command("up --wait-lock 60s").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let running = running.expect("started");
    until(|| ask(&["CLIENT", "LIST"]).contains("cmd=blpop").then_some(()));
    server.does("kill");
    server.does("start");
    says(&ended(&world, running), &[lost, "parts 1 and 2 of 4", "redis/2 --resume"]);
    assert_eq!(ask(&["GET", "n"]), "1");
    ask(&["RPUSH", "gate", "go"]);
    world.ok("repair redis/2 --resume --yes --wait-lock 60s");
    world.ok("up");
    assert_eq!((ask(&["GET", "n"]), ask(&["GET", "c"])), ("2".to_owned(), "1".to_owned()));
}
