//! What a cluster says when it refuses, and what to do about it.

use serde_json::Value;

use crate::stores::http::Answer;

/// The type of an error: `index_not_found_exception`; empty where there is none.
pub fn kind(answer: &Answer) -> String {
    answer.json()["error"]["type"].as_str().unwrap_or_default().to_owned()
}

/// A refusal in one line: `HTTP 400 mapper_parsing_exception: ...`.
pub fn of(answer: &Answer) -> String {
    let said = answer.json();
    let words = match &said["error"] {
        Value::Object(_) => of_error(&said["error"]),
        Value::String(words) => words.clone(),
        _ if said["timed_out"] == true && said["unassigned_shards"].is_u64() => waited_in_vain(&said),
        _ => {
            let body = if answer.form == "text/html" {
                "an HTML page, so something in between answered"
            } else {
                answer.body.trim()
            };
            body.chars().take(2000).collect()
        }
    };
    format!("HTTP {} {words}", answer.status).trim_end().to_owned()
}

/// The answer to a wait for the cluster's health.
fn waited_in_vain(said: &Value) -> String {
    let status = said["status"].as_str().unwrap_or("not what it should be");
    let shards = match said["unassigned_shards"].as_u64() {
        None | Some(0) => "; is there such an index?".to_owned(),
        Some(n) => format!(", and {n} shards do not work"),
    };
    format!("it was waited for in vain: the status is still {status}{shards}")
}

/// An error with everything that caused it.
pub fn of_error(error: &Value) -> String {
    let mut words = String::new();
    let mut at = Some(error);
    while let Some(one) = at {
        let kind = one["type"].as_str().unwrap_or_default();
        let reason = one["reason"].as_str().unwrap_or_default();
        if !words.contains(reason) || words.is_empty() {
            let joint = if words.is_empty() { "" } else { "; " };
            words.push_str(&format!("{joint}{kind}: {reason}"));
        }
        at = one.get("caused_by").filter(|cause| cause.is_object());
    }
    if let Some(cause) = error["failed_shards"][0].get("reason") {
        words.push_str(&format!("; {}", of_error(cause)));
    }
    words.trim_matches([':', ' ']).to_owned()
}

/// What to do about the refusals that people meet.
pub fn hints(kind: &str, words: &str) -> Vec<String> {
    const HINTS: [(&str, &str); 18] = [
        (
            "resource_already_exists_exception",
            "was a part of it done before? `# @expect 200,400` before the request takes both",
        ),
        ("index_not_found_exception", "a thing that may be missing: `# @expect 200,404` before the request"),
        (
            "FORBIDDEN/12",
            "the disk is nearly full, and the cluster lets indices be read and deleted only: make room, then `PUT /INDEX/_settings` with `{\"index.blocks.read_only_allow_delete\": null}`",
        ),
        (
            "TOO_MANY_REQUESTS/12",
            "the disk is nearly full, and the cluster lets indices be read and deleted only: make room, then `PUT /INDEX/_settings` with `{\"index.blocks.read_only_allow_delete\": null}`",
        ),
        (
            "cluster_block_exception",
            "something is read-only: `GET /_all/_settings/index.blocks*` and `GET /_cluster/settings` say what; null takes a block back",
        ),
        (
            "cannot be changed from type",
            "the type of a field stays: make a new index, `_reindex` into it and swap the alias (`stepladder generate STORE NAME --template reindex`)",
        ),
        (
            "mapper [",
            "a mapping can only grow: what is to be otherwise needs a new index (`stepladder generate STORE NAME --template reindex`)",
        ),
        ("strict_dynamic_mapping_exception", "the mapping is strict: add the field to it first"),
        ("HTTP 401", "the login was good when the run began: was the user, key or token taken back, or is it over?"),
        ("is unauthorized", "the user or key may not do that: give its role the right"),
        ("no permissions for", "the user may not do that: give one of its roles the permission that is named"),
        (
            "unavailable_shards_exception",
            "`GET _cluster/health` and `GET _cluster/allocation/explain` say which shards do not work, and why",
        ),
        (
            "`shards_acknowledged` is false",
            "the index was made all the same: `GET _cluster/allocation/explain` says why its shards find no node; once they work `# @expect 200,400` before the request takes it as it is",
        ),
        (
            "shards do not work",
            "`GET _cluster/allocation/explain` says why; a shard that no node may have waits for ever",
        ),
        (
            "all shards failed",
            "`GET _cluster/health` and `GET _cluster/allocation/explain` say which shards do not work, and why",
        ),
        ("index_closed_exception", "it is closed: `POST /INDEX/_open` opens it again"),
        ("master_not_discovered", "the cluster has no master: is a majority of its nodes running?"),
        (
            "no handler found for uri",
            "this server has no such API: is the path right, and does it need a plugin or another product?",
        ),
    ];
    let known = HINTS.iter().find(|(known, _)| kind.contains(known) || words.contains(known));
    known.map(|(_, hint)| (*hint).to_owned()).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.to_owned(), ..Answer::default() }
    }

    #[test]
    fn a_refusal_says_its_causes_once() {
        let body = r#"{"error":{"type":"mapper_parsing_exception","reason":"Failed to parse mapping: No handler",
            "caused_by":{"type":"x","reason":"No handler","caused_by":{"type":"y","reason":"deep"}}},"status":400}"#;
        let refused = answer(400, body);
        assert_eq!(of(&refused), "HTTP 400 mapper_parsing_exception: Failed to parse mapping: No handler; y: deep");
        assert_eq!(kind(&refused), "mapper_parsing_exception");
        assert_eq!(of(&answer(405, r#"{"error":"Incorrect method"}"#)), "HTTP 405 Incorrect method");
        assert_eq!(of(&answer(503, " ")), "HTTP 503");
        assert_eq!(
            of(&answer(408, r#"{"status":"red","timed_out":true,"unassigned_shards":2}"#)),
            "HTTP 408 it was waited for in vain: the status is still red, and 2 shards do not work"
        );
        assert_eq!(of(&answer(500, "plain words")), "HTTP 500 plain words");
    }

    #[test]
    fn refusals_that_people_meet_have_advice() {
        assert!(
            hints("illegal_argument_exception", "mapper [a] cannot be changed from type [long] to [text]")[0]
                .contains("reindex")
        );
        assert!(
            hints("cluster_block_exception", "blocked by: [FORBIDDEN/8/index write (api)]")[0].contains("read-only")
        );
        assert!(hints("cluster_block_exception", "blocked by: [FORBIDDEN/12/index]")[0].contains("disk"));
        assert!(hints("", "unheard of").is_empty());
    }
}
