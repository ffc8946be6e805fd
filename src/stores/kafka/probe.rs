//! What `doctor` learns of a cluster and of the client.

use super::action::Entity;
use super::broker;
use super::endpoint::{Client, Endpoint};
use super::log::KEPT;
use super::tools;
use super::wire::Cluster;
use crate::domain::Failure;
use crate::stores::Probe;

/// Versions by what a broker can do: a request's number and version that came with it. Newest first.
const SIGNS: [(i16, i16, &str); 8] = [
    (0, 13, "4.1 or newer"),
    (0, 12, "4.0"),
    (75, 0, "3.7 to 3.9"),
    (68, 0, "3.5 or 3.6"),
    (65, 0, "3.0 to 3.4"),
    (60, 0, "2.8"),
    (57, 0, "2.7"),
    (50, 0, "2.6 or older"),
];

/// Connects and says what answers.
///
/// # Errors
/// No way in.
pub fn probe(cluster: &mut Cluster) -> Result<Probe, Failure> {
    let said = cluster.introduction()?;
    let answer = cluster.metadata(Some(&[&cluster.endpoint.ledger.clone()]))?;
    let level = said.finalized_features.iter().find(|f| &*f.name == "metadata.version").map(|f| f.max_version_level);
    let version = level.and_then(release).map(str::to_owned).or_else(|| {
        let knows = |key: i16, version: i16| said.api_keys.iter().any(|k| k.api_key == key && k.max_version >= version);
        SIGNS.iter().find(|(key, version, _)| knows(*key, *version)).map(|(_, _, name)| (*name).to_owned())
    });
    let brokers = crate::domain::plan::count(answer.brokers.len(), "broker");
    let mode = if level.is_some() { ", KRaft" } else { "" };
    let server = format!("Kafka {} ({brokers}{mode})", version.unwrap_or_else(|| "of an unknown version".to_owned()));
    let mut warnings = Vec::new();
    let copies = answer.topics.iter().flat_map(|t| &t.partitions).map(|p| p.replica_nodes.len()).min();
    if copies.is_some_and(|n| n < 2) && answer.brokers.len() > 1 {
        warnings.push((
            "the ledger's topic has one copy only".to_owned(),
            "give it more with kafka-reassign-partitions, so that it outlives a broker".to_owned(),
        ));
    }
    let ledger = Entity::Topic(cluster.endpoint.ledger.clone());
    // Who may not read a topic's settings is not told about them.
    let settings = if answer.topics.iter().any(|t| t.error_code == 0) {
        broker::settings(cluster, &ledger, None)
    } else {
        Ok(Vec::new())
    };
    for setting in settings.unwrap_or_default() {
        let wanted = KEPT.iter().find(|(name, _)| *name == setting.name).map(|(_, value)| *value);
        if let (Some(wanted), Some(value)) = (wanted, setting.value.filter(|v| Some(v.as_str()) != wanted)) {
            warnings.push((
                format!("the ledger's topic has {}={value}, so it may lose what is applied", setting.name),
                format!(
                    "kafka-configs --alter --topic {} --add-config {}={wanted}",
                    cluster.endpoint.ledger, setting.name
                ),
            ));
        }
    }
    Ok(Probe { server, warnings })
}

/// The release of a metadata version: each level says in which release it came.
fn release(level: i16) -> Option<&'static str> {
    Some(match level {
        1..=3 => "3.0 to 3.2",
        4..=7 => "3.3",
        8 => "3.4",
        9..=11 => "3.5",
        12..=14 => "3.6",
        15..=19 => "3.7",
        20 => "3.8",
        21 => "3.9",
        22..=25 => "4.0",
        26.. => "4.1 or newer",
        _ => return None,
    })
}

/// Whether the tools can be found, and which; none for the built-in client.
///
/// # Errors
/// How to install them.
pub fn client(endpoint: &Endpoint, store: &str) -> Result<Option<String>, Failure> {
    if endpoint.client == Client::Builtin {
        return Ok(None);
    }
    let program = tools::find(&endpoint.client, "kafka-topics", store)?;
    let output = std::process::Command::new(&program).arg("--version").output();
    let output = output.map_err(|e| Failure::unreachable(format!("`{}` cannot be started: {e}", program.display())))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().next().filter(|_| output.status.success());
    match version {
        Some(version) => Ok(Some(format!("{} {version}", program.display()))),
        None => {
            let words = String::from_utf8_lossy(&output.stderr).trim().lines().next().unwrap_or_default().to_owned();
            Err(Failure::unreachable(format!("`{}` does not work: {words}", program.display())).hint(tools::INSTALL))
        }
    }
}
