//! What `fresh` drops: the user's indices, data streams, templates, pipelines, policies and scripts, and nothing that belongs to
//! the cluster or to one of its features.

use serde_json::Value;

use super::api::Api;
use super::endpoint::Endpoint;
use crate::domain::Failure;
use crate::domain::plan::count;
use crate::stores::http::escaped;

/// A thing of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thing {
    /// `index`, `ingest pipeline`.
    pub sort: &'static str,
    /// Its name.
    pub name: String,
    /// What is known of its size.
    pub size: String,
    /// What deletes it.
    path: String,
}

/// A sort of thing that is kept by name: how to ask for all of them, and what deletes one.
struct Sort {
    name: &'static str,
    ask: &'static str,
    delete: &'static str,
    of: fn(&Value) -> Vec<(String, bool)>,
}

/// In the order in which they can go: what others need goes after them.
const SORTS: [Sort; 8] = [
    Sort {
        name: "index template",
        ask: "/_index_template",
        delete: "/_index_template/",
        of: |v| list(v, "index_templates", "index_template"),
    },
    Sort {
        name: "component template",
        ask: "/_component_template",
        delete: "/_component_template/",
        of: |v| list(v, "component_templates", "component_template"),
    },
    Sort { name: "legacy template", ask: "/_template", delete: "/_template/", of: |v| map(v, "") },
    Sort { name: "ingest pipeline", ask: "/_ingest/pipeline", delete: "/_ingest/pipeline/", of: |v| map(v, "") },
    Sort { name: "search pipeline", ask: "/_search/pipeline", delete: "/_search/pipeline/", of: |v| map(v, "") },
    Sort { name: "ILM policy", ask: "/_ilm/policy", delete: "/_ilm/policy/", of: |v| map(v, "policy") },
    Sort {
        name: "ISM policy",
        ask: "/_plugins/_ism/policies?size=1000",
        delete: "/_plugins/_ism/policies/",
        of: policies,
    },
    Sort {
        name: "stored script",
        ask: "/_cluster/state/metadata?filter_path=metadata.stored_scripts",
        delete: "/_scripts/",
        of: |v| map(&v["metadata"]["stored_scripts"], ""),
    },
];

/// Names that Elasticsearch gives to its own things, in versions that do not mark them.
const MANAGED: [&str; 22] = [
    "logs",
    "metrics",
    "synthetics",
    "traces",
    "7-days-default",
    "30-days-default",
    "90-days-default",
    "180-days-default",
    "365-days-default",
    "ilm-history",
    "slm-history",
    "watch-history",
    "ml-size-based-ilm-policy",
    "logs-settings",
    "logs-mappings",
    "metrics-settings",
    "metrics-mappings",
    "synthetics-settings",
    "synthetics-mappings",
    "data-streams-mappings",
    "data-streams-settings",
    "ecs@dynamic_templates",
];
const MANAGED_ENDS: [&str; 4] = ["-ilm-policy", "@lifecycle", "@settings", "@mappings"];

/// Whether a name is of the cluster, or outside this store.
fn stays(name: &str, endpoint: &Endpoint) -> bool {
    name.starts_with('.') || name == endpoint.ledger || !name.starts_with(&endpoint.prefix)
}

fn is_managed(name: &str, body: &Value) -> bool {
    let marked = |meta: &Value| meta["managed"] == true;
    let managed = marked(&body["_meta"]) || marked(&body["metadata"]);
    let known = MANAGED.contains(&name) || MANAGED_ENDS.iter().any(|end| name.ends_with(end));
    let known_start = [
        "apm-",
        "apm@",
        "logs@",
        "metrics@",
        "traces@",
        "synthetics@",
        "profiling-",
        "elastic-connectors",
        "ilm-history-",
        "slm-history-",
    ];
    managed || known || known_start.iter().any(|start| name.starts_with(start))
}

fn list(said: &Value, key: &str, inner: &str) -> Vec<(String, bool)> {
    let items = said[key].as_array().into_iter().flatten();
    let named = items.filter_map(|item| Some((item["name"].as_str()?.to_owned(), item)));
    named
        .map(|(name, item)| {
            let managed = is_managed(&name, &item[inner]);
            (name, managed)
        })
        .collect()
}

fn map(said: &Value, inner: &str) -> Vec<(String, bool)> {
    let body = |value: &Value| if inner.is_empty() { value.clone() } else { value[inner].clone() };
    let items = said.as_object().into_iter().flatten();
    items.map(|(name, value)| (name.clone(), is_managed(name, &body(value)))).collect()
}

fn policies(said: &Value) -> Vec<(String, bool)> {
    let items = said["policies"].as_array().into_iter().flatten();
    items.filter_map(|item| Some((item["_id"].as_str()?.to_owned(), false))).collect()
}

/// The user's things, in the order in which they go.
///
/// # Errors
/// The cluster does not answer, or refuses.
pub fn things(api: &Api, endpoint: &Endpoint) -> Result<Vec<Thing>, Failure> {
    let mut things = Vec::new();
    // Whose rights end at the prefix may not ask for more.
    let ours = if endpoint.prefix.is_empty() { String::new() } else { format!("/{}*", escaped(&endpoint.prefix)) };
    let streams = api.ask(&format!("/_data_stream{ours}?expand_wildcards=all"))?;
    for stream in streams["data_streams"].as_array().into_iter().flatten() {
        let Some(name) = stream["name"].as_str() else { continue };
        let system = stream["system"] == true || is_managed(name, stream);
        if !system && !stays(name, endpoint) {
            let path = format!("/_data_stream/{}", escaped(name));
            things.push(Thing { sort: "data stream", name: name.to_owned(), size: String::new(), path });
        }
    }
    let indices = format!("/_cat/indices{ours}?format=json&h=index,docs.count&expand_wildcards=all");
    let indices = api.agent.send("GET", &indices, None)?;
    let indices = api.expect(indices)?.json();
    for index in indices.as_array().into_iter().flatten() {
        let Some(name) = index["index"].as_str().filter(|name| !stays(name, endpoint)) else { continue };
        let documents = index["docs.count"].as_str().and_then(|n| n.parse().ok());
        let size = documents.map_or_else(|| " (closed)".to_owned(), |n| format!(" ({})", count(n, "document")));
        things.push(Thing { sort: "index", name: name.to_owned(), size, path: format!("/{}", escaped(name)) });
    }
    for sort in &SORTS {
        let mut names = (sort.of)(&api.ask(sort.ask)?);
        names.sort();
        for (name, managed) in names {
            if !managed && !stays(&name, endpoint) {
                let path = format!("{}{}", sort.delete, escaped(&name));
                things.push(Thing { sort: sort.name, name, size: String::new(), path });
            }
        }
    }
    Ok(things)
}

/// Drops them; `held` fails when the lease is not ours any more.
///
/// # Errors
/// A thing that cannot be dropped.
pub fn wipe(api: &Api, things: Vec<Thing>, held: &dyn Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    for thing in things {
        held()?;
        let answer = api.agent.send("DELETE", &thing.path, None)?;
        if answer.status == 404 {
            continue;
        }
        api.expect(answer).map_err(|mut failure| {
            failure.message = format!("the {} {} cannot be dropped: {}", thing.sort, thing.name, failure.message);
            failure
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_cluster_made_itself_is_managed() {
        for (name, body) in [
            ("mine", json!({ "_meta": { "managed": true } })),
            ("logs", json!({})),
            ("logs@settings", json!({})),
            ("ml-size-based-ilm-policy", json!({})),
            ("apm-source-map", json!({})),
        ] {
            assert!(is_managed(name, &body), "{name}");
        }
        assert!(
            !is_managed("logs-of-mine", &json!({ "_meta": { "who": "me" } })) && !is_managed("products", &Value::Null)
        );
    }

    #[test]
    fn names_are_found_in_every_answer() {
        let templates = json!({ "index_templates": [
            { "name": "a", "index_template": {} }, { "name": "b", "index_template": { "_meta": { "managed": true } } },
        ] });
        assert_eq!((SORTS[0].of)(&templates), [("a".to_owned(), false), ("b".to_owned(), true)]);
        let policy = json!({ "p": { "policy": { "_meta": { "managed": true } } } });
        assert_eq!((SORTS[5].of)(&policy), [("p".to_owned(), true)]);
        assert_eq!((SORTS[6].of)(&json!({ "policies": [{ "_id": "x" }] })), [("x".to_owned(), false)]);
        let scripts = json!({ "metadata": { "stored_scripts": { "s": {} } } });
        assert_eq!((SORTS[7].of)(&scripts), [("s".to_owned(), false)]);
        assert_eq!((SORTS[7].of)(&Value::Null), []);
    }
}
