//! A cluster that is not well: shards that no node may have, indices and a ledger that are not to be written.

use crate::elasticsearch::{Part, says, variable};

/// No node has this.
const RED: &str =
    "PUT /NAME-red?timeout=100ms\n\n{\"settings\": {\"index.routing.allocation.require.box\": \"none\"}}\n";

/// A request that needs the shards, what is said of it, and the advice.
const NEEDS: [(&str, &str, &str); 3] = [
    ("PUT /NAME-red/_doc/1?timeout=100ms\n\n{\"a\": 1}", "primary shard is not active", "_cluster/allocation/explain"),
    (
        "GET /_cluster/health/NAME-red?wait_for_status=yellow&timeout=100ms",
        "it was waited for in vain: the status is still red, and 2 shards do not work",
        "_cluster/allocation/explain",
    ),
    ("POST /NAME-red/_search\n\n{}", "all shards failed", "_cluster/allocation/explain"),
];

#[test]
fn what_needs_a_red_index_says_so() {
    for name in ["ELASTICSEARCH_URL", "OPENSEARCH_URL"] {
        let Some(url) = variable(name) else { continue };
        let part = Part::new(&url, "red");
        says(
            &part.up(RED),
            1,
            &["`shards_acknowledged` is false", "the index was made all the same", "# @expect 200,400"],
        );
        let said = part.world.run("doctor");
        says(&said, 5, &["cluster red", "the cluster is red: shards of", &format!("{}-red", part.name)]);
        part.world.ok("repair elasticsearch/1 --mark reverted --yes");
        for (request, words, advice) in NEEDS {
            says(&part.up(request), 1, &[words, advice, "001_a.up.http:1", "request 1 of 1", "--resume"]);
            part.world.ok("repair elasticsearch/1 --mark reverted --yes");
        }
        let said = part.up("GET /_cluster/health/NAME-none?wait_for_status=yellow&timeout=100ms");
        says(&said, 1, &["the status is still red; is there such an index?"]);
    }
}

#[test]
fn a_full_disk_makes_indices_read_only() {
    for name in ["ELASTICSEARCH_URL", "OPENSEARCH_URL"] {
        let Some(url) = variable(name) else { continue };
        let part = Part::new(&url, "full");
        // What the cluster does by itself when a disk is nearly full.
        let block = "PUT /NAME-there/_settings\n\n{\"index.blocks.read_only_allow_delete\": true}\n";
        let said = part.up(&format!("PUT /NAME-there\n###\n{block}###\nPUT /NAME-there/_doc/1\n\n{{\"a\": 1}}\n"));
        says(
            &said,
            1,
            &["TOO_MANY_REQUESTS/12", "done and kept: parts 1 and 2 of 3", "the disk is nearly full", "null"],
        );
        says(&part.world.run("doctor"), 5, &["-there (index.blocks.read_only_allow_delete)", "a disk is nearly full"]);
        part.world.ok("repair elasticsearch/1 --mark reverted --yes");
        // Deleting is what such an index allows.
        part.world.ok("fresh --yes --dry-run");
        part.fine("DELETE /NAME-there\n");
    }
}

/// Changes another store's ledger, as a person might.
fn meddle(with: &Part, by: &Part, request: &str) {
    by.fine(&request.replace("LEDGER", &format!("{}-ledger", with.name)));
}

#[test]
fn a_ledger_that_is_not_to_be_written_is_told_before_anything_runs() {
    let Some(url) = variable("OPENSEARCH_URL") else { return };
    let (part, other) = (Part::new(&url, "blocked"), Part::new(&url, "blocks"));
    part.fine("GET /_cluster/health");
    let block =
        |value: &str| format!("PUT /LEDGER/_settings\n\n{{\"index.blocks.read_only_allow_delete\": {value}}}\n");
    meddle(&part, &other, &block("true"));
    says(&part.up("PUT /NAME-there"), 1, &["-ledger] blocked by", "the disk is nearly full"]);
    says(&part.world.run("status"), 0, &["001_a", "pending"]);
    says(
        &part.world.run("doctor"),
        0,
        &["the ledger is not to be written", "index.blocks.read_only_allow_delete", "no run can begin"],
    );
    meddle(&part, &other, &block("null"));
    // It happens in the middle of a script: what is done stays, and the ledger knows that something was begun.
    let ledger = format!("{}-ledg*", part.name);
    let said = part.up(&format!(
        "PUT /NAME-there\n###\nPUT /{ledger}/_settings?expand_wildcards=all\n\n{{\"index.blocks.read_only_allow_delete\": true}}\n###\nPUT /NAME-after\n"
    ));
    says(&said, 1, &["could not be recorded", "done and kept: parts 1 and 2 of 3", "a lease could not be given back"]);
    says(&part.world.run("status"), 0, &["HALF-APPLIED", "1 of 3 parts"]);
    meddle(&part, &other, &block("null"));
    part.world.ok("repair elasticsearch/1 --mark applied --yes");
    part.world.ok("down");
    meddle(&part, &other, "POST /LEDGER/_close\n");
    for command in ["up", "status", "doctor", "lock"] {
        says(
            &part.world.run(command),
            6,
            &["-ledger cannot be read", "index_closed_exception", "-ledger/_open` opens it"],
        );
    }
    meddle(&part, &other, "POST /LEDGER/_open\n");
}

#[test]
fn a_red_ledger_is_told_and_no_run_begins() {
    let Some(url) = variable("OPENSEARCH_URL") else { return };
    let (part, other) = (Part::new(&url, "redledger"), Part::new(&url, "redder"));
    let red = RED.replace("/NAME-red?timeout=100ms", "/LEDGER?wait_for_active_shards=0");
    meddle(&part, &other, &red);
    let said = part.up("PUT /NAME-there");
    says(&said, 6, &["-ledger cannot be read", "no_shard_available", "no run begins", "_cluster/allocation/explain"]);
    says(&part.world.run("status"), 6, &["-ledger cannot be read", "_cluster/allocation/explain"]);
    meddle(&part, &other, "DELETE /LEDGER\n");
    part.fine("# @expect 404\nGET /NAME-there\n");
}
