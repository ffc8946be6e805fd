//! Kafka's own tools as command lines: which there are, where they lie, what is added to what a person typed. Pure but for
//! finding them.

use std::path::{Path, PathBuf};

use super::endpoint::{Client, Endpoint};
use super::script::Part;
use crate::domain::Failure;
use crate::domain::directive::closest;
use crate::process::CommandLine;

/// How to get Kafka's tools.
pub const INSTALL: &str = "Kafka's tools need Java: unpack the archive of kafka.apache.org and put its `bin` on PATH \
    · macOS: brew install kafka · no Java: `client = \"builtin\"` carries topics, configs, ACLs and records out in process";

/// A tool, and the option with which it takes the client properties.
const TOOLS: [(&str, &str); 16] = [
    ("kafka-topics", "--command-config"),
    ("kafka-configs", "--command-config"),
    ("kafka-acls", "--command-config"),
    ("kafka-reassign-partitions", "--command-config"),
    ("kafka-consumer-groups", "--command-config"),
    ("kafka-groups", "--command-config"),
    ("kafka-share-groups", "--command-config"),
    ("kafka-delete-records", "--command-config"),
    ("kafka-features", "--command-config"),
    ("kafka-leader-election", "--admin.config"),
    ("kafka-log-dirs", "--command-config"),
    ("kafka-client-metrics", "--command-config"),
    ("kafka-delegation-tokens", "--command-config"),
    ("kafka-transactions", "--command-config"),
    ("kafka-console-producer", "--producer.config"),
    ("kafka-console-consumer", "--consumer.config"),
];

/// A program that a script names: the tool's name, without folder and `.sh`.
///
/// # Errors
/// One that is none of Kafka's tools: what to say.
pub fn name_of(word: &str) -> Result<&'static str, (String, String)> {
    let base = word.rsplit('/').next().unwrap_or(word);
    let base = base.strip_suffix(".sh").unwrap_or(base);
    let known = || TOOLS.iter().map(|(name, _)| *name).chain(["sleep"]);
    known().find(|name| *name == base).ok_or_else(|| {
        let meant = closest(base, known()).map(|m| format!("did you mean `{m}`? "));
        let hint = format!(
            "{}a line begins with one of Kafka's tools: {}. Anything else is a `.up.sh` script",
            meant.unwrap_or_default(),
            known().collect::<Vec<_>>().join(", ")
        );
        (format!("`{word}` is none of Kafka's tools"), hint)
    })
}

/// Finds a tool: in the configured folder, its `bin`, or on the search path; with or without `.sh`.
///
/// # Errors
/// [`crate::FailureKind::Unreachable`] with how to install it.
pub fn find(client: &Client, tool: &str, store: &str) -> Result<PathBuf, Failure> {
    let names = [tool.to_owned(), format!("{tool}.sh")];
    let found = match client {
        Client::Tools(Some(place)) => {
            let folder = if place.is_file() { place.parent().unwrap_or(place) } else { place.as_path() };
            let places = [folder.to_owned(), folder.join("bin")];
            places.iter().flat_map(|p| names.iter().map(move |n| p.join(n))).find(|p| p.is_file())
        }
        _ => names.iter().find_map(|name| which::which(name).ok()),
    };
    found.ok_or_else(|| {
        let place = match client {
            Client::Tools(Some(place)) => format!("`{tool}` was not found in {}", place.display()),
            _ => format!("`{tool}` was not found"),
        };
        Failure::unreachable(place)
            .hint(format!("{INSTALL} · or set `client = \"/opt/kafka/bin\"` under [stores.{store}]"))
    })
}

/// The command line of a part: what was typed, and the connection where it was left out.
pub fn command(tool: &str, program: &Path, part: &Part, endpoint: &Endpoint, config: Option<&Path>) -> CommandLine {
    let mut line = CommandLine::new(program, tool);
    let says = |names: &[&str]| {
        part.words.iter().any(|word| names.iter().any(|n| word == n || word.starts_with(&format!("{n}="))))
    };
    let elsewhere = ["--bootstrap-server", "--bootstrap-controller", "--broker-list", "--zookeeper"];
    if !says(&elsewhere) {
        line = line.args(["--bootstrap-server".to_owned(), endpoint.servers()]);
        let option = TOOLS.iter().find(|(name, _)| *name == tool).map_or("--command-config", |(_, option)| option);
        if let Some(config) = config.filter(|_| !says(&["--command-config", option])) {
            line = line.arg(option).arg(config.as_os_str());
        }
    }
    line = line.args(&part.words[1..]);
    // Nobody is there to say yes, and without `--sync` a record that is refused is no failure.
    let needs = |wanted: &str, verb: Option<&str>| verb.is_none_or(|verb| says(&[verb])) && !says(&[wanted]);
    if tool == "kafka-acls" && needs("--force", Some("--remove")) {
        line = line.arg("--force");
    }
    if tool == "kafka-console-producer" && needs("--sync", None) {
        line = line.arg("--sync");
    }
    for (name, value) in &part.env {
        line = line.env(name.clone(), crate::config::Secret::open(value.clone()));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::kafka::tests::endpoint;

    fn shown(line: &str, config: Option<&str>) -> String {
        let part = super::super::script::parts(line).unwrap().remove(0);
        let tool = name_of(&part.words[0]).unwrap();
        command(tool, Path::new("/k/x"), &part, &endpoint("kafka://a:1,b:2"), config.map(Path::new)).to_string()
    }

    #[test]
    fn the_connection_is_added_where_it_is_missing() {
        for (line, config, expected) in [
            (
                "bin/kafka-topics.sh --create --topic 'a b'",
                Some("/tmp/c"),
                "kafka-topics --bootstrap-server a:1,b:2 --command-config /tmp/c --create --topic 'a b'",
            ),
            ("kafka-topics --list --bootstrap-server x:1", Some("/c"), "kafka-topics --list --bootstrap-server x:1"),
            (
                "kafka-topics --list --command-config my",
                Some("/c"),
                "kafka-topics --bootstrap-server a:1,b:2 --list --command-config my",
            ),
            (
                "KAFKA_HEAP_OPTS=-Xmx1g /opt/kafka/bin/kafka-acls.sh --remove --topic x",
                None,
                "KAFKA_HEAP_OPTS=-Xmx1g kafka-acls --bootstrap-server a:1,b:2 --remove --topic x --force",
            ),
            (
                "kafka-console-producer --topic x",
                Some("/c"),
                "kafka-console-producer --bootstrap-server a:1,b:2 --producer.config /c --topic x --sync",
            ),
        ] {
            assert_eq!(shown(line, config), expected);
        }
    }

    #[test]
    fn a_tool_that_is_unknown_is_refused_with_the_ones_there_are() {
        assert_eq!(name_of("/opt/kafka/bin/kafka-acls.sh"), Ok("kafka-acls"));
        let (what, hint) = name_of("kafka-topic").unwrap_err();
        assert!(what.contains("kafka-topic") && hint.contains("did you mean `kafka-topics`?"), "{hint}");
        assert!(name_of("rm").is_err());
    }
}
