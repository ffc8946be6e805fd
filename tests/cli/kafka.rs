//! Kafka: scripts made ready offline, and what a person reads when a line is wrong. The tests that need a server say so and
//! are left out without `STEPLADDER_TEST_KAFKA_URL`; in CI that is a failure.

use insta::assert_snapshot;

use crate::world::World;

const UP: &str = "migrations/kafka/001_a.up.kafka";

/// A project whose cluster nobody asks.
fn offline(script: &str) -> World {
    World::new()
        .file("stepladder.toml", "[stores.kafka]\nurl = \"kafka://me:s3cret@a:1,b:2\"\nclient = \"tools\"\n")
        .file("tools/kafka-topics", "#!/bin/sh\n")
        .file("tools/bin/kafka-acls.sh", "#!/bin/sh\n")
        .file(UP, script)
        .file("migrations/kafka/001_a.down.kafka", "# nothing\n")
}

#[test]
fn a_dry_run_shows_each_command_as_it_will_be_started() {
    let script = "# top\n/opt/kafka/bin/kafka-topics.sh --create \\\n  --topic 'a b'\nkafka-acls --remove --topic x\n";
    let world = offline(script);
    assert_snapshot!(world.shows("up --dry-run --offline"), @r"
    kafka   1 step:
      a program per line
      001_a   this store cannot undo a script
        entry: 001_a is begun
        kafka-topics --bootstrap-server a:1,b:2 --command-config '***' --create --topic 'a b'
        kafka-acls --bootstrap-server a:1,b:2 --command-config '***' --remove --topic x --force
        entry: 001_a is done, after 2 journalled parts
    1 step in 1 store would run. Nothing was changed.
    ");
    world.write("stepladder.toml", "[stores.kafka]\nurl = \"a:1\"\nclient = \"builtin\"\n");
    let said = world.ok("up --dry-run --offline").all();
    assert!(said.contains("built in") && said.contains("kafka-acls --remove --topic x\n"), "{said}");
}

#[test]
fn what_cannot_run_is_said_with_its_line_before_anything_runs() {
    for (script, words) in [
        (
            "\nkafka-topics --list | grep x\n",
            ["001_a.up.kafka:2", "`|` feeds another program", "nothing here goes to a shell"],
        ),
        ("kafka-topics --list > x\n", ["001_a.up.kafka:1", "redirection", "`.up.sh`"]),
        ("kafka-topics --list\nkafka-topics --topic 'x\n", [":2", "never closed", "close it"]),
        ("kafka-topics --bootstrap-server $BROKERS --list\n", [":1", "`$` stands for", "the store adds them"]),
        ("kafka-topic --list\n", [":1", "`kafka-topic` is none of Kafka's tools", "did you mean `kafka-topics`?"]),
        ("rm -rf /\n", [":1", "`rm` is none of Kafka's tools", ".up.sh"]),
        ("kafka-configs --describe\n", [":1", "`kafka-configs` was not found in", "kafka.apache.org"]),
    ] {
        let said = offline(script).run("up --dry-run --offline");
        let all = said.all();
        assert_ne!(said.code, 0, "{script}: {all}");
        assert!(words.iter().all(|w| all.contains(w)), "{script}: {all}");
        assert!(!all.contains("s3cret"), "{all}");
    }
    let world = offline("kafka-reassign-partitions --execute\n");
    world.write("stepladder.toml", "[stores.kafka]\nurl = \"a:1\"\nclient = \"builtin\"\n");
    let said = world.run("up --dry-run --offline").all();
    assert!(said.contains("`kafka-reassign-partitions` is not built in"), "{said}");
}

#[test]
fn a_connection_that_means_nothing_is_refused() {
    for (section, words) in [
        ("url = \"amqp://a\"", "`amqp://` is no address of Kafka"),
        ("url = \"a:x\"", "`a:x` is no broker"),
        ("url = \"kafka://a?nope=1\"", "`nope`"),
        ("url = \"a\"\nmechanism = \"MAGIC\"", "`MAGIC`"),
        ("url = \"a\"\ncommand_config = \"gone\"", "cannot be read"),
    ] {
        let world = offline("").file("stepladder.toml", format!("[stores.kafka]\n{section}\n"));
        let said = world.run("status");
        assert!(said.code != 0 && said.all().contains(words), "{section}: {}", said.all());
    }
}

/// The server that the tests may use: a URL without its query, and the folder of the tools.
fn server() -> Option<(String, String)> {
    let url = std::env::var("STEPLADDER_TEST_KAFKA_URL").ok().filter(|url| !url.is_empty());
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let missing = url.is_none() || wish == "none";
    assert!(!(missing && needed), "STEPLADDER_TEST_KAFKA_URL is not set");
    let bin = std::env::var("STEPLADDER_TEST_KAFKA_BIN").unwrap_or_default();
    url.filter(|_| !missing).map(|url| (url.split('?').next().unwrap_or_default().to_owned(), bin))
}

/// A project with topics of its own, that are deleted at its end.
struct Cluster {
    world: World,
    prefix: String,
}

impl Cluster {
    fn new(url: &str, client: &str) -> Self {
        let prefix = format!("cli{:x}.", std::process::id() ^ std::collections::hash_map::RandomState::new().hash());
        let url = format!("{url}?prefix={prefix}&ledger={prefix}ledger&client={client}");
        let world = World::new().file("stepladder.toml", "[stores.kafka]\n").variable("KAFKA_BROKERS", &url);
        let path = std::env::var("PATH").unwrap_or_default();
        Self { world: world.variable("PATH", &path), prefix }
    }

    /// Runs `up` on a script that makes the topic `there` and then goes on with this line.
    fn up(&self, line: &str) -> crate::world::Said {
        let prefix = &self.prefix;
        let first = format!("kafka-topics --create --if-not-exists --topic {prefix}there --partitions 3\n");
        self.world.write(UP, format!("# top\n{first}{}\n", line.replace("PREFIX.", prefix)));
        self.world.write("migrations/kafka/001_a.down.kafka", "# nothing\n");
        self.world.run("up -v")
    }
}

trait Hash {
    fn hash(&self) -> u32;
}

impl Hash for std::collections::hash_map::RandomState {
    fn hash(&self) -> u32 {
        u32::try_from(std::hash::BuildHasher::hash_one(self, 1) >> 32).unwrap_or(0)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.world.run("repair kafka/1 --mark reverted --yes");
        self.world.write(UP, "# nothing\n");
        self.world.run("fresh --yes");
    }
}

#[test]
fn a_missing_tool_is_found_before_anything_is_made() {
    let Some((url, _)) = server() else { return };
    let cluster = Cluster::new(&url, "no-such-folder");
    let said = cluster.up("kafka-topics --list");
    let all = said.all();
    assert_eq!(said.code, 6, "{all}");
    for words in
        ["kafka/001_a could not be run: `kafka-topics` was not found in", "001_a.up.kafka:2", "nothing was run"]
    {
        assert!(all.contains(words), "`{words}` is not in:\n{all}");
    }
    // Not the ledger either.
    let open = std::env::var("STEPLADDER_TEST_KAFKA_OPEN_URL").expect("servers.sh says it");
    let topics = std::process::Command::new("kcat").args(["-b", open.trim_start_matches("kafka://"), "-L"]).output();
    let topics = String::from_utf8_lossy(&topics.unwrap().stdout).into_owned();
    assert!(topics.contains("topic \"") && !topics.contains(&cluster.prefix), "{topics}");
}

/// A line, what both clients say of it, and the advice.
const WRONG: [(&str, &str, &str); 7] = [
    ("kafka-topics --create --topic PREFIX.there", "already exists.", "--if-not-exists"),
    (
        "kafka-topics --alter --topic PREFIX.there --partitions 2",
        "would not be an increase",
        "partitions can only grow",
    ),
    ("kafka-topics --alter --topic PREFIX.gone --partitions 2", "does not exist as expected", "--if-exists"),
    (
        "kafka-configs --alter --entity-type topics --entity-name PREFIX.there --add-config nope.ms=1",
        "Unknown topic config name: nope.ms",
        "documentation",
    ),
    ("kafka-console-producer --topic PREFIX.gone <<< x", "not present in metadata", "kafka-topics --create"),
    ("kafka-topics --delete --topic 'stepladder-test-.*'", "is not of this store", "begin with"),
    ("kafka-topics --delete --topic PREFIX.ledger", "is the ledger's", "pattern"),
];

fn each_is_told(client: &str, url: &str) {
    let cluster = Cluster::new(url, client);
    for (line, words, advice) in WRONG {
        let said = cluster.up(line);
        let all = said.all();
        assert_eq!(said.code, 1, "{line}: {all}");
        for wanted in [words, advice, "001_a.up.kafka:3", "kafka/001_a", "repair kafka/1 --resume", "--mark reverted"] {
            assert!(all.contains(wanted), "{line} does not say `{wanted}`: {all}");
        }
        let half = &cluster.world.run("status --json").json()["stores"][0]["migrations"][0]["half"];
        assert_eq!((half["parts_done"].as_u64(), half["parts_total"].as_u64()), (Some(1), Some(2)), "{line}: {half}");
        cluster.world.ok("repair kafka/1 --mark reverted --yes");
    }
}

#[test]
fn bad_lines_are_told_in_the_tools_own_words() {
    let Some((url, bin)) = server() else { return };
    each_is_told(&bin, &url);
    // A JVM that dies before it has done anything.
    let cluster = Cluster::new(&url, &bin);
    let said = cluster.up("KAFKA_HEAP_OPTS=-Xmx2m kafka-topics --list");
    let all = said.all();
    assert!(said.code == 1 && all.contains("OutOfMemoryError") && all.contains("KAFKA_HEAP_OPTS=-Xmx512m"), "{all}");
}

#[test]
fn the_built_in_client_says_the_same() {
    let Some((url, _)) = server() else { return };
    each_is_told("builtin", &url);
}

#[test]
fn configs_acls_and_records_go_in_and_come_out() {
    let Some((url, bin)) = server() else { return };
    for client in ["builtin", bin.as_str()] {
        let cluster = Cluster::new(&url, client);
        let script = "\
kafka-configs --alter --entity-type topics --entity-name PREFIX.there --add-config cleanup.policy=[compact,delete],retention.ms=5000
kafka-configs --alter --topic PREFIX.there --delete-config retention.ms
kafka-configs --describe --topic PREFIX.there
kafka-acls --add --allow-principal User:cli --operation Read --topic PREFIX.there
kafka-acls --list --topic PREFIX.there
kafka-acls --remove --allow-principal User:cli --operation Read --topic PREFIX.there
kafka-console-producer --topic PREFIX.there --property parse.key=true --property key.separator=: <<'END'
a:it's $1
b:ünïcödé
END
kafka-console-consumer --topic PREFIX.there --from-beginning --max-messages 2
kafka-topics --alter --topic PREFIX.there --partitions 5
kafka-topics --describe --topic PREFIX.there";
        let said = cluster.up(script);
        assert_eq!(said.code, 0, "{client}: {}", said.all());
        let said = said.all();
        for wanted in [
            "cleanup.policy=compact,delete",
            "principal=User:cli, host=*, operation=READ, permissionType=ALLOW",
            "it's $1",
            "ünïcödé",
            "PartitionCount: 5",
        ] {
            assert!(said.contains(wanted), "{client} does not say `{wanted}`: {said}");
        }
        assert!(!said.contains("retention.ms=5000"), "{said}");
    }
}

#[test]
fn every_login_leads_in_and_a_strange_certificate_does_not() {
    let Some((url, _)) = server() else { return };
    let variable = |name: &str| std::env::var(format!("STEPLADDER_TEST_KAFKA_{name}")).ok().filter(|v| !v.is_empty());
    let (place, secret) =
        url.split_once("://").and_then(|(_, r)| r.rsplit_once('@')).map(|(l, p)| (p, l)).unwrap_or_default();
    let (user, secret) = secret.split_once(':').unwrap_or_default();
    let looks = |url: &str| {
        World::new().file("stepladder.toml", "[stores.kafka]\n").variable("KAFKA_BROKERS", url).run("status")
    };
    for mechanism in ["SCRAM-SHA-256", "scram-sha-512"] {
        let said = looks(&format!("{url}?mechanism={mechanism}"));
        assert_eq!(said.code, 0, "{mechanism}: {}", said.all());
    }
    let refused = looks(&format!("{url}?mechanism=PLAIN"));
    assert!(refused.code != 0 && refused.all().contains("check the password of"), "{}", refused.all());
    let properties = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=\"{user}\" password=\"{secret}\";\n"
    );
    let world = World::new().file("client.properties", properties);
    world.write(
        "stepladder.toml",
        format!("[stores.kafka]\nurl = \"{place}\"\ncommand_config = \"client.properties\"\n"),
    );
    world.ok("status");
    if let Some(login) = variable("LOGIN_URL") {
        assert_eq!(looks(&login).code, 0, "{}", looks(&login).all());
        let guessed = looks(login.split('?').next().unwrap_or_default());
        assert!(guessed.code != 0 && guessed.all().contains("mechanism = \"PLAIN\""), "{}", guessed.all());
    }
    if let (Some(tls), Some(ca), Some(wrong)) = (variable("TLS_URL"), variable("CA"), variable("WRONG_CA")) {
        let said = looks(&format!("{tls}?ca={ca}"));
        assert_eq!(said.code, 0, "{}", said.all());
        let said = looks(&format!("{tls}?ca={wrong}"));
        assert!(said.code != 0 && said.all().contains("cannot be trusted"), "{}", said.all());
        let said = looks(&format!("{}?ca={ca}", tls.replace("localhost", "127.0.0.1")));
        assert!(said.code != 0 && said.all().contains("cannot be trusted"), "{}", said.all());
        let plain = tls.replace("kafka+ssl", "kafka");
        assert_eq!(looks(&plain).code, 6, "{}", looks(&plain).all());
    }
}
