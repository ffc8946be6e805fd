//! Neo4j: data alone is one transaction with its entry. Left out without `STEPLADDER_TEST_NEO4J_URL`; in CI that is a failure.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::World;

/// A project on the server's one database, which is emptied.
fn project() -> Option<World> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (wish, ci) = (variable("STEPLADDER_TEST_SERVERS"), variable("CI"));
    let needed = wish == "all" || wish != "none" && !ci.is_empty() && ci != "false";
    let url = Some(variable("STEPLADDER_TEST_NEO4J_URL")).filter(|url| !url.is_empty() && wish != "none");
    assert!(url.is_some() || !needed, "STEPLADDER_TEST_NEO4J_URL is not set");
    let world = World::new().file("stepladder.toml", "[stores.neo4j]\n").variable("NEO4J_URL", &url?);
    let world = world.variable("PATH", &variable("PATH"));
    ask("MATCH (n) DETACH DELETE n");
    Some(world)
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
    let Some(world) = project() else { return };
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
