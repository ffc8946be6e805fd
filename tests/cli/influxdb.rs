//! InfluxDB: what a person reads offline, and templates, samples and errors on real servers. The tests that need one are
//! left out without `STEPLADDER_TEST_INFLUXDB_URL` or `STEPLADDER_TEST_INFLUXDB2_URL`; in CI that is a failure.

use insta::assert_snapshot;
use stepladder::commands::templates::of_kind;

use crate::world::{Said, World};

const UP: &str = "migrations/influxdb/001_a.up.influxql";

#[track_caller]
pub fn says(said: &Said, code: i32, words: &[&str]) {
    let all = said.all();
    assert_eq!(said.code, code, "{all}");
    for word in words {
        assert!(all.contains(word), "`{word}` is not in:\n{all}");
    }
}

pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable that names a server.
pub fn server(name: &str) -> Option<String> {
    let wish = variable("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && variable("CI").is_some_and(|ci| ci != "false");
    let url = variable(name).filter(|_| wish != "none");
    assert!(url.is_some() || !needed, "{name} is not set");
    url
}

/// A project on the InfluxDB 1, whose databases begin with a name of its own.
pub fn first(name: &str) -> Option<(World, String)> {
    let url = server("STEPLADDER_TEST_INFLUXDB_URL")?;
    let name = format!("cli_{name}_{}", std::process::id());
    let url = format!("{url}/{name}?databases={name}_*&ledger=ledger_of_{name}");
    let world = World::new().file("stepladder.toml", "[stores.influxdb]\n");
    Some((world.variable("INFLUXDB_URL", &url), name))
}

/// A project on the InfluxDB 2.
pub fn second(name: &str) -> Option<(World, String)> {
    let url = server("STEPLADDER_TEST_INFLUXDB2_URL")?;
    let name = format!("cli_{name}_{}", std::process::id());
    let url = format!("{url}/{name}");
    let world = World::new().file("stepladder.toml", "[stores.influxdb]\ntoken = \"${INFLUXDB_TOKEN}\"\n");
    let org = variable("STEPLADDER_TEST_INFLUXDB2_ORG").unwrap_or_default();
    let token = variable("STEPLADDER_TEST_INFLUXDB2_TOKEN").unwrap_or_default();
    let world = world.variable("INFLUXDB_URL", &url).variable("INFLUXDB_ORG", &org);
    Some((world.variable("INFLUXDB_TOKEN", &token), name))
}

/// Writes a pair: `("001_a", "influxql", up, down)`.
pub fn pair(world: &World, label: &str, extension: &str, up: &str, down: &str) {
    world.write(&format!("migrations/influxdb/{label}.up.{extension}"), up);
    world.write(&format!("migrations/influxdb/{label}.down.{extension}"), down);
}

#[test]
fn a_dry_run_shows_statements_and_requests_as_they_were_written() {
    let world = World::new()
        .file("stepladder.toml", "[stores.influxdb]\nurl = \"http://me:s3cret@a:8086/tele\"\n")
        .file(UP, "-- top; of it\nCREATE DATABASE \"tele\"; /* x */\nINSERT cpu,host=a value=1\nSLEEP 10ms\n")
        .file("migrations/influxdb/001_a.down.influxql", "DROP DATABASE \"tele\"\n")
        .file("migrations/influxdb/002_b.up.http", "POST /api/v2/buckets\n\n{\"name\": \"b\"}\n")
        .file("migrations/influxdb/002_b.down.http", "DELETE /api/v2/buckets?name=b\n")
        .file("migrations/influxdb/003_c.up.flux", "from(bucket: \"b\")\n  |> range(start: 0)\n")
        .file("migrations/influxdb/003_c.down.flux", "// nothing\n");
    assert_snapshot!(world.shows("up --dry-run --offline"), @r#"
    influxdb   3 steps, built in:
      001_a   this store cannot undo a script
        # ledger: up 001_a begun
        CREATE DATABASE "tele"
        # ledger: 1 of 3 done
        INSERT cpu,host=a value=1
        # ledger: 2 of 3 done
        SLEEP 10ms
        # ledger: up 001_a done
      002_b   this store cannot undo a script
        # ledger: up 002_b begun
        POST /api/v2/buckets
        content-type: application/json
        {"name": "b"}
        # ledger: up 002_b done
      003_c   this store cannot undo a script
        # ledger: up 003_c begun
        from(bucket: "b")
          |> range(start: 0)
        # ledger: up 003_c done
    3 steps in 1 store would run. Nothing was changed.
    "#);
}

#[test]
fn what_cannot_be_read_is_said_with_its_line_before_anything_runs() {
    for (script, words) in [
        ("SHOW DATABASES;\nSELECT 'x", ["001_a.up.influxql:2", "never closed"]),
        ("/* x\n", [":1", "never closed"]),
        ("SHOW DATABASES;\nSLEEP well", [":2", "SLEEP takes a time"]),
        ("INSERT INTO", [":1", "line protocol"]),
    ] {
        let world = World::new().file("stepladder.toml", "[stores.influxdb]\nurl = \"http://me:s3cret@a:1/tele\"\n");
        pair(&world, "001_a", "influxql", script, "-- nothing\n");
        says(&world.run("validate"), 3, &words);
        says(&world.run("up --dry-run --offline"), 3, &words);
    }
}

#[test]
fn the_ledger_is_not_a_scripts_to_touch() {
    for (extension, script) in [
        ("influxql", "\nDROP DATABASE stepladder_tele"),
        ("influxql", "\nINSERT INTO \"stepladder_tele\".autogen x y=1"),
        ("http", "\nPOST /api/v2/write?bucket=stepladder_tele\n\nx y=1"),
        ("http", "\nDELETE /api/v2/buckets?name=stepladder_tele"),
    ] {
        let world = World::new().file("stepladder.toml", "[stores.influxdb]\nurl = \"http://a:1/tele\"\n");
        pair(&world, "001_a", extension, script, "");
        let said = world.run("up --dry-run --offline");
        says(&said, 1, &[":2", "stepladder_tele is the ledger's"]);
    }
}

#[test]
fn a_connection_that_means_nothing_is_refused() {
    for (section, words) in [
        ("url = \"http://u:s3cret@a/db?nope=1\"", "`nope`"),
        ("url = \"http://u:s3cret@a/db?ledger=db\"", "a database of its own"),
        ("url = \"http://u:s3cret@a/db?ca=gone.pem\"", "gone.pem"),
    ] {
        let world = World::new().file("stepladder.toml", format!("[stores.influxdb]\n{section}\n"));
        world.write(UP, "");
        let said = world.run("status");
        says(&said, 2, &[words]);
        assert!(!said.all().contains("s3cret"), "{}", said.all());
    }
}

#[test]
fn templates_go_up_and_down_on_an_influxdb_1() {
    let Some((world, name)) = first("templates") else { return };
    let mut made = 0;
    let order = ["database", "retention-policy", "keep-longer", "continuous-query", "downsampling", "default"];
    for wanted in order {
        let templates = of_kind("influxdb");
        let template = templates.iter().find(|t| t.name == wanted).unwrap();
        made += 1;
        let fill = |text: &str| text.replace("{{table}}", &name);
        pair(&world, &format!("{made:03}_{wanted}"), "influxql", &fill(template.up.1), &fill(template.down.1));
    }
    world.ok("up");
    world.ok("down 5");
    world.ok("up");
    let said = world.ok("fresh --dry-run --yes").all();
    assert!(said.contains(&format!("database {name} (")), "{said}");
    world.ok("down --all --yes");
    assert!(!world.run("fresh --dry-run --yes").all().contains(&format!("database {name}")));
    let all = of_kind("influxdb").iter().filter(|t| t.up.0 == "influxql").count();
    assert_eq!(all, order.len(), "a template is not tried");
}

#[test]
fn templates_go_up_and_down_on_an_influxdb_2() {
    let Some((world, name)) = second("templates") else { return };
    let order = ["bucket", "bucket-keep-longer", "task", "task-downsampling"];
    for (number, wanted) in (1..).zip(order) {
        let templates = of_kind("influxdb");
        let template = templates.iter().find(|t| t.name == wanted).unwrap();
        let fill = |text: &str| text.replace("{{table}}", &format!("{name}_x"));
        pair(&world, &format!("{number:03}_{wanted}"), "http", &fill(template.up.1), &fill(template.down.1));
    }
    pair(&world, "005_query", "flux", &format!("from(bucket: \"{name}_x\")\n  |> range(start: -1h)\n"), "// nothing\n");
    world.ok("up");
    let said = world.ok("fresh --dry-run --yes").all();
    for thing in [format!("bucket {name}_x (keeps data for 90 days)"), format!("task {name}_x_1h")] {
        assert!(said.contains(&thing), "`{thing}` is not in:\n{said}");
    }
    assert!(!said.contains("_monitoring") && !said.contains(&format!("stepladder_{name}\n")), "{said}");
    world.ok("down 4");
    world.ok("up");
    world.ok("down --all --yes");
    let all = of_kind("influxdb").iter().filter(|t| t.up.0 == "http").count();
    assert_eq!(all, order.len(), "a template is not tried");
}

#[test]
fn the_sample_set_goes_up_and_down() {
    let Some((world, name)) = first("samples") else { return };
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/influxdb");
    for file in std::fs::read_dir(samples).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap().replace("telemetry", &name);
        world.write(&format!("migrations/influxdb/{}", path.file_name().unwrap().to_str().unwrap()), text);
    }
    says(&world.run("up"), 0, &["004_keep_readings_longer", "4 applied in 1 store"]);
    says(&world.run("check"), 0, &[]);
    says(&world.run("down --all --yes"), 0, &["4 reverted"]);
    world.ok("up");
    world.ok("fresh --yes");
    says(&world.run("check"), 0, &[]);
    world.ok("down --all --yes");
}

#[test]
fn an_error_behind_a_200_is_told_with_its_line_and_advice() {
    let Some((world, name)) = first("errors") else { return };
    for (statement, words) in [
        (
            "CREATE RETENTION POLICY p ON gone DURATION 1h REPLICATION 1",
            ["database not found: gone", "CREATE DATABASE"],
        ),
        ("CREATE RETENTION POLICY p ON NAME DURATION 2h REPLICATION 1", ["already exists", "ALTER RETENTION POLICY"]),
        ("SHOW\n  BOGUS", ["at line 5", "found BOGUS"]),
        ("INSERT INTO gone x y=1", ["statement 3 of 4", "retention policy not found"]),
        ("INSERT no point", ["unable to parse", "statement 3 of 4"]),
    ] {
        let make = format!("CREATE DATABASE NAME;\nCREATE RETENTION POLICY p ON NAME DURATION 1h REPLICATION 1;\n\n{statement}\n;SHOW DATABASES")
            .replace("NAME", &name);
        // The statement begins on line 4.
        pair(&world, "001_a", "influxql", &make, "-- nothing\n");
        let said = world.run("up");
        says(
            &said,
            1,
            &[words[0], words[1], "001_a.up.influxql:4", "parts 1 and 2 of 4", "repair influxdb/1 --resume"],
        );
        world.ok("repair influxdb/1 --mark reverted --yes");
    }
    pair(&world, "001_a", "influxql", &format!("DROP DATABASE {name}"), "-- nothing\n");
    world.ok("up");
}

#[test]
fn flux_and_requests_that_fail_are_told_on_an_influxdb_2() {
    let Some((world, name)) = second("errors") else { return };
    let flux = "import \"array\"\nimport \"array\"\nfrom(bucket: \"NAME_gone\") |> range(start: 0)";
    for (extension, script, words) in [
        ("flux", flux, ["could not find bucket", "POST /api/v2/buckets"]),
        ("flux", "x = 1\nfrom(bucket \"x\")", ["error @2", "001_a.up.flux:1"]),
        (
            "http",
            "# x\nDELETE /api/v2/buckets?name=NAME_gone",
            ["there is no bucket named NAME_gone", "001_a.up.http:2"],
        ),
        ("http", "# x\nDELETE /api/v2/tasks?name=NAME_gone", ["there is no task named NAME_gone", "001_a.up.http:2"]),
        ("influxql", "SHOW DATABASES", ["no statements of InfluxQL", ".up.http"]),
    ] {
        let fill = |text: &str| text.replace("NAME", &name);
        pair(&world, "001_a", extension, &fill(script), "");
        says(&world.run("up"), 1, &words.map(fill).each_ref().map(String::as_str));
        world.run("repair influxdb/1 --mark reverted --yes");
        std::fs::remove_dir_all(world.path("migrations")).unwrap();
    }
}

#[test]
fn the_doctor_tells_what_answers_and_what_is_missing() {
    if let Some((world, _)) = first("doctor") {
        world.write(UP, "");
        says(&world.run("doctor"), 0, &["InfluxDB 1.", "built in", "lease"]);
        let url = server("STEPLADDER_TEST_INFLUXDB_URL").unwrap();
        let bare = World::new().file("stepladder.toml", "[stores.influxdb]\n").variable("INFLUXDB_URL", &url);
        bare.write(UP, "");
        assert!(bare.run("doctor").all().contains("`fresh` has nothing that it may drop"));
    }
    if let Some((world, _)) = second("doctor") {
        world.write(UP, "");
        says(&world.run("doctor"), 0, &["InfluxDB 2.", "built in"]);
        let unknown = world.variable("INFLUXDB_ORG", "no such organisation");
        says(&unknown.run("doctor"), 6, &["has no organisation no such organisation"]);
    }
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    let Some((world, name)) = first("idle") else { return };
    let world = crate::relay::between(world, "INFLUXDB_URL");
    crate::relay::outlives_idle_connections(&world, "influxdb", "influxql", &format!("CREATE DATABASE {name}_a\n"));
    world.ok("fresh --yes");
}
