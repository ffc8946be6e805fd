//! What a command line does: read from its words, for carrying it out in process, and for knowing what to wait for after
//! a tool has.

use std::time::Duration;

use super::acls::{self, Acls};
use super::options::{Options, pairs};
use super::script::Part;

/// What a command line does, as far as it is understood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `kafka-topics --create`
    Create(NewTopic),
    /// `kafka-topics --delete`: topics whose whole names match.
    Delete { pattern: String, if_exists: bool },
    /// `kafka-topics --alter --partitions`
    Grow { pattern: String, partitions: i32, if_exists: bool },
    /// `kafka-topics --list` and `--describe`
    Show { pattern: Option<String>, describe: bool },
    /// `kafka-configs --alter`
    Configure(Configure),
    /// `kafka-configs --describe`
    ShowConfigs { entity: Entity, all: bool },
    /// `kafka-acls`
    Acls(Acls),
    /// `kafka-console-producer`: a record a line.
    Produce { topic: String, separator: Option<String>, null_marker: Option<String> },
    /// `kafka-console-consumer`
    Consume {
        topic: String,
        partition: Option<i32>,
        from_beginning: bool,
        most: Option<u64>,
        timeout: Option<Duration>,
    },
    /// `sleep 5`
    Sleep(Duration),
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; the broker's default without it.
    pub partitions: Option<i32>,
    /// How many copies; the broker's default without it.
    pub copies: Option<i16>,
    /// Its settings.
    pub configs: Vec<(String, String)>,
    /// Whether one that is there already is fine.
    pub if_not_exists: bool,
}

/// Settings to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configure {
    /// Of what.
    pub entity: Entity,
    /// New values.
    pub set: Vec<(String, String)>,
    /// Back to the default.
    pub delete: Vec<String>,
}

/// Something that has settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A topic.
    Topic(String),
    /// A broker, or the default of all brokers.
    Broker(Option<String>),
}

/// Options that say where the cluster is: the store's affair.
const WHERE: [&str; 4] = ["bootstrap-server", "command-config", "producer.config", "consumer.config"];

/// The tools that can be carried out in process.
pub const BUILTIN: [&str; 6] =
    ["kafka-topics", "kafka-configs", "kafka-acls", "kafka-console-producer", "kafka-console-consumer", "sleep"];

impl Action {
    /// Reads a part whose program is this tool.
    ///
    /// # Errors
    /// Why it cannot be carried out in process, in the tools' own words where they have some.
    pub fn read(tool: &str, part: &Part) -> Result<Self, String> {
        if tool == "sleep" {
            let seconds = part.words.get(1).and_then(|w| w.trim_end_matches('s').parse::<f64>().ok());
            let seconds = seconds.filter(|s| part.words.len() == 2 && (0.0..1e6).contains(s));
            return seconds
                .map(|s| Self::Sleep(Duration::from_secs_f64(s)))
                .ok_or_else(|| "sleep takes seconds".into());
        }
        if !BUILTIN.contains(&tool) {
            return Err(format!("`{tool}` is not built in; what is: {}", BUILTIN.join(", ")));
        }
        let options = Options::read(&part.words[1..])?;
        let known = |names: &[&str]| match options.stranger(&[&WHERE[..], names].concat()) {
            Some(name) => Err(format!("{name} is not a recognized option")),
            None => Ok(()),
        };
        if options.get("bootstrap-server").is_some() || options.get("command-config").is_some() {
            return Err(
                "the store says where the cluster is and who we are; leave --bootstrap-server and --command-config out"
                    .into(),
            );
        }
        match tool {
            "kafka-topics" => topics(&options, known),
            "kafka-configs" => configs(&options, known),
            "kafka-acls" => acls::read(&options, known).map(Self::Acls),
            "kafka-console-producer" => produce(&options, known),
            _ => consume(&options, known),
        }
    }

    /// What Kafka's own tool will do, with its connection left aside; none when it is not understood here.
    pub fn of_tool(tool: &str, part: &Part) -> Option<Self> {
        let mut words = Vec::new();
        let mut rest = part.words.iter();
        while let Some(word) = rest.next() {
            let name = word.strip_prefix("--").unwrap_or_default();
            if WHERE.contains(&name) {
                rest.next();
            } else if !WHERE.iter().any(|w| name.strip_prefix(w).is_some_and(|r| r.starts_with('='))) {
                words.push(word.clone());
            }
        }
        Self::read(tool, &Part { words, ..part.clone() }).ok()
    }
}

type Known<'a> = &'a dyn Fn(&[&str]) -> Result<(), String>;

fn topics(options: &Options, known: impl Fn(&[&str]) -> Result<(), String>) -> Result<Action, String> {
    let verbs = ["create", "delete", "alter", "describe", "list"];
    let said: Vec<&str> = verbs.into_iter().filter(|v| options.has(v)).collect();
    let known: Known<'_> = &known;
    let topic = || options.get("topic").map(str::to_owned).ok_or("Missing required argument \"[topic]\"".to_owned());
    match said.as_slice() {
        ["create"] => {
            known(&["create", "topic", "partitions", "replication-factor", "config", "if-not-exists"])?;
            let configs = options.all("config").iter().map(|c| pairs_of_topic(c)).collect::<Result<_, _>>()?;
            Ok(Action::Create(NewTopic {
                name: topic()?,
                partitions: options.number("partitions")?,
                copies: options.number("replication-factor")?,
                configs,
                if_not_exists: options.has("if-not-exists"),
            }))
        }
        ["delete"] => {
            known(&["delete", "topic", "if-exists"])?;
            Ok(Action::Delete { pattern: topic()?, if_exists: options.has("if-exists") })
        }
        ["alter"] => {
            known(&["alter", "topic", "partitions", "if-exists"])?;
            let partitions = options.number("partitions")?.ok_or("Missing required argument \"[partitions]\"")?;
            Ok(Action::Grow { pattern: topic()?, partitions, if_exists: options.has("if-exists") })
        }
        [verb @ ("describe" | "list")] => {
            known(&["describe", "list", "topic", "exclude-internal", "if-exists"])?;
            Ok(Action::Show { pattern: topic().ok(), describe: *verb == "describe" })
        }
        _ => {
            Err("Command must include exactly one action: --list, --describe, --create, --alter or --delete".to_owned())
        }
    }
}

/// `name=value` of `kafka-topics --config`.
fn pairs_of_topic(text: &str) -> Result<(String, String), String> {
    let wrong = "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".";
    let (name, value) = text.split_once('=').ok_or(wrong)?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn configs(options: &Options, known: impl Fn(&[&str]) -> Result<(), String>) -> Result<Action, String> {
    known(&[
        "alter",
        "describe",
        "entity-type",
        "entity-name",
        "entity-default",
        "topic",
        "broker",
        "add-config",
        "delete-config",
        "all",
    ])?;
    let name = options.get("entity-name").map(str::to_owned);
    let entity = match (options.get("topic"), options.get("broker"), options.get("entity-type")) {
        (Some(topic), ..) => Entity::Topic(topic.to_owned()),
        (_, Some(broker), _) => Entity::Broker(Some(broker.to_owned())),
        (.., Some("topics")) => Entity::Topic(name.ok_or("an entity name must be specified with --alter of topics")?),
        (.., Some("brokers")) => Entity::Broker(name),
        (.., Some(other)) => return Err(format!("the entity type {other} is not built in; topics and brokers are")),
        _ => return Err("At least one entity type must be specified".to_owned()),
    };
    match (options.has("alter"), options.has("describe")) {
        (true, false) => {
            let set = pairs(options.get("add-config").unwrap_or_default())?;
            let delete: Vec<String> = options
                .all("delete-config")
                .iter()
                .flat_map(|names| names.split(','))
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect();
            if set.is_empty() && delete.is_empty() {
                return Err("At least one of --add-config or --delete-config must be specified with --alter".to_owned());
            }
            Ok(Action::Configure(Configure { entity, set, delete }))
        }
        (false, true) => Ok(Action::ShowConfigs { entity, all: options.has("all") }),
        _ => Err("Command must include exactly one action: --describe, --alter".to_owned()),
    }
}

fn produce(options: &Options, known: impl Fn(&[&str]) -> Result<(), String>) -> Result<Action, String> {
    known(&["topic", "property", "sync", "request-required-acks", "batch-size", "timeout", "compression-codec"])?;
    let properties: Vec<(String, String)> =
        options.all("property").iter().map(|p| pairs_of_topic_raw(p)).collect::<Result<_, _>>()?;
    let get = |name: &str| properties.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    if let Some((name, _)) =
        properties.iter().find(|(n, _)| !["parse.key", "key.separator", "null.marker"].contains(&&**n))
    {
        return Err(format!("the property {name} is not built in; parse.key, key.separator and null.marker are"));
    }
    let keyed = get("parse.key").is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    Ok(Action::Produce {
        topic: options.get("topic").ok_or("Missing required argument \"[topic]\"")?.to_owned(),
        separator: keyed.then(|| get("key.separator").unwrap_or_else(|| "\t".to_owned())),
        null_marker: get("null.marker"),
    })
}

/// `name=value` whose value keeps its blanks.
fn pairs_of_topic_raw(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("Invalid argument syntax: {text}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn consume(options: &Options, known: impl Fn(&[&str]) -> Result<(), String>) -> Result<Action, String> {
    known(&["topic", "partition", "from-beginning", "max-messages", "timeout-ms", "offset"])?;
    if options.get("offset").is_some_and(|o| o != "latest" && o != "earliest") {
        return Err("--offset takes latest or earliest here".to_owned());
    }
    Ok(Action::Consume {
        topic: options.get("topic").ok_or("Missing required argument \"[topic]\"")?.to_owned(),
        partition: options.number("partition")?,
        from_beginning: options.has("from-beginning") || options.get("offset") == Some("earliest"),
        most: options.number("max-messages")?,
        timeout: options.number("timeout-ms")?.map(Duration::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Action, String> {
        let part = super::super::script::parts(line).unwrap().remove(0);
        Action::read(&part.words[0].clone(), &part)
    }

    #[test]
    fn lines_are_understood() {
        assert_eq!(
            read(
                "kafka-topics --create --topic a.b --partitions 3 --replication-factor 1 --config retention.ms=5 --if-not-exists"
            ),
            Ok(Action::Create(NewTopic {
                name: "a.b".to_owned(),
                partitions: Some(3),
                copies: Some(1),
                configs: vec![("retention.ms".to_owned(), "5".to_owned())],
                if_not_exists: true,
            }))
        );
        let entity = Entity::Topic("t".to_owned());
        let set = vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "c,d".to_owned())];
        assert_eq!(
            read(
                "kafka-configs --alter --entity-type topics --entity-name t --add-config a=1,b=[c,d] --delete-config e,f"
            ),
            Ok(Action::Configure(Configure { entity, set, delete: vec!["e".to_owned(), "f".to_owned()] }))
        );
        assert_eq!(read("sleep 1.5"), Ok(Action::Sleep(Duration::from_millis(1500))));
        assert_eq!(
            read("kafka-console-producer --topic t --property parse.key=true --property key.separator=:"),
            Ok(Action::Produce { topic: "t".to_owned(), separator: Some(":".to_owned()), null_marker: None })
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (line, words) in [
            ("kafka-topics --create --topic", "requires an argument"),
            ("kafka-topics --topic x", "exactly one action"),
            ("kafka-topics --create --topic x --nope y", "nope is not a recognized option"),
            ("kafka-topics --alter --topic x --partitions many", "Cannot parse"),
            ("kafka-topics --list --bootstrap-server a:1", "leave --bootstrap-server"),
            ("kafka-configs --alter --entity-type users --entity-name x --add-config a=b", "not built in"),
            ("kafka-reassign-partitions --execute x", "not built in"),
            ("sleep x", "seconds"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[test]
    fn a_tool_may_say_where_the_cluster_is() {
        let line = "kafka-topics --bootstrap-server a:1 --delete --command-config=x --topic t";
        let part = super::super::script::parts(line).unwrap().remove(0);
        let expected = Action::Delete { pattern: "t".to_owned(), if_exists: false };
        assert_eq!(Action::of_tool("kafka-topics", &part), Some(expected));
    }
}
