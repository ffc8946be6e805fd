//! JSON: field names are part of the contract.

use serde_json::Value;

use crate::world::World;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|o| o.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn a_run_tells_its_events_line_by_line() {
    let world = World::with_memory(&["001_a", "002_b"]);
    let said = world.ok("up --json");
    let events = said.events();
    let names: Vec<&str> = events.iter().filter_map(|e| e["event"].as_str()).collect();
    assert_eq!(names, ["planned", "step_started", "step_done", "step_started", "step_done", "run_done"]);
    let done = &events[2];
    assert_eq!(keys(done), ["event", "run", "store", "migration", "version", "direction", "duration_ms"]);
    assert_eq!(
        (&done["store"], &done["migration"], &done["version"]),
        (&"memory".into(), &"001_a".into(), &"1".into())
    );
    assert_eq!(done["direction"], "up");
    let end = &events[5];
    assert_eq!((&end["ok"], &end["applied"], &end["reverted"]), (&true.into(), &2.into(), &0.into()));
    assert!(events.iter().all(|e| e["run"] == end["run"]));
    assert!(said.stderr.is_empty());
}

#[test]
fn a_failed_run_ends_with_the_error() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_a.up.mem", "set a 1\nfail boom\n")
        .file("migrations/memory/001_a.down.mem", "delete a\n");
    let said = world.run("up --json");
    assert_eq!(said.code, 1);
    let events = said.events();
    let failed = events.iter().find(|e| e["event"] == "step_failed").expect("a failed step");
    assert_eq!((&failed["line"], &failed["message"], &failed["kept"]), (&2.into(), &"boom".into(), &"nothing".into()));
    let error = &events.last().expect("a last line")["error"];
    assert_eq!(keys(error), ["kind", "message", "details", "hints", "exit_code"]);
    assert_eq!((&error["kind"], &error["exit_code"]), (&"failed".into(), &1.into()));
    assert!(said.stderr.starts_with("error: memory/001_a was rejected at line 2\n"));
}

#[test]
fn commands_that_look_answer_with_one_document() {
    let world = World::with_memory(&["001_a", "002_b"]);
    world.ok("up --steps 1");
    let status = world.ok("status --json").json();
    assert_eq!(keys(&status), ["stores", "skipped"]);
    let store = &status["stores"][0];
    assert_eq!(keys(store), ["store", "kind", "address", "counts", "migrations"]);
    assert_eq!(store["counts"]["applied"], 1);
    assert_eq!(store["counts"]["pending"], 1);
    let first = &store["migrations"][0];
    assert_eq!((&first["standing"], &first["version"]), (&"applied".into(), &"1".into()));
    assert!(first["applied_at"].as_str().is_some_and(|t| t.ends_with('Z')));
    assert_eq!(store["migrations"][1]["applied_at"], Value::Null);

    let current = world.ok("current --json").json();
    assert_eq!(current["stores"][0]["migration"], "001_a");
    let history = world.ok("history --json").json();
    assert_eq!(history["entries"][0]["event"], "done");
    assert_eq!(history["entries"][0]["migration"], "001_a");
    let lock = world.ok("lock --json").json();
    assert_eq!(lock["stores"][0]["held"], false);
    let doctor = world.ok("doctor --json").json();
    assert_eq!(doctor["stores"][0]["ok"], true);
    let wait = world.ok("wait --json").json();
    assert_eq!(wait["stores"][0]["store"], "memory");
}

#[test]
fn findings_are_documents_too_and_no_errors() {
    let world = World::with_memory(&["001_a"]).file("migrations/memory/002_b.up.mem", "set b 1\n");
    let check = world.run("check --json");
    assert_eq!(check.code, 3);
    assert_eq!(check.json()["ok"], false);
    assert_eq!(check.json()["findings"][0]["code"], "pending");
    let validate = world.run("validate --json");
    assert_eq!(validate.code, 3);
    assert_eq!(validate.json()["findings"][0]["code"], "no-down");
    assert_eq!(
        keys(&validate.json()["findings"][0]),
        ["severity", "code", "store", "place", "line", "message", "hint"]
    );
}

#[test]
fn wrong_usage_is_an_error_document() {
    let world = World::with_memory(&["001_a"]);
    for line in ["up --json --bogus", "status --json -s nothing", "goto 9 --json"] {
        let said = world.run(line);
        assert_eq!(said.code, 2, "{line}");
        assert_eq!(said.json()["error"]["kind"], "usage", "{line}");
        assert_eq!(said.json()["error"]["exit_code"], 2, "{line}");
    }
}
