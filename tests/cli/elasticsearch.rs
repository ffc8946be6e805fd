//! Elasticsearch and OpenSearch: scripts read offline, and what a person reads when a request goes wrong. The tests that need a
//! server say so and are left out without its variable; in CI that is a failure.

use insta::assert_snapshot;
use stepladder::commands::templates::of_kind;

use crate::world::{Said, World};

pub const UP: &str = "migrations/elasticsearch/001_a.up.http";
pub const DOWN: &str = "migrations/elasticsearch/001_a.down.http";

/// A project whose cluster nobody asks.
fn offline(script: &str) -> World {
    World::new()
        .file("stepladder.toml", "[stores.elasticsearch]\nurl = \"https://me:s3cret@search:9200/es\"\n")
        .file(UP, script)
        .file(DOWN, "# nothing\n")
}

#[track_caller]
pub fn says(said: &Said, code: i32, words: &[&str]) {
    let all = said.all();
    assert_eq!(said.code, code, "{all}");
    for word in words {
        assert!(all.contains(word), "it does not say `{word}`: {all}");
    }
}

#[test]
fn a_dry_run_shows_each_request_as_it_will_be_sent() {
    let world = offline(
        "# top\nPUT /<a-{now%2Fd}>\n  ?timeout=1m\n\n{\"x\": 1}\n###\n# @expect 404\nDELETE https://search:9200/es/b HTTP/1.1\n",
    );
    assert_snapshot!(world.shows("up --dry-run --offline"), @r#"
    elasticsearch   1 step, built in:
      001_a   this store cannot undo a script
        # ledger: up 001_a begun
        PUT /%3Ca-%7Bnow%2Fd%7D%3E?timeout=1m
        content-type: application/json
        {"x": 1}
        # ledger: 1 of 2 done
        DELETE /b
        # ledger: up 001_a done
    1 step in 1 store would run. Nothing was changed.
    "#);
}

#[test]
fn what_cannot_be_sent_is_said_with_its_line_before_anything_runs() {
    for (script, words) in [
        ("PUT /a\n\n{\n  \"b\": 1,\n}\n", ["001_a.up.http:5", "no valid JSON at column 1", "key must be a string"]),
        ("PUT /a\n{\"b\": 1}\n", ["001_a.up.http:2", "blank line", "METHOD /path"]),
        ("GET {{host}}/a\n", ["001_a.up.http:1", "`{{` begins a variable", "write the value out"]),
    ] {
        says(&offline(script).run("validate"), 3, &words);
    }
    for (script, words) in [
        ("PUT /a\n###\nGET https://elsewhere/b\n", [":3", "would go to elsewhere", "write the path alone"]),
        ("GET http://search:9200/es/b\n", [":1", "this store is at search:9200", "with the store's login"]),
        ("PUT /a\nAuthorization: Basic x\n", [":1", "would keep a secret", "the store's own login"]),
        ("DELETE /stepladder-ledger\n", [":1", "which is the ledger", "not a script's to touch"]),
    ] {
        let said = offline(script).run("up --dry-run --offline");
        says(&said, 1, &words);
        assert!(!said.all().contains("s3cret"), "{}", said.all());
    }
}

#[test]
fn a_connection_that_means_nothing_is_refused() {
    for (section, words) in [
        ("url = \"localhost:9200\"", "no `://`"),
        ("url = \"http://h?index=x\"", "`index` is no key of it"),
        ("url = \"http://h\"\nledger = \"Ledger\"", "`Ledger` can be no index"),
        ("url = \"https://h\"\nca = \"gone.pem\"", "gone.pem cannot be used"),
        ("url = \"https://h\"\nca = \"stepladder.toml\"", "there is none in it"),
        ("url = \"http://h\"\nnope = 1", "nope"),
    ] {
        let world = offline("").file("stepladder.toml", format!("[stores.elasticsearch]\n{section}\n"));
        let said = world.run("status");
        assert!(said.code == 2 && said.all().contains(words), "{section}: {}", said.all());
    }
}

pub fn variable(name: &str) -> Option<String> {
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let name = format!("STEPLADDER_TEST_{name}");
    let found = std::env::var(&name).ok().filter(|v| !v.is_empty() && wish != "none");
    assert!(found.is_some() || !needed, "{name} is not set");
    found
}

/// A part of a cluster, for one test; its things go with it.
pub struct Part {
    pub world: World,
    pub name: String,
}

impl Part {
    pub fn new(url: &str, test: &str) -> Self {
        Self::with(url, test, "", &[])
    }

    /// With more lines in the store's section, and more variables.
    pub fn with(url: &str, test: &str, more: &str, variables: &[(&str, &str)]) -> Self {
        let name = format!("cli-{test}-{}", std::process::id());
        let world = World::new()
            .file(
                "stepladder.toml",
                format!("[stores.elasticsearch]\nprefix = \"{name}\"\nledger = \"{name}-ledger\"\n{more}"),
            )
            .file(DOWN, "# nothing\n")
            .variable("ELASTICSEARCH_URL", url);
        let world = variables.iter().fold(world, |world, (name, value)| world.variable(name, value));
        Self { world, name }
    }

    /// Runs a script in which NAME stands for the part's name.
    pub fn up(&self, script: &str) -> Said {
        self.world.write(UP, script.replace("NAME", &self.name));
        self.world.run("up")
    }

    #[track_caller]
    pub fn fine(&self, script: &str) {
        let said = self.up(script);
        assert_eq!(said.code, 0, "{}", said.all());
        self.world.ok("down");
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.world.run("repair elasticsearch/1 --mark reverted --yes");
        self.world.write(UP, format!("DELETE /{}-no-such-thing\n", self.name));
        self.world.run("fresh --yes");
    }
}

/// A request, what the cluster says of it, and the advice.
const WRONG: [(&str, &str, &str); 7] = [
    ("PUT /NAME-there", "already exists", "# @expect 200,400"),
    ("DELETE /NAME-gone", "no such index", "# @expect 200,404"),
    (
        "PUT /NAME-there/_mapping\n\n{\"properties\": {\"a\": {\"type\": \"text\"}}}",
        "cannot be changed from type [long] to [text]",
        "--template reindex",
    ),
    ("PUT /NAME-closed/_doc/1\n\n{\"a\": 1}", "FORBIDDEN/8/index write", "null takes a block back"),
    ("PUT /NAME-there/_doc/1\n\n{\"b\": 1}", "strict", "add the field to it first"),
    (
        "POST /NAME-there/_bulk\n\n{\"index\": {}}\n{\"a\": 1}\n{\"index\": {}}\n{\"a\": \"x\"}",
        "1 of 2 items failed, the first is item 2",
        "(line 10)",
    ),
    ("POST /_no_such_api/x\n\n{}", "HTTP 40", "--resume"),
];

const THERE: &str =
    "PUT /NAME-there\n\n{\"mappings\": {\"dynamic\": \"strict\", \"properties\": {\"a\": {\"type\": \"long\"}}}}\n";

#[test]
fn refusals_are_told_in_the_clusters_own_words() {
    for name in ["ELASTICSEARCH_URL", "OPENSEARCH_URL"] {
        let Some(url) = variable(name) else { continue };
        let part = Part::new(&url, "refusals");
        part.fine(&format!("{THERE}###\nPUT /NAME-closed\n\n{{\"settings\": {{\"index.blocks.write\": true}}}}\n"));
        says(
            &part.world.run("doctor"),
            0,
            &[&format!("{}-closed (index.blocks.write)", part.name), "takes a block back"],
        );
        for (request, words, advice) in WRONG {
            let said = part
                .up(&format!("GET /_cluster/health\n###\n# comment\n###\n\n{request}\n###\nGET /_cluster/health\n"));
            says(&said, 1, &[words, advice, "001_a.up.http:6", "request 2 of 3", "repair elasticsearch/1 --resume"]);
            let half = &part.world.run("status --json").json()["stores"][0]["migrations"][0]["half"];
            assert_eq!((half["parts_done"].as_u64(), half["parts_total"].as_u64()), (Some(1), Some(3)), "{half}");
            part.world.ok("repair elasticsearch/1 --mark reverted --yes");
        }
        // The fifth of nine: what is done is noted, and it goes on there.
        let nine = |fifth: &str| {
            let put = |n: usize| format!("PUT /NAME-there/_create/nine-{n}\n\n{{\"a\": {n}}}\n");
            (1..=9).map(|n| if n == 5 { fifth.to_owned() + "\n" } else { put(n) }).collect::<Vec<_>>().join("###\n")
        };
        says(
            &part.up(&nine("PUT /NAME-there/_create/nine-5\n\n{\"a\": \"five\"}")),
            1,
            &["request 5 of 9", "done and kept: parts 1 to 4 of 9"],
        );
        part.world.write(UP, nine("PUT /NAME-there/_create/nine-5\n\n{\"a\": 5}").replace("NAME", &part.name));
        part.world.ok("repair elasticsearch/1 --resume --yes");
        part.world.ok("down");
        part.fine("# @expect 409\nPUT /NAME-there/_create/nine-9\n\n{\"a\": 9}\n");
    }
}

#[test]
fn work_that_goes_on_is_waited_for() {
    let Some(url) = variable("OPENSEARCH_URL") else { return };
    let part = Part::new(&url, "tasks");
    let documents: String =
        (0..500).map(|n| format!("{{\"index\": {{}}}}\n{{\"a\": {n}, \"t\": \"x{n}\"}}\n")).collect();
    part.fine(&format!("POST /NAME-from/_bulk?refresh=true\n\n{documents}"));
    let copy = |to: &str| {
        format!(
            "# @await-task\nPOST /_reindex?wait_for_completion=false&refresh=true\n\n{{\"source\": {{\"index\": \"NAME-from\"}}, \"dest\": {{\"index\": \"{to}\"}}}}\n"
        )
    };
    // The copy is complete when the next request comes.
    let count = "###\n# @expect 404\nGET /NAME-to/_doc/none\n###\nPOST /NAME-to/_update_by_query?conflicts=abort\n\n{\"query\": {\"match_none\": {}}}\n";
    part.fine(&(copy("NAME-to") + count));
    // A finished task with failures is a failure.
    part.fine("PUT /NAME-strict\n\n{\"mappings\": {\"properties\": {\"t\": {\"type\": \"long\"}}}}\n");
    says(
        &part.up(&copy("NAME-strict")),
        1,
        &["its task failed: `failures` has", "failed to parse field [t] of type [long]"],
    );
    part.world.ok("repair elasticsearch/1 --mark reverted --yes");
    // One that is too slow is asked to end.
    let slow = copy("NAME-slow")
        .replace("refresh=true", "requests_per_second=1")
        .replace("{\"index\": \"NAME-from\"}", "{\"index\": \"NAME-from\", \"size\": 10}");
    says(&part.up(&format!("# stepladder: timeout 1s\n{slow}")), 1, &["ran out of time after 1 s", "was asked to end"]);
    part.world.ok("repair elasticsearch/1 --mark reverted --yes");
    says(
        &part.up("# @await-task\nPUT /NAME-one/_doc/1\n\n{}"),
        1,
        &["names no task to wait for", "wait_for_completion=false"],
    );
}

/// Each template, up, down and up again.
#[test]
fn templates_run_both_ways() {
    let Some(url) = variable("OPENSEARCH_URL") else { return };
    let part = Part::new(&url, "templates");
    let filled =
        |text: &str| text.replace("{{table}}", &part.name).replace("{{name}}", "x").replace("{{version}}", "2");
    let write = |label: &str, name: &str| {
        let template = of_kind("elasticsearch").into_iter().find(|t| t.name == name).unwrap();
        part.world.write(&format!("migrations/elasticsearch/{label}.up.http"), filled(template.up.1));
        part.world.write(&format!("migrations/elasticsearch/{label}.down.http"), filled(template.down.1));
    };
    write("001_a", "index");
    // The backfill needs its field.
    part.world.write("migrations/elasticsearch/002_fill.up.http", filled(
        "PUT /{{table}}/_mapping\n\n{\"properties\": {\"status\": {\"type\": \"keyword\"}}}\n###\nPUT /{{table}}/_doc/1?refresh=true\n\n{\"id\": \"1\", \"name\": \"x\"}\n",
    ));
    part.world.write("migrations/elasticsearch/002_fill.down.http", filled("DELETE /{{table}}/_doc/1?refresh=true\n"));
    // Policies need a module that this server has not: Elasticsearch's, and OpenSearch's plugin.
    let names =
        of_kind("elasticsearch").into_iter().map(|t| t.name).filter(|n| *n != "index" && !n.ends_with("-policy"));
    let names: Vec<_> = names.collect();
    assert_eq!(names, ["default", "backfill", "index-template", "mapping", "pipeline", "reindex"]);
    // The copy's mapping is strict: what the others have added by then is taken off again before it.
    for (number, name) in (10..).zip(names.iter().filter(|n| **n != "reindex")) {
        write(&format!("{number:03}_{}", name.replace('-', "_")), name);
    }
    part.world.ok("validate");
    part.world.ok("up");
    part.world.ok("down --to 2");
    part.world.ok("up");
    part.world.ok("down --to 2");
    for number in 10..15 {
        let files = std::fs::read_dir(part.world.path("migrations/elasticsearch")).unwrap().map(|f| f.unwrap().path());
        for file in files.filter(|f| f.file_name().unwrap().to_string_lossy().starts_with(&format!("{number:03}"))) {
            std::fs::remove_file(file).unwrap();
        }
    }
    write("020_reindex", "reindex");
    for command in ["up", "down", "up", "down --all --yes"] {
        part.world.ok(command);
    }
}

#[test]
fn the_sample_set_goes_up_and_down() {
    let Some(url) = variable("OPENSEARCH_URL") else { return };
    let part = Part::new(&url, "sample");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/elasticsearch");
    std::fs::remove_file(part.world.path(DOWN)).unwrap();
    for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(file.path()).unwrap().replace("shop-", &format!("{}-", part.name));
        part.world.write(&format!("migrations/elasticsearch/{}", file.file_name().to_string_lossy()), text);
    }
    for command in ["validate", "up", "down --all --yes", "up", "fresh --yes", "down --all --yes"] {
        part.world.ok(command);
    }
    for file in std::fs::read_dir(part.world.path("migrations/elasticsearch")).unwrap().map(Result::unwrap) {
        std::fs::remove_file(file.path()).unwrap();
    }
    part.world.write(DOWN, "# nothing\n");
}

#[test]
fn tls_wants_the_authority_that_signed() {
    let (Some(url), Some(ca), Some(wrong)) =
        (variable("ELASTICSEARCH_TLS_URL"), variable("ELASTICSEARCH_CA"), variable("ELASTICSEARCH_WRONG_CA"))
    else {
        return;
    };
    let part = Part::new(&url, "tls");
    let section = part.world.read("stepladder.toml");
    for (ca, code, words) in [(None, 6, "ertificate"), (Some(wrong), 6, "ertificate"), (Some(ca), 0, "001_a")] {
        let ca = ca.map(|ca| format!("ca = {ca:?}\n")).unwrap_or_default();
        part.world.write("stepladder.toml", format!("{section}{ca}"));
        let said = part.up("GET /_cluster/health");
        says(&said, code, &[words]);
        assert!(!said.all().contains("elastic-secret"), "{}", said.all());
    }
}

/// Logins that are none; the server for the tests cannot make an API key, since it lacks the analysis that its own index needs.
#[test]
fn a_login_that_is_none_is_told_with_what_to_do() {
    let Some(url) = variable("ELASTICSEARCH_URL") else { return };
    let bare = format!("http://{}", url.rsplit('@').next().unwrap());
    let world = |key: &str| {
        let section = format!("[stores.elasticsearch]\nurl = \"{bare}\"\n");
        let world =
            World::new().file("stepladder.toml", section).file(UP, "GET /_cluster/health\n").file(DOWN, "# nothing\n");
        if key.is_empty() { world } else { world.variable("ELASTICSEARCH_API_KEY", key) }
    };
    for command in ["up", "status", "doctor", "lock"] {
        says(&world("").run(command), 6, &["HTTP 401", "missing authentication", "ELASTICSEARCH_API_KEY"]);
        let said = world("bm9ib2R5OnMzY3JldC13b3Jk").run(command);
        says(&said, 6, &["HTTP 401", "API key"]);
        assert!(!said.all().contains("bm9ib2R5"), "{}", said.all());
    }
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some(url) = variable("OPENSEARCH_URL") else { return };
    let part = Part::new(&crate::relay::cutting_idle_ones(&url), "idle");
    std::fs::remove_file(part.world.path(DOWN)).unwrap();
    crate::relay::outlives_idle_connections(&part.world, "elasticsearch", "http", &format!("PUT /{}-a\n", part.name));
}
