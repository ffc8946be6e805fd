//! What `doctor` learns from a cluster.

use serde_json::Value;

use super::api::Api;
use crate::domain::Failure;
use crate::domain::plan::list;
use crate::stores::Probe;
use crate::stores::http::escaped;

/// Most names of red indices that are shown.
const SHOWN: usize = 10;

/// Asks what answers, and what will make trouble.
///
/// # Errors
/// The cluster does not answer, or refuses us.
pub fn probe(api: &Api) -> Result<Probe, Failure> {
    let health = api.agent.send("GET", "/_cluster/health", None)?;
    // Who may not ask for the health may still migrate.
    let health = if health.status == 403 { Value::Null } else { api.expect(health)?.json() };
    let mut warnings = Vec::new();
    if health["status"] == "red" {
        warnings.push((
            format!("the cluster is red{}", red(api)?),
            "`GET _cluster/allocation/explain` says why; what needs those shards will fail".to_owned(),
        ));
    }
    let settings = api.ask("/_cluster/settings?flat_settings=true")?;
    for level in ["transient", "persistent"] {
        for key in ["cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"] {
            if is_true(&settings[level][key]) {
                let advice =
                    format!("`PUT /_cluster/settings` with `{{\"{level}\": {{\"{key}\": null}}}}` takes it back");
                warnings.push((format!("the whole cluster is read-only: {key} is set"), advice));
            }
        }
    }
    // It is hidden, so that it is not among all.
    let ledger = blocked(&api.ask(&format!("/{}/_settings/index.blocks*?flat_settings=true", escaped(&api.index)))?);
    if !ledger.is_empty() {
        let advice =
            format!("no run can begin; `PUT /{}/_settings` with `{{\"BLOCK\": null}}` takes a block back", api.index);
        warnings.push((format!("the ledger is not to be written: {}", list(&ledger)), advice));
    }
    let blocked = blocked(&api.ask("/_all/_settings/index.blocks*?flat_settings=true")?);
    if !blocked.is_empty() {
        let advice = "`PUT /INDEX/_settings` with `{\"BLOCK\": null}` takes a block back; one that the cluster set \
            by itself (read_only_allow_delete) means that a disk is nearly full";
        warnings.push((format!("indices that are not to be written: {}", list(&blocked)), advice.to_owned()));
    }
    Ok(Probe { server: server(api, &health)?, warnings })
}

/// `: shards of products, orders do not work`; nothing where we may not ask.
fn red(api: &Api) -> Result<String, Failure> {
    let indices = api.ask("/_cat/indices?format=json&h=index&health=red&expand_wildcards=all&s=index")?;
    let mut names: Vec<String> =
        indices.as_array().into_iter().flatten().filter_map(|i| i["index"].as_str().map(str::to_owned)).collect();
    let more = names.len().saturating_sub(SHOWN);
    names.truncate(SHOWN);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    Ok(if names.is_empty() { String::new() } else { format!(": shards of {} do not work", list(&names)) })
}

/// `OpenSearch 2.19.1, cluster green`.
fn server(api: &Api, health: &Value) -> Result<String, Failure> {
    let root = api.ask("/")?;
    let product = match root["version"]["distribution"].as_str() {
        Some("opensearch") => "OpenSearch",
        Some(other) => other,
        None => "Elasticsearch",
    };
    let version = match root["version"]["number"].as_str() {
        Some(version) => version.to_owned(),
        None => {
            let nodes = api.ask("/_nodes/_local?filter_path=nodes.*.version")?;
            let node = nodes["nodes"].as_object().and_then(|nodes| nodes.values().next());
            node.and_then(|node| node["version"].as_str()).unwrap_or("of an unknown version").to_owned()
        }
    };
    let status = health["status"].as_str().map(|status| format!(", cluster {status}")).unwrap_or_default();
    Ok(format!("{product} {version}{status}"))
}

/// `products (index.blocks.write)` for each index that has a block.
fn blocked(settings: &Value) -> Vec<String> {
    let mut blocked = Vec::new();
    for (index, value) in settings.as_object().into_iter().flatten().filter(|(index, _)| !index.starts_with('.')) {
        let blocks = value["settings"].as_object().into_iter().flatten();
        let set = |key: &str| {
            ["read_only", "read_only_allow_delete", "write", "metadata"]
                .iter()
                .any(|b| key == format!("index.blocks.{b}"))
        };
        blocked.extend(blocks.filter(|(key, v)| set(key) && is_true(v)).map(|(key, _)| format!("{index} ({key})")));
    }
    blocked.sort();
    blocked
}

fn is_true(value: &Value) -> bool {
    value == "true" || *value == true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_are_found() {
        let settings = json!({
            "a": { "settings": { "index.blocks.write": "true", "index.blocks.read": "true" } },
            "b": { "settings": { "index.blocks.write": "false" } },
            ".c": { "settings": { "index.blocks.write": "true" } },
        });
        assert_eq!(blocked(&settings), ["a (index.blocks.write)"]);
        assert_eq!(blocked(&Value::Null), Vec::<String>::new());
    }
}
