//! PostgreSQL, where a server of its own is needed: what a person reads when the server goes down with a script. Left out
//! without `STEPLADDER_TEST_POSTGRES_URL`; in CI that is a failure.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{Said, World};

/// A server that nobody else uses, since it is going to be killed.
struct Server {
    folder: PathBuf,
    url: String,
}

impl Server {
    /// None where servers are not wanted.
    fn start(world: &World) -> Option<Self> {
        let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
        let needed =
            wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
        let wanted = std::env::var("STEPLADDER_TEST_POSTGRES_URL").is_ok_and(|url| !url.is_empty()) && wish != "none";
        assert!(wanted || !needed, "STEPLADDER_TEST_POSTGRES_URL is not set");
        let mut server = Self { folder: world.path("servers"), url: String::new() };
        wanted.then(|| {
            server.does("start");
            let said = server.does("env");
            let url = said.lines().find_map(|line| line.strip_prefix("export STEPLADDER_TEST_POSTGRES_URL="));
            server.url = url.expect("its address").trim_matches('\'').to_owned();
            let admin = said.lines().find_map(|line| line.strip_prefix("export STEPLADDER_TEST_POSTGRES_ADMIN_URL="));
            // The tests' servers forget their last moments in a crash; this one must not.
            for sql in ["alter system set synchronous_commit = on", "select pg_reload_conf()"] {
                let admin = admin.expect("its superuser").trim_matches('\'');
                let psql = Command::new("psql").args(["-Xq", "-d", admin, "-c", sql]).output().expect("psql runs");
                assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
            }
            server
        })
    }

    fn does(&self, verb: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/servers.sh");
        let output = Command::new(script)
            .args([verb, "postgres"])
            .env("STEPLADDER_SERVERS_DIR", &self.folder)
            .env_remove("STEPLADDER_TEST_POSTGRES_URL")
            .output()
            .expect("servers.sh runs");
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn ask(&self, sql: &str) -> String {
        let output = Command::new("psql").args(["-XAtq", "-d", &self.url, "-c", sql]).output().expect("psql runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The process of the server that sleeps for a script.
    fn sleeper(&self) -> String {
        let find = "select pid from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let pid = self.ask(find);
            if !pid.is_empty() {
                return pid;
            }
            assert!(Instant::now() < until, "the script does not sleep");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/servers.sh");
        let _ = Command::new(script).args(["stop", "postgres"]).env("STEPLADDER_SERVERS_DIR", &self.folder).output();
    }
}

fn up(world: &World) -> Child {
    world.command("up").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
}

fn ended(world: &World, child: Child) -> Said {
    Said::new(&child.wait_with_output().expect("its end"), &world.path(""))
}

#[test]
fn a_server_that_goes_down_with_a_script_is_asked_again_what_became_of_it() {
    let world = World::new()
        .file("migrations/postgres/001_a.up.sql", "create table a (id int);\n")
        .file("migrations/postgres/002_slow.up.sql", "insert into a values (1);\nselect pg_sleep(60);\n")
        .file("migrations/postgres/003_c.up.sql", "create table c (id int);\n")
        .file("stepladder.toml", "require_down = false\n");
    let Some(server) = Server::start(&world) else { return };
    let world = world.variable("POSTGRES_URL", &server.url);

    // One of its processes is killed, so it ends all connections, recovers and is back.
    let running = up(&world);
    let pid = server.sleeper();
    assert!(Command::new("kill").args(["-9", &pid]).status().is_ok_and(|status| status.success()));
    let said = ended(&world, running);
    assert_eq!(said.code, 1, "{}", said.all());
    for words in ["postgres/002_slow lost its connection", "nothing of it was kept", "postgres/001_a"] {
        assert!(said.stderr.contains(words), "no {words:?} in\n{}", said.all());
    }
    assert_eq!(server.ask("select count(*) from a"), "0");
    assert_eq!(
        server.ask("select string_agg(event || ' ' || label, ', ' order by seq) from stepladder_ledger"),
        "done 001_a, failed 002_slow"
    );

    // All of it is killed and does not come back: what is not known is said to be so, of the script that was at work.
    let running = up(&world);
    server.sleeper();
    server.does("kill");
    let said = ended(&world, running);
    assert_ne!(said.code, 0, "{}", said.all());
    for words in ["postgres/002_slow lost its connection", "not known"] {
        assert!(said.stderr.contains(words), "no {words:?} in\n{}", said.all());
    }
    server.does("start");
    world.write("migrations/postgres/002_slow.up.sql", "insert into a values (1);\n");
    let said = world.run("up --wait-lock 90s");
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(server.ask("select count(*), to_regclass('c') from a"), "1|c");
}
