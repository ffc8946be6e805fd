//! PostgreSQL's ways in, as libpq has them. Each is gone by both sides: by the connection that the ledger is written over,
//! and by psql; a script looks which connections there are while it runs. The tests that need the server are left out
//! without `STEPLADDER_TEST_POSTGRES_URL`; in CI that is a failure.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use crate::world::{Said, World, says};

/// The password of all the roles, unless the server was brought along.
const SECRET: &str = "ladder-secret-4711";

/// Writes down how the connections of this database came in: over what, from where.
const LOOK: &str = "create table way as select pid, coalesce(version, 'plain') as over, \
                    coalesce(host(client_addr), 'socket') as host \
                    from pg_stat_activity join pg_stat_ssl using (pid) where datname = current_database();\n";

pub fn variable(name: &str) -> Option<String> {
    std::env::var(format!("STEPLADDER_TEST_{name}")).ok().filter(|v| !v.is_empty())
}

/// Where a server is; none without one, and then there is nothing to test against.
fn server_url(server: &str) -> Option<String> {
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let url = variable(&format!("{server}_URL")).filter(|_| wish != "none");
    assert!(url.is_some() || !needed, "STEPLADDER_TEST_{server}_URL is not set");
    url
}

/// Runs SQL as the superuser, in a database of the server's.
pub fn ask(server: &str, database: &str, sql: &str) -> String {
    try_ask(server, database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// The same, or what psql says.
pub fn try_ask(server: &str, database: &str, sql: &str) -> Result<String, String> {
    let url = variable(&format!("{server}_ADMIN_URL")).expect("the superuser's address");
    let url = format!("{}/{database}", url.rsplit_once('/').unwrap().0);
    let output = Command::new("psql").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, &url]).output();
    let output = output.expect("psql is needed to look from outside");
    let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A project whose store is a database of its own.
pub struct Store {
    pub world: World,
    pub server: &'static str,
    role: &'static str,
    pub host: String,
    pub port: String,
    pub database: String,
    /// How many connections there are at least while a script runs.
    sides: u32,
}

impl Store {
    /// None without a server.
    pub fn new(kind: &str, server: &'static str, role: &'static str, test: &str) -> Option<Self> {
        let url = server_url(server)?;
        let (host, port) = url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0.split_once(':').unwrap();
        let database = format!("conf_cli_{test}_{}", std::process::id());
        let world = World::new()
            .file(&format!("migrations/{kind}/001_a.up.sql"), LOOK)
            .file(&format!("migrations/{kind}/001_a.down.sql"), "drop table way;\n");
        ask(server, "postgres", &format!("create database {database}"));
        ask(server, "postgres", &format!("alter database {database} owner to {role}"));
        Some(Self { world, server, role, host: host.to_owned(), port: port.to_owned(), database, sides: 2 })
    }

    /// One on the tests' PostgreSQL whose owner is let in over TLS only.
    pub fn over_tls(test: &str) -> Option<Self> {
        Self::new("postgres", "POSTGRES", "stepladder_tls", test)
    }

    /// One whose owner may come in anyhow.
    pub fn plain(test: &str) -> Option<Self> {
        Self::new("postgres", "POSTGRES", "stepladder", test)
    }

    pub fn url(&self, more: &str) -> String {
        let Self { role, host, port, database, .. } = self;
        format!("postgres://{role}:{SECRET}@{host}:{port}/{database}{more}")
    }

    pub fn run(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let output = self.world.command(line).envs(variables.iter().copied()).output().unwrap();
        let said = Said::new(&output, &self.world.path(""));
        assert!(!said.all().contains(SECRET), "{}", said.all());
        said
    }

    /// Goes up and down again; says how both sides came in.
    #[track_caller]
    pub fn goes(&self, variables: &[(&str, &str)]) -> String {
        says(&self.run("up", variables), 0, &["1 applied"]);
        let seen = ask(
            self.server,
            &self.database,
            "select count(*), string_agg(distinct over || ' ' || host, ', '), \
             (select string_agg(l::text, ' ') from stepladder_ledger l) from way",
        );
        let (connections, ways) = seen.split_once('|').unwrap();
        let (ways, ledger) = ways.split_once('|').unwrap();
        assert!(connections.parse::<u32>().unwrap() >= self.sides, "one side alone was there: {seen}");
        assert!(ledger.contains("001_a") && !ledger.contains(SECRET), "{ledger}");
        says(&self.run("down", variables), 0, &["1 reverted"]);
        ways.to_owned()
    }

    #[track_caller]
    pub fn goes_by(&self, url: &str) -> String {
        self.goes(&[("POSTGRES_URL", url)])
    }

    #[track_caller]
    pub fn is_refused(&self, url: &str, code: i32, words: &[&str]) {
        says(&self.run("up", &[("POSTGRES_URL", url)]), code, words);
    }

    /// Writes a file that none but its owner may read.
    pub fn private(&self, path: &str, text: &str, mode: u32) -> String {
        self.world.write(path, text);
        let path = self.world.path(path);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.display().to_string()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let drop = format!("drop database if exists {}", self.database);
        // The pooler's connections outlive their clients; before PostgreSQL 13 they must be ended by hand.
        if try_ask(self.server, "postgres", &format!("{drop} with (force)")).is_err() {
            let end =
                format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", self.database);
            ask(self.server, "postgres", &end);
            ask(self.server, "postgres", &drop);
        }
    }
}

/// A port of this machine where nobody answers.
fn dead_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn a_role_that_may_create_nothing_is_told_so() {
    let Some(store) = Store::plain("reader") else { return };
    // Before PostgreSQL 15 everybody may.
    let closed = "revoke create on schema public from public; grant create on schema public to stepladder";
    ask(store.server, &store.database, closed);
    let reader = store.url("").replace("//stepladder:", "//stepladder_reader:");
    let words = ["the ledger cannot be created", "permission denied", "hint", "stepladder_reader", "`schema`"];
    store.is_refused(&reader, 1, &words);
    let said = store.run("status", &[("POSTGRES_URL", &reader)]);
    says(&said, 0, &["001_a", "pending"]);
    assert_eq!(ask(store.server, &store.database, "select to_regclass('public.stepladder_ledger') is null"), "t");
    // A ledger that is there and not its own.
    store.goes_by(&store.url(""));
    store.is_refused(&reader, 1, &["permission denied", "the ledger is another role's", "stepladder_reader"]);
}

#[test]
fn libpqs_variables_alone_are_enough() {
    let Some(store) = Store::plain("variables") else { return };
    let mut variables = vec![
        ("PGHOST", store.host.as_str()),
        ("PGPORT", &store.port),
        ("PGUSER", store.role),
        ("PGPASSWORD", SECRET),
        ("PGDATABASE", &store.database),
        ("PGSSLMODE", "disable"),
    ];
    assert_eq!(store.goes(&variables), "plain 127.0.0.1");
    variables.push(("PGSSLMODE", "require"));
    assert_eq!(store.goes(&variables), "TLSv1.3 127.0.0.1");
    // What the URL says goes before them.
    variables.push(("PGPASSWORD", "wrong"));
    says(&store.run("up", &variables), 6, &["password authentication failed", "check the password of stepladder"]);
    let url = store.url("?sslmode=disable");
    variables.push(("POSTGRES_URL", &url));
    assert_eq!(store.goes(&variables), "plain 127.0.0.1");
    variables.push(("PGPORT", "many"));
    variables.push(("POSTGRES_URL", "postgres:///x"));
    says(&store.run("up", &variables), 2, &["`many` is no value of `port`"]);
}

#[test]
fn passwords_come_from_password_files() {
    let Some(store) = Store::plain("passfile") else { return };
    let Store { role, host, port, database, .. } = &store;
    let url = format!("postgres://{role}@{host}:{port}/{database}");
    store.is_refused(&url, 6, &["wants a password, and there is none", "PGPASSWORD"]);
    let line = format!("# mine\n{host}:1:*:*:no\n{host}:{port}:*:{role}:{SECRET}\n");
    store.private(".pgpass", &line, 0o600);
    store.goes_by(&url);
    store.private(".pgpass", &line, 0o640);
    store.is_refused(&url, 6, &["wants a password", ".pgpass is not used: others may read it", "chmod 0600"]);
    let elsewhere = store.private("secret/pass", &line, 0o600);
    store.goes(&[("POSTGRES_URL", &url), ("PGPASSFILE", &elsewhere)]);
    store.goes_by(&format!("{url}?passfile={elsewhere}"));
    store.private("secret/pass", &format!("*:*:*:*:wrong-{SECRET}\n"), 0o600);
    store.is_refused(
        &format!("{url}?passfile={elsewhere}"),
        6,
        &["check the password of stepladder in", "secret/pass"],
    );
    store.is_refused(&format!("{url}?passfile=/nowhere"), 6, &["/nowhere cannot be read: No such file"]);
}

#[test]
fn a_service_file_names_a_connection() {
    let Some(store) = Store::plain("service") else { return };
    let Store { role, host, port, database, .. } = &store;
    let section = format!(
        "[other]\nhost=nowhere\n\n# ours\n[ours]\nhost={host}\nport={port}\nuser={role}\npassword={SECRET}\ndbname={database}\n"
    );
    let file = store.private("services", &section, 0o600);
    store.goes(&[("PGSERVICE", "ours"), ("PGSERVICEFILE", &file)]);
    store.goes(&[("POSTGRES_URL", "postgres:///?service=ours"), ("PGSERVICEFILE", "services"), ("PGHOST", "nowhere")]);
    says(&store.run("up", &[("PGSERVICE", "ours")]), 2, &["`ours` is in no service file", ".pg_service.conf"]);
    store.private(".pg_service.conf", &section, 0o600);
    store.goes(&[("PGSERVICE", "ours")]);
    // The URL goes before the file.
    let said = store.run("up", &[("POSTGRES_URL", "postgres:///nowhere_else?service=ours")]);
    says(&said, 6, &["database \"nowhere_else\" does not exist", "createdb"]);
    store.private(".pg_service.conf", "[ours]\nhost=x\nprot=5432\n", 0o600);
    says(&store.run("up", &[("PGSERVICE", "ours")]), 2, &[".pg_service.conf:3", "`prot` is unknown"]);
}

#[test]
fn the_first_of_several_servers_that_answers_is_taken() {
    let Some(store) = Store::plain("several") else { return };
    let (Store { role, host, port, database, .. }, dead) = (&store, dead_port());
    let rest = format!("user={role} dbname={database}");
    let two = format!("host={host},{host} port={dead},{port} {rest}");
    store.goes_by(&format!("{two} password={SECRET}"));
    store.goes_by(&format!("postgres://{role}:{SECRET}@{host}:{dead},{host}:{port}/{database}"));
    store.goes_by(&format!("{two} password={SECRET} target_session_attrs=read-write load_balance_hosts=random"));
    let standby = format!("{two} password={SECRET} target_session_attrs=read-only");
    let each = [format!("{host}:{dead}: "), format!("{host}:{port}: ")];
    let words =
        ["none of the servers", "database is not read only", "target_session_attrs", "refused", &each[0], &each[1]];
    store.is_refused(&standby, 6, &words);
    // Each server's own password; that of the one that is gone is not the other's.
    let lines = format!("{host}:{dead}:*:*:wrong\n{host}:{port}:*:*:{SECRET}\n");
    store.private(".pgpass", &lines, 0o600);
    store.goes_by(&two);
    // Who turns us away has the last word, as in libpq.
    let wrong = format!("host={host},{host} port={port},{port} password=wrong-one {rest}");
    store.is_refused(&wrong, 6, &["password authentication failed"]);
    store.is_refused(&format!("host=a,b,c port=1,2 {rest}"), 2, &["3 servers and 2 ports"]);
}

/// Each further try of a wrong password may lock somebody out, and each wait for a server that is gone is long.
#[test]
fn a_server_that_turns_us_away_is_asked_once() {
    for mode in ["disable", "allow", "prefer", "require"] {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let world =
            World::new().file("migrations/postgres/001_a.up.sql", LOOK).file("migrations/postgres/001_a.down.sql", "");
        let mut running = world
            .command("up")
            .env("POSTGRES_URL", format!("postgres://u:p@127.0.0.1:{port}/d?sslmode={mode}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut tries = 0;
        let ended = loop {
            // Ends before it is looked, so that no try is missed.
            let ended = running.try_wait().unwrap();
            while let Ok((connection, _)) = listener.accept() {
                drop(connection);
                tries += 1;
            }
            if let Some(ended) = ended {
                break ended;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        assert_eq!((tries, ended.code()), (1, Some(6)), "{mode}");
    }
}

#[test]
fn a_socket_is_a_way_in() {
    let Some(store) = Store::plain("socket") else { return };
    let Store { role, port, database, .. } = &store;
    let socket = variable("POSTGRES_SOCKET").unwrap();
    assert_eq!(store.goes_by(&format!("postgres://{role}:{SECRET}@:{port}/{database}?host={socket}")), "plain socket");
    let encoded = socket.replace('/', "%2F");
    // TLS is no matter there, as in libpq.
    store.goes_by(&format!("postgres://{role}:{SECRET}@{encoded}:{port}/{database}?sslmode=verify-full&sslcert=gone"));
    store.private(".pgpass", &format!("{socket}:{port}:{database}:{role}:{SECRET}\n"), 0o600);
    let variables = [("PGHOST", socket.as_str()), ("PGPORT", port), ("PGUSER", role), ("PGDATABASE", database)];
    assert_eq!(store.goes(&variables), "plain socket");
    let gone = format!("postgres://{role}@:{port}/{database}?host=/nowhere");
    store.is_refused(&gone, 6, &["/nowhere", "No such file", "is the server running"]);
}

#[test]
fn what_cannot_be_kept_to_is_refused() {
    let Some(store) = Store::plain("kept") else { return };
    for (more, words) in [
        ("require_auth=scram-sha-256", ["`require_auth` cannot be kept to", "channel_binding=require"]),
        ("requirepeer=postgres", ["`requirepeer` cannot be kept to", "leave it out"]),
        ("gssencmode=require", ["there is no GSSAPI here", "verify-full"]),
        ("sslmod=require", ["`sslmod` is unknown", "did you mean `sslmode`?"]),
    ] {
        store.is_refused(&store.url(&format!("?{more}")), 2, &words);
    }
}

#[test]
fn no_secret_is_on_a_command_line() {
    let Some(store) = Store::plain("argv") else { return };
    store.world.write("migrations/postgres/001_a.up.sql", "\\! tr '\\0' ' ' </proc/$PPID/cmdline >argv\n");
    store.world.write("migrations/postgres/001_a.down.sql", "select 1;\n");
    let variables = [("POSTGRES_URL", store.url(""))];
    let variables = [(variables[0].0, variables[0].1.as_str())];
    says(&store.run("up --dry-run", &variables), 0, &["PGPASSWORD=***", "psql --no-psqlrc"]);
    says(&store.run("up", &variables), 0, &["1 applied"]);
    let seen = store.world.read("argv");
    assert!(seen.contains("psql") && seen.contains("--no-psqlrc") && !seen.contains(SECRET), "{seen}");
}

#[test]
fn a_pooler_is_gone_through_without_tls() {
    let (Some(pooler), Some(mut store)) = (server_url("PGBOUNCER"), Store::plain("pooler")) else { return };
    // Both sides are lent the same connection.
    store.sides = 1;
    let place = pooler.rsplit_once('/').unwrap().0;
    store.goes_by(&format!("{place}/{}?sslmode=disable", store.database));
    store.is_refused(&format!("{place}/{}?sslmode=require", store.database), 6, &["does not support TLS", "sslmode"]);
    let console = variable("PGBOUNCER_ADMIN_URL").unwrap();
    store.is_refused(&format!("{console}?sslmode=disable"), 1, &["PgBouncer's console", "name a database behind it"]);
}

#[test]
fn timescaledb_has_the_same_ways_in() {
    let Some(store) = Store::new("timescaledb", "TIMESCALEDB", "stepladder", "timescale") else { return };
    ask(store.server, &store.database, "set client_min_messages = error; create extension if not exists timescaledb");
    let Store { role, host, port, database, .. } = &store;
    store.private(".pgpass", &format!("{host}:{port}:{database}:{role}:{SECRET}\n"), 0o600);
    let url = format!("timescaledb://{role}@{host}:{},{host}:{port}/{database}", dead_port());
    assert_eq!(store.goes(&[("TIMESCALEDB_URL", &url)]), "plain 127.0.0.1");
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some(store) = Store::plain("idle") else { return };
    let world = World::new().file("stepladder.toml", "[stores.postgres]\n");
    let world = world.variable("POSTGRES_URL", &crate::relay::cutting_idle_ones(&store.url("")));
    crate::relay::outlives_idle_connections(&world, "postgres", "sql", "create table b (n int);\n");
}
