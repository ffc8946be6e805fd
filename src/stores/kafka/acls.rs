//! The options of `kafka-acls`, as rules and filters.

use super::options::Options;

/// What to do with access rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acls {
    /// Adds them.
    Add(Vec<Rule>),
    /// Takes away what matches.
    Remove(Vec<Rule>),
    /// Shows what matches.
    List(Vec<Rule>),
}

/// A rule, or a filter for rules: the numbers are the protocol's, what is none matches anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// TOPIC, GROUP, CLUSTER or TRANSACTIONAL_ID.
    pub resource: i8,
    /// Its name.
    pub name: Option<String>,
    /// LITERAL or PREFIXED.
    pub pattern: i8,
    /// `User:billing`.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// READ, WRITE, ...
    pub operation: i8,
    /// DENY or ALLOW.
    pub permission: i8,
}

/// The protocol's number for anything.
pub const ANY: i8 = 1;
/// Resources by their numbers.
pub const RESOURCES: [(i8, &str); 4] = [(2, "TOPIC"), (3, "GROUP"), (4, "CLUSTER"), (5, "TRANSACTIONAL_ID")];
/// Pattern types by their numbers.
pub const PATTERNS: [(i8, &str); 4] = [(1, "ANY"), (2, "MATCH"), (3, "LITERAL"), (4, "PREFIXED")];
/// Permissions by their numbers.
pub const PERMISSIONS: [(i8, &str); 2] = [(2, "DENY"), (3, "ALLOW")];
/// Operations by their numbers.
pub const OPERATIONS: [(i8, &str); 14] = [
    (1, "ANY"),
    (2, "ALL"),
    (3, "READ"),
    (4, "WRITE"),
    (5, "CREATE"),
    (6, "DELETE"),
    (7, "ALTER"),
    (8, "DESCRIBE"),
    (9, "CLUSTER_ACTION"),
    (10, "DESCRIBE_CONFIGS"),
    (11, "ALTER_CONFIGS"),
    (12, "IDEMPOTENT_WRITE"),
    (13, "CREATE_TOKENS"),
    (14, "DESCRIBE_TOKENS"),
];

/// The word of a number.
pub fn word(table: &[(i8, &'static str)], number: i8) -> &'static str {
    table.iter().find(|(n, _)| *n == number).map_or("UNKNOWN", |(_, word)| word)
}

/// The number of a word, however it is written: `IdempotentWrite`, `IDEMPOTENT_WRITE`.
fn number(table: &[(i8, &'static str)], said: &str) -> Option<i8> {
    let plain = |text: &str| text.replace('_', "").to_ascii_uppercase();
    table.iter().find(|(_, word)| plain(word) == plain(said)).map(|(n, _)| *n)
}

const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const TRANSACTION: i8 = 5;

/// Reads `kafka-acls`.
///
/// # Errors
/// What the tool would refuse too.
pub fn read(options: &Options, known: impl Fn(&[&str]) -> Result<(), String>) -> Result<Acls, String> {
    known(&[
        "add",
        "remove",
        "list",
        "force",
        "topic",
        "group",
        "cluster",
        "transactional-id",
        "resource-pattern-type",
        "allow-principal",
        "deny-principal",
        "allow-host",
        "deny-host",
        "operation",
        "producer",
        "consumer",
        "idempotent",
        "principal",
    ])?;
    let resources = resources(options);
    let verbs = (options.has("add"), options.has("remove"), options.has("list"));
    let (adding, listing) = match verbs {
        (true, false, false) => (true, false),
        (false, true, false) => (false, false),
        (false, false, true) => (false, true),
        _ => return Err("Command must include exactly one action: --list, --add, --remove.".to_owned()),
    };
    let pattern = match options.get("resource-pattern-type") {
        None => 3,
        Some(word) => number(&PATTERNS, word).ok_or_else(|| format!("Invalid resource-pattern-type {word}"))?,
    };
    if listing {
        let all = if resources.is_empty() { vec![(ANY, None)] } else { resources.into_iter().map(some).collect() };
        let pattern = if options.get("resource-pattern-type").is_none() { ANY } else { pattern };
        let filters = all.into_iter().map(|(resource, name)| {
            let principal = options.get("principal").map(str::to_owned);
            Rule { resource, name, pattern, principal, host: None, operation: ANY, permission: ANY }
        });
        return Ok(Acls::List(filters.collect()));
    }
    if resources.is_empty() {
        return Err("You must specify at least one resource: --topic <topic> or --cluster or --group <group> or \
            --transactional-id <id>"
            .to_owned());
    }
    let mut rules = Vec::new();
    for (permission, who, from) in [(3, "allow-principal", "allow-host"), (2, "deny-principal", "deny-host")] {
        let mut hosts = options.all(from);
        if hosts.is_empty() {
            hosts.push("*".to_owned());
        }
        for principal in options.all(who) {
            for (resource, name) in &resources {
                for operation in operations(options, *resource)? {
                    rules.extend(hosts.iter().map(|host| Rule {
                        resource: *resource,
                        name: Some(name.clone()),
                        pattern,
                        principal: Some(principal.clone()),
                        host: Some(host.clone()),
                        operation,
                        permission,
                    }));
                }
            }
        }
    }
    match (adding, rules.is_empty()) {
        (true, true) => {
            Err("You must specify one of: --allow-principal, --deny-principal when trying to add ACLs.".into())
        }
        (true, false) => Ok(Acls::Add(rules)),
        (false, false) => Ok(Acls::Remove(rules)),
        // Without a principal all rules of the resource go.
        (false, true) => Ok(Acls::Remove(
            resources
                .into_iter()
                .map(some)
                .map(|(resource, name)| Rule {
                    resource,
                    name,
                    pattern,
                    principal: None,
                    host: None,
                    operation: ANY,
                    permission: ANY,
                })
                .collect(),
        )),
    }
}

fn some((resource, name): (i8, String)) -> (i8, Option<String>) {
    (resource, Some(name))
}

fn resources(options: &Options) -> Vec<(i8, String)> {
    let named = [("topic", TOPIC), ("group", GROUP), ("transactional-id", TRANSACTION)];
    let mut found: Vec<(i8, String)> =
        named.iter().flat_map(|(option, number)| options.all(option).into_iter().map(|name| (*number, name))).collect();
    if options.has("cluster") || options.has("idempotent") {
        found.push((CLUSTER, "kafka-cluster".to_owned()));
    }
    found
}

/// What may be done with a resource: as said, or as producers and consumers need it.
fn operations(options: &Options, resource: i8) -> Result<Vec<i8>, String> {
    let (producer, consumer) = (options.has("producer"), options.has("consumer"));
    if producer || consumer {
        let mut all: Vec<i8> = match resource {
            TOPIC => [(producer, [4, 8, 5].as_slice()), (consumer, [3, 8].as_slice())]
                .iter()
                .filter(|(wanted, _)| *wanted)
                .flat_map(|(_, numbers)| numbers.iter().copied())
                .collect(),
            GROUP if consumer => vec![3],
            TRANSACTION if producer => vec![4, 8],
            CLUSTER => vec![12],
            _ => Vec::new(),
        };
        all.sort_unstable();
        all.dedup();
        return Ok(all);
    }
    let said = options.all("operation");
    let one = |word: &String| number(&OPERATIONS, word).ok_or_else(|| format!("Unknown operation {word}"));
    if said.is_empty() { Ok(vec![2]) } else { said.iter().map(one).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acls(line: &str) -> Result<Acls, String> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        read(&Options::read(&words).unwrap(), |_| Ok(()))
    }

    #[test]
    fn rules_are_read_as_the_tool_reads_them() {
        let Ok(Acls::Add(rules)) = acls("--add --allow-principal User:b --operation Read --topic o --group b") else {
            panic!()
        };
        let told: Vec<(i8, Option<&str>, i8)> =
            rules.iter().map(|r| (r.resource, r.name.as_deref(), r.operation)).collect();
        assert_eq!(told, [(TOPIC, Some("o"), 3), (GROUP, Some("b"), 3)]);
        assert!(rules.iter().all(|r| r.host.as_deref() == Some("*") && r.permission == 3 && r.pattern == 3));
        let Ok(Acls::Add(rules)) = acls("--add --allow-principal User:p --producer --topic o") else { panic!() };
        assert_eq!(rules.iter().map(|r| r.operation).collect::<Vec<_>>(), [4, 5, 8]);
        let Ok(Acls::Remove(filters)) = acls("--remove --force --topic o") else { panic!() };
        assert_eq!((filters[0].principal.clone(), filters[0].operation), (None, ANY));
        assert!(acls("--add --topic o").is_err());
        assert!(acls("--add --remove").is_err());
    }
}
