//! Neo4j: data alone is one transaction with its entry, and requests. Left out without `STEPLADDER_TEST_NEO4J_URL`; in CI that is a failure.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::world::World;

/// The server has one database: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A project on the server's one database, which is emptied.
fn project() -> Option<(World, MutexGuard<'static, ()>)> {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (wish, ci) = (variable("STEPLADDER_TEST_SERVERS"), variable("CI"));
    let needed = wish == "all" || wish != "none" && !ci.is_empty() && ci != "false";
    let url = Some(variable("STEPLADDER_TEST_NEO4J_URL")).filter(|url| !url.is_empty() && wish != "none");
    assert!(url.is_some() || !needed, "STEPLADDER_TEST_NEO4J_URL is not set");
    let world = World::new().file("stepladder.toml", "[stores.neo4j]\n").variable("NEO4J_URL", &url?);
    let world = world.variable("PATH", &variable("PATH"));
    ask("MATCH (n) DETACH DELETE n");
    Some((world, alone))
}

/// What cypher-shell prints, the heading apart.
fn ask(statement: &str) -> String {
    let url = std::env::var("STEPLADDER_TEST_NEO4J_URL").unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (login, place) = rest.rsplit_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let address = format!("{scheme}://{}", place.split('/').next().unwrap());
    let output = Command::new("cypher-shell")
        .args(["--address", &address, "--format", "plain", "--non-interactive", statement])
        .env("NEO4J_USERNAME", user)
        .env("NEO4J_PASSWORD", password)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().skip(1).collect()
}

const COUNT: &str = "MATCH (n:Whole) RETURN count(n)";

#[test]
fn data_alone_is_one_transaction_with_its_entry() {
    let Some((world, _alone)) = project() else { return };
    let up = "migrations/neo4j/001_whole.up.cypher";
    world.write("migrations/neo4j/001_whole.down.cypher", "MATCH (n:Whole) DELETE n;\n");
    let dry = |world: &World| world.ok("up --dry-run").all();

    // The third statement fails: nothing of the first two is left, and nothing has to be settled.
    world.write(up, "CREATE (:Whole {n: 1});\n// two\nCREATE (:Whole {n: 2});\nCREATE (:Whole {n: 1 / 0});\n");
    assert!(dry(&world).contains("in one transaction with its ledger entry"), "{}", dry(&world));
    let said = world.run("up");
    let all = said.all();
    assert_eq!(said.code, 1, "{all}");
    for words in ["001_whole.up.cypher:4", "/ by zero", "nothing of it was kept: the script ran in one transaction"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    assert_eq!(ask(COUNT), "0");

    // A kill in its middle leaves nothing either.
    let slow = "UNWIND range(1, 100000000) AS x WITH x WHERE sin(x) > 2 RETURN count(x)";
    world.write(up, format!("CREATE (:Whole {{n: 1}});\n{slow};\nCREATE (:Whole {{n: 2}});\n"));
    let mut running = world.command("up").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let at_work =
        "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery STARTS WITH 'UNWIND range(1, 1' RETURN count(*)";
    while ask(at_work) != "1" && running.try_wait().unwrap().is_none() {
        assert!(Instant::now() < until, "the slow statement was never seen");
    }
    running.kill().unwrap();
    running.wait().unwrap();
    while ask(at_work) != "0" {
        assert!(Instant::now() < until + Duration::from_secs(60), "the server goes on for nobody");
    }
    assert_eq!(ask(COUNT), "0");

    // And so it can simply be run.
    world.write(up, "CREATE (:Whole {n: 1});\nCREATE (:Whole {n: 2});\n");
    world.ok("up");
    assert_eq!(ask(COUNT), "2");
    world.ok("check");
    world.ok("down");
    assert_eq!(ask(COUNT), "0");

    // Schema keeps its journal.
    world.write(up, "CREATE (:Whole {n: 1});\nCREATE INDEX whole_n IF NOT EXISTS FOR (w:Whole) ON (w.n);\n");
    assert!(dry(&world).contains("no transaction: CREATE INDEX whole_n"), "{}", dry(&world));
    ask("MATCH (n) DETACH DELETE n");
}

#[test]
fn a_step_is_told_as_done_while_the_next_one_is_at_work() {
    let Some((world, _alone)) = project() else { return };
    let migration = |name: &str, up: &str| {
        world.write(&format!("migrations/neo4j/{name}.up.cypher"), up);
        world.write(&format!("migrations/neo4j/{name}.down.cypher"), "MATCH (n:Whole) DELETE n;\n");
    };
    let slow = "UNWIND range(1, 100000000) AS x WITH x WHERE sin(x) > 2 RETURN count(x);\n";
    migration("001_first", "CREATE (:Whole {n: 1});\n");
    // One statement, before which the shell says nothing.
    migration("002_slow", &format!("// stepladder: timeout 2s\n{slow}"));
    migration("003_third", "CREATE (:Whole {n: 3});\n");

    let mut running = world.command("up --json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines().map(|line| (Instant::now(), line.unwrap()));
    let told: Vec<(Instant, String)> = lines.collect();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let when = |event: &str, name: &str| {
        let is_it = |line: &str| line.contains(&format!("\"{event}\"")) && line.contains(name);
        told.iter().find(|(_, line)| is_it(line)).unwrap_or_else(|| panic!("{event} of {name}: {told:?}")).0
    };
    // The slow one is what is late, not the one that was waited for; and its time begins with itself.
    assert!(when("step_failed", "002_slow") - when("step_done", "001_first") > Duration::from_secs(1), "{told:?}");
    assert!(when("step_failed", "002_slow") - when("step_started", "002_slow") > Duration::from_secs(1), "{told:?}");
    assert_eq!(ask("MATCH (n:Whole) RETURN n.n"), "1");

    // One that is refused behind others is named with its line, and they are kept.
    migration("002_slow", "CREATE (:Whole {n: 2});\n");
    migration("003_third", "CREATE (:Whole {n: 3});\n\nCREATE (:Whole {n: 1 / 0});\n");
    let all = world.run("up").all();
    assert!(all.contains("003_third.up.cypher:3") && all.contains("nothing of it was kept"), "{all}");
    assert_eq!(ask(COUNT), "2");
    ask("MATCH (n) DETACH DELETE n");
}

#[test]
fn when_another_store_fails_the_step_at_work_ends_and_no_other_begins() {
    let Some((world, _alone)) = project() else { return };
    world.write("stepladder.toml", "[stores.neo4j]\n[stores.other]\nkind = \"memory\"\nurl = \"memory:other\"\n");
    let slow = "UNWIND range(1, 6000000) AS x WITH x WHERE sin(x) > 2 RETURN count(x)";
    for (n, more) in [(1, ""), (2, slow), (3, ""), (4, "")] {
        let more = if more.is_empty() { String::new() } else { format!("{more};\n") };
        world.write(&format!("migrations/neo4j/00{n}_a.up.cypher"), format!("CREATE (:Whole {{n: {n}}});\n{more}"));
        world.write(&format!("migrations/neo4j/00{n}_a.down.cypher"), "MATCH (n:Whole) DELETE n;\n");
    }
    // The other store fails while the second script is at work.
    let (login, port) = place();
    let http = port.parse::<u16>().unwrap() + 1;
    let question =
        "SHOW TRANSACTIONS YIELD currentQuery WHERE currentQuery STARTS WITH 'UNWIND range(1, 6' RETURN count(*)";
    world.write(
        "migrations/other/001_fails.up.sh",
        format!(
            "cat >question.json <<'JSON'\n{{\"statements\": [{{\"statement\": \"{question}\"}}]}}\nJSON\n\
             for i in $(seq 600); do\n\
             curl -s -u '{login}' -H 'Content-Type: application/json' -d @question.json \
             http://127.0.0.1:{http}/db/neo4j/tx/commit | grep -q '\"row\":\\[1\\]' && exit 3\n\
             sleep 0.1\ndone\n"
        ),
    );
    world.write("migrations/other/001_fails.down.sh", "true\n");
    let said = world.run("up");
    assert_eq!(said.code, 1, "{}", said.all());
    assert!(said.all().contains("other/001_fails") && said.all().contains("not begun: 2 further"), "{}", said.all());
    assert_eq!(ask("MATCH (n:Whole) RETURN sum(n.n)"), "3", "{}", said.all());
    assert_eq!(ask("MATCH (e:StepladderMigration) RETURN count(e)"), "2", "{}", said.all());
    world.ok("status");
    ask("MATCH (n) DETACH DELETE n");
}

#[test]
fn requests_are_journalled_one_by_one_and_resumed() {
    let Some((world, _alone)) = project() else { return };
    // HTTP is the port behind Bolt's.
    let url = std::env::var("STEPLADDER_TEST_NEO4J_URL").unwrap();
    let port: u16 = url.rsplit_once(':').unwrap().1.trim_end_matches('/').parse().unwrap();
    world.write("stepladder.toml", format!("[stores.neo4j]\nhttp = \"http://127.0.0.1:{}\"\n", port + 1));
    let script = |second: &str, third: &str| {
        let query = |statement: &str| format!("POST /query/v2\n\n{{\"statement\": \"{statement}\"}}\n");
        let old = format!("POST /tx/commit\n\n{{\"statements\": [{{\"statement\": \"{third}\"}}]}}\n");
        format!("# three\n{}###\n{}###\n{old}", query("CREATE (:Asked {n: 1})"), query(second))
    };
    world.write(
        "migrations/neo4j/001_asked.down.http",
        "POST /query/v2\n\n{\"statement\": \"MATCH (a:Asked) DELETE a\"}\n",
    );
    let up = "migrations/neo4j/001_asked.up.http";
    let count = "MATCH (n:Asked) RETURN count(n)";

    world.write(up, script("CREATE (:Asked {n: 2}) WRONG", "CREATE (:Asked {n: 3})"));
    assert!(world.ok("up --dry-run").all().contains("POST /db/neo4j/query/v2"));
    let all = world.run("up").all();
    for words in ["001_asked.up.http:6", "SyntaxError", "part 1 of 3", "repair neo4j/1 --resume"] {
        assert!(all.contains(words), "{words}: {all}");
    }
    // What a 200 hides is an error as well.
    world.write(up, script("CREATE (:Asked {n: 2})", "CREATE (:Asked {n: 3}) WRONG"));
    let all = world.run("repair neo4j/1 --resume --yes").all();
    assert!(all.contains("001_asked.up.http:10") && all.contains("SyntaxError"), "{all}");
    assert_eq!(ask(count), "2");
    world.write(up, script("CREATE (:Asked {n: 2})", "CREATE (:Asked {n: 3})"));
    world.ok("repair neo4j/1 --resume --yes");
    assert_eq!(ask(count), "3");
    world.ok("check");
    world.ok("redo");
    assert_eq!(ask(count), "3");
    // Cypher goes on behind requests, and requests behind Cypher.
    world.write("migrations/neo4j/002_cypher.up.cypher", "CREATE (:Asked {n: 4});\n");
    world.write("migrations/neo4j/002_cypher.down.cypher", "MATCH (a:Asked {n: 4}) DELETE a;\n");
    world
        .write("migrations/neo4j/003_again.up.http", "POST /query/v2\n\n{\"statement\": \"CREATE (:Asked {n: 5})\"}\n");
    world.write(
        "migrations/neo4j/003_again.down.http",
        "POST /query/v2\n\n{\"statement\": \"MATCH (a:Asked {n: 5}) DELETE a\"}\n",
    );
    world.ok("up");
    assert_eq!(ask(count), "5");
    world.ok("down --all --yes");
    assert_eq!(ask(count), "0");
    for (text, words) in [
        ("POST /query/v2\n\n{\"statement\": \"MATCH (n:StepladderLease) DELETE n\"}\n", "names nodes of the ledger"),
        ("POST /tx\n", "stays open"),
    ] {
        world.write(up, text);
        let said = world.run("up");
        assert!(said.code != 0 && said.all().contains(words), "{}", said.all());
    }
    ask("MATCH (n) DETACH DELETE n");
}

/// What the server's address is, without login: host and port.
fn place() -> (String, String) {
    let url = std::env::var("STEPLADDER_TEST_NEO4J_URL").unwrap();
    let (login, place) = url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
    let port = place.split('/').next().unwrap().rsplit_once(':').unwrap().1;
    (login.to_owned(), port.to_owned())
}

/// A variable that a server of one's own has to come with.
fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; `tests/servers/servers.sh start neo4j` sets it"))
}

#[test]
fn over_tls_the_ledger_the_shell_and_requests_trust_the_same_certificates() {
    let Some((_, _alone)) = project() else { return };
    let world = World::new().variable("PATH", &std::env::var("PATH").unwrap_or_default());
    let (login, port) = place();
    let https = given("STEPLADDER_TEST_NEO4J_HTTPS");
    let (ca, wrong) = (given("STEPLADDER_TEST_NEO4J_CA"), given("STEPLADDER_TEST_NEO4J_WRONG_CA"));
    let section = |lines: &str| world.write("stepladder.toml", format!("[stores.neo4j]\n{lines}\n"));
    let url = |scheme: &str, host: &str| format!("url = \"{scheme}://{login}@{host}:{port}\"\n");
    let world_of = |scheme: &str, host: &str, more: &str| section(&(url(scheme, host) + more));
    let cypher = "CREATE (:Tls {n: 1});\nCREATE INDEX tls_n IF NOT EXISTS FOR (t:Tls) ON (t.n);\n";
    world.write("migrations/neo4j/001_shell.up.cypher", cypher);
    world.write("migrations/neo4j/001_shell.down.cypher", "DROP INDEX tls_n IF EXISTS;\nMATCH (t:Tls) DELETE t;\n");
    let post = |statement: &str| format!("POST /query/v2\n\n{{\"statement\": \"{statement}\"}}\n");
    world.write("migrations/neo4j/002_http.up.http", post("CREATE (:Tls {n: 2})"));
    world.write("migrations/neo4j/002_http.down.http", post("MATCH (t:Tls {n: 2}) DELETE t"));
    let count = "MATCH (t:Tls) RETURN count(t)";
    let goes = |what: &str| {
        world.ok("up");
        assert_eq!(ask(count), "2", "{what}");
        world.ok("check");
        world.ok("down --all --yes");
        assert_eq!(ask(count), "0", "{what}");
        ask("MATCH (n) DETACH DELETE n");
    };
    // A script by each way takes a JVM's start: the other two schemes only look.
    world_of("bolt+s", "localhost", &format!("ca = \"{ca}\""));
    assert!(world.ok("status").all().contains("2 pending"));
    world_of("neo4j+s", "localhost", &format!("http = \"{https}\"\nca = \"{ca}\""));
    goes("neo4j+s");
    let dry = world.ok("up --dry-run").all();
    assert!(dry.contains("JDK_JAVA_OPTIONS=") && dry.contains("trustStoreType=JKS"), "{dry}");
    world_of("neo4j+ssc", "localhost", "");
    assert!(world.ok("status").all().contains("2 pending"));
    world_of("bolt+ssc", "localhost", &format!("http = \"{https}\""));
    goes("bolt+ssc");
    // What a JVM says of its options is no word of a script's, and the user's own options stay.
    world_of("bolt+s", "localhost", &format!("http = \"{https}\"\nca = \"{ca}\""));
    world.write(".env", "JDK_JAVA_OPTIONS=-Dstepladder=own\n");
    world.write("migrations/neo4j/001_shell.up.cypher", "CREATE (:Tls {n: 1}) WRONG;\n");
    let said = world.run("up");
    assert!(said.code == 1 && said.all().contains("001_shell.up.cypher:1"), "{}", said.all());
    assert!(!said.all().contains("JDK_JAVA_OPTIONS"), "{}", said.all());
    assert!(world.ok("up --dry-run").all().contains("-XX:TieredStopAtLevel=1 -Dstepladder=own"));
    ask("MATCH (n) DETACH DELETE n");

    // Whoever is not to be trusted is told to be so, and gets no password.
    for (scheme, host, more, words) in [
        ("bolt+s", "localhost", format!("ca = \"{wrong}\""), "cannot be trusted"),
        ("bolt+s", "localhost", String::new(), "cannot be trusted"),
        ("neo4j+s", "localhost", format!("ca = \"{wrong}\""), "cannot be trusted"),
        ("bolt+s", "localhost", "ca = \"none.pem\"".to_owned(), "none.pem cannot be used"),
        ("bolt", "localhost", format!("ca = \"{ca}\""), "not encrypted"),
    ] {
        world_of(scheme, host, &more);
        let said = world.run("status");
        assert!(said.all().contains(words), "{scheme} {host} {more}: {}", said.all());
        assert!(!said.all().contains("secret"), "{}", said.all());
    }
}

#[test]
fn a_password_that_has_to_be_changed_is_said() {
    let Some((_, _alone)) = project() else { return };
    let (_, port) = place();
    ask("CREATE OR REPLACE USER newcomer SET PASSWORD 'hunter2-hunter2' CHANGE REQUIRED");
    for scheme in ["neo4j", "bolt"] {
        let world = World::new()
            .file("stepladder.toml", "[stores.neo4j]\n")
            .file("migrations/neo4j/001_a.up.cypher", "CREATE (:A);\n")
            .file("migrations/neo4j/001_a.down.cypher", "MATCH (a:A) DELETE a;\n")
            .variable("PATH", &std::env::var("PATH").unwrap_or_default())
            .variable("NEO4J_URL", &format!("{scheme}://newcomer:hunter2-hunter2@127.0.0.1:{port}"));
        for line in ["status", "up", "doctor", "wait --timeout 1s"] {
            let said = world.run(line);
            let all = said.all();
            assert!(said.code == 6 || line == "status", "{line}: {all}");
            for words in ["wants a new password", "ALTER CURRENT USER SET PASSWORD"] {
                assert!(all.contains(words), "{scheme} {line}: {words}: {all}");
            }
            assert!(!all.contains("hunter2"), "{line}: {all}");
        }
    }
    ask("DROP USER newcomer");
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some((world, _alone)) = project() else { return };
    let world = crate::relay::between(world, "NEO4J_URL");
    crate::relay::outlives_idle_connections(&world, "neo4j", "cypher", "CREATE (:Idle);\n");
}
