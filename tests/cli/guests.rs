//! A shell store whose ledger another store keeps: `ledger = "main"`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;

use crate::world::{Said, World};

/// A memory store `main` with one migration, and a shell store `jobs` with two that make and remove files.
fn world() -> World {
    ["001_first", "002_second"].iter().fold(
        World::new()
            .file(
                "stepladder.toml",
                "[stores.main]\nkind = \"memory\"\nurl = \"memory:data.json\"\n\
                 [stores.jobs]\nkind = \"shell\"\nledger = \"main\"\n[env.production]\nprotected = true\n",
            )
            .pair("main", "001_own"),
        |world, name| {
            world
                .file(&format!("migrations/jobs/{name}.up.sh"), format!("echo $STEPLADDER_URL > {name}.txt\n"))
                .file(&format!("migrations/jobs/{name}.down.sh"), format!("rm {name}.txt\n"))
        },
    )
}

#[test]
fn both_stores_go_up_and_down_under_one_lease() {
    let world = world();
    assert_snapshot!(world.shows("up --dry-run -s jobs"), @r#"
        jobs   2 steps, built in:
          001_first   this store cannot undo a script
            # ledger of main: up 001_first begun
            STEPLADDER_URL=shell: STEPLADDER_STORE=jobs STEPLADDER_VERSION=1 STEPLADDER_DIRECTION=up sh -e migrations/jobs/001_first.up.sh
              echo $STEPLADDER_URL > 001_first.txt
            # ledger of main: up 001_first done
          002_second   this store cannot undo a script
            # ledger of main: up 002_second begun
            STEPLADDER_URL=shell: STEPLADDER_STORE=jobs STEPLADDER_VERSION=2 STEPLADDER_DIRECTION=up sh -e migrations/jobs/002_second.up.sh
              echo $STEPLADDER_URL > 002_second.txt
            # ledger of main: up 002_second done
        2 steps in 1 store would run. Nothing was changed.
        "#);
    assert!(!world.has("data.json"), "a dry run made the host's ledger");
    world.ok("up");
    assert!(world.has("001_first.txt") && world.has("002_second.txt"));
    assert!(!world.has(".stepladder"), "the ledger should be in main alone");
    assert_eq!(world.read("001_first.txt"), "shell:\n");
    assert_snapshot!(world.shows("status"), @r#"
        jobs   the ledger of main (data.json)   2 applied · nothing pending
          001_first    applied   <time> <ms>   run <run>   tester@<host>
          002_second   applied   <time> <ms>   run <run>   tester@<host>
        main   data.json                        1 applied · nothing pending
          001_own   applied   <time> <ms>   run <run>   tester@<host>
        "#);
    assert_snapshot!(world.shows("current"), @r#"
        jobs   002_second   <time>   run <run>
        main   001_own      <time>   run <run>
        "#);
    assert_snapshot!(world.shows("lock"), @r#"
        jobs   free
        main   free
        "#);
    assert_snapshot!(world.shows("doctor"), @r#"
        jobs   the ledger of main (data.json)
          client       built in
          server       memory, 1 key
          ledger       4 entries: 2 of 2 migrations applied
          lease        free
        main   data.json
          client       built in
          server       memory, 1 key
          ledger       1 entry: 1 of 1 migration applied
          lease        free
        "#);
    world.ok("check");
    let seen = |line: &str| -> Vec<String> {
        let entries = world.ok(line).json()["entries"].clone();
        let entries = entries.as_array().expect("entries").iter();
        entries.map(|e| format!("{} {} {} {}", e["store"], e["event"], e["migration"], e["version"])).collect()
    };
    assert_eq!(seen("history --json -s main"), ["\"main\" \"done\" \"001_own\" \"1\""]);
    assert_eq!(seen("history --json -s jobs").len(), 4);
    assert_eq!(seen("history --json").len(), 5);

    // The newest across both, then the rest; the scripts come from the ledger.
    world.ok("redo -s jobs");
    std::fs::remove_dir_all(world.path("migrations/jobs")).expect("a folder");
    std::fs::create_dir(world.path("migrations/jobs")).expect("a folder");
    assert_snapshot!(world.shows("down"), @r#"
        jobs   002_second   reverted <ms>
        1 reverted in 1 store · run <run> · <ms>
        [stderr]
        warning: jobs/002_second: the down script comes from the ledger: its file is gone
        "#);
    assert_snapshot!(world.shows("down --all --yes"), @r#"
        main   001_own     reverted <ms>
        jobs   001_first   reverted <ms>
        2 reverted in 2 stores · run <run> · <ms>
        [stderr]
        warning: jobs/001_first: the down script comes from the ledger: its file is gone
        "#);
    assert!(!world.has("001_first.txt") && !world.has("002_second.txt"));
}

#[test]
fn a_guest_may_require_its_host_and_the_other_way_round() {
    let world = world()
        .file("migrations/jobs/003_third.up.sh", "# stepladder: requires main/2\ntrue\n")
        .file("migrations/jobs/003_third.down.sh", "true\n")
        .file("migrations/main/002_later.up.mem", "# stepladder: requires jobs/2\nset later 1\n")
        .file("migrations/main/002_later.down.mem", "delete later\n");
    let events = world.ok("up --json").events();
    let done: Vec<String> = events
        .iter()
        .filter(|e| e["event"] == "step_done")
        .map(|e| format!("{}/{}", e["store"].as_str().unwrap_or_default(), e["migration"].as_str().unwrap_or_default()))
        .filter(|name| name != "main/001_own")
        .collect();
    assert_eq!(done, ["jobs/001_first", "jobs/002_second", "main/002_later", "jobs/003_third"], "{events:?}");
    world.ok("down --all --yes");
    assert_eq!(world.run("check").code, 3);
}

#[test]
fn a_failed_script_is_settled_in_the_hosts_ledger() {
    let world = world().file("migrations/jobs/002_second.up.sh", "echo 'no such host' >&2\nexit 7\n");
    assert_snapshot!(world.shows("up -s jobs"), @r#"
        jobs   001_first    applied <ms>
        [stderr]
        error: jobs/002_second ended with exit code 7
          migrations/jobs/002_second.up.sh
            | no such host
          how much of it was done is not known: it is half-applied now
          applied before it in this run: jobs/001_first
        hint: finished it by hand? `stepladder repair jobs/2 --mark applied`
        hint: undid it by hand? `stepladder repair jobs/2 --mark reverted`
        [exit 1]
        "#);
    assert_snapshot!(world.shows("up -s jobs"), @r#"
        [stderr]
        error: 1 migration is half-applied and must be settled first
          jobs/002_second   its up script was begun and its end is not known
        hint: `stepladder repair jobs/2` shows what is known
        hint: finished it by hand? `stepladder repair jobs/2 --mark applied`
        hint: undid it by hand? `stepladder repair jobs/2 --mark reverted`
        [exit 5]
        "#);
    world.ok("up -s main");
    assert_snapshot!(world.shows("repair jobs/2 --mark applied"), @"jobs/002_second is recorded as applied now");
    world.ok("check");
    world.ok("repair");
    let other =
        world.file("migrations/jobs/003_third.up.sh", "true\n").file("migrations/jobs/003_third.down.sh", "true\n");
    assert_snapshot!(other.shows("baseline 3 -s jobs"), @r#"
        jobs   003_third   baselined
        1 migration recorded as applied, nothing was run
        "#);
    other.ok("check");
}

#[test]
fn a_lease_of_either_is_a_lease_of_both() {
    let world = world().file("migrations/jobs/001_first.up.sh", "while [ ! -e go ]; do sleep 0.05; done\n");
    let running =
        world.command("up -s jobs").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let began = Instant::now();
    while world.ok("lock --json -s main").json()["stores"][0]["held"] != true {
        assert!(began.elapsed() < Duration::from_secs(30), "the lease was never taken");
    }
    for line in ["up", "up -s main", "up -s jobs", "unlock -s main", "unlock"] {
        assert_eq!(world.run(line).code, 4, "{line}: {}", world.shows(line));
    }
    world.write("go", "");
    let output = running.wait_with_output().expect("an end");
    assert_eq!(Said::new(&output, &world.path("")).code, 0);
    assert_snapshot!(world.shows("unlock"), @r#"
        jobs   free, nothing to release
        main   free, nothing to release
        "#);
    world.ok("up");
}

#[test]
fn fresh_loses_nothing_that_a_guest_has_applied() {
    let world = world();
    world.ok("up");
    let before = world.snapshot();
    assert_snapshot!(world.shows("fresh --yes -s main"), @r#"
        [stderr]
        error: main keeps the ledger of jobs (2 applied), and that would be lost; nothing was dropped
        hint: take it back first: `stepladder down --all -s jobs`
        hint: or begin both afresh: `stepladder fresh -s jobs -s main`
        [exit 3]
        "#);
    assert_snapshot!(world.shows("fresh --dry-run -s main"), @r#"
        [stderr]
        error: main keeps the ledger of jobs (2 applied), and that would be lost; nothing was dropped
        hint: take it back first: `stepladder down --all -s jobs`
        hint: or begin both afresh: `stepladder fresh -s jobs -s main`
        [exit 3]
        "#);
    assert_eq!(world.snapshot(), before);
    // Both: the guest is taken back by its down scripts first, however the names sort.
    let said = world.ok("fresh --yes").stdout;
    assert!(said.starts_with("jobs   everything dropped\nmain   everything dropped\n"), "{said}");
    let swapped = world.read("stepladder.toml").replace("jobs", "zjobs");
    std::fs::rename(world.path("migrations/jobs"), world.path("migrations/zjobs")).expect("a folder");
    let world = world.file("stepladder.toml", swapped);
    assert_eq!(world.run("fresh --yes").code, 3, "the ledger of jobs, which is configured no more");
    world.write("stepladder.toml", world.read("stepladder.toml").replace("zjobs", "jobs"));
    std::fs::rename(world.path("migrations/zjobs"), world.path("migrations/jobs")).expect("a folder");
    // The guest alone: its history stays, since the host's ledger only grows.
    world.ok("fresh --yes -s jobs");
    world.ok("check");
    world.ok("down --all --yes -s jobs");
    world.ok("fresh --yes -s main");
    assert_eq!(world.run("fresh --yes -e production -s jobs").code, 2);
}

#[test]
fn what_cannot_keep_a_ledger_is_refused_offline() {
    let refused = |rest: &str| {
        let config = format!("[stores.jobs]\nkind = \"shell\"\n{rest}");
        World::new().file("stepladder.toml", config).file("migrations/jobs/001_a.up.sh", "true\n").shows("validate")
    };
    let main = "[stores.main]\nkind = \"memory\"\nurl = \"memory:data.json\"\n";
    assert_snapshot!(refused("ledger = \"mian\"\n"), @r#"
        [stderr]
        error: stores.jobs.ledger in stepladder.toml names `mian`, and there is no such store
        hint: it is the only store: leave the key out, and a file keeps the ledger
        [exit 2]
        "#);
    assert_snapshot!(refused(&format!("ledger = \"mian\"\n{main}")), @r#"
        [stderr]
        error: stores.jobs.ledger in stepladder.toml names `mian`, and there is no such store
        hint: the other stores are `main`
        [exit 2]
        "#);
    assert_snapshot!(refused("ledger = \"jobs\"\n"), @r#"
        [stderr]
        error: stores.jobs.ledger in stepladder.toml names the store itself
        hint: leave it out: a file keeps the ledger then; or name another store
        [exit 2]
        "#);
    assert_snapshot!(refused("ledger = \"b\"\n[stores.b]\nkind = \"shell\"\nledger = \"jobs\"\n"), @r#"
        [stderr]
        error: stores.b.ledger in stepladder.toml names jobs, whose own ledger is in b
        hint: one of the two has to keep its ledger itself
        [exit 2]
        "#);
    assert_snapshot!(refused(&format!("ledger = \"b\"\n[stores.b]\nkind = \"shell\"\nledger = \"main\"\n{main}")), @r#"
        [stderr]
        error: stores.jobs.ledger in stepladder.toml names b, whose own ledger is in main
        hint: name main itself
        [exit 2]
        "#);
    assert_snapshot!(refused("ledger = \"b\"\n[stores.b]\nkind = \"shell\"\n"), @r#"
        [stderr]
        error: stores.jobs.ledger in stepladder.toml names b, whose ledger is a file of this machine
        hint: name a store with a server, or a file with `url = "shell:path"`
        [exit 2]
        "#);
    assert_snapshot!(refused(&format!("ledger = \"main\"\n{main}optional = true\n")), @r#"
        [stderr]
        error: stores.jobs.ledger in stepladder.toml names main, which is optional: without it jobs had no ledger
        hint: take `optional` from [stores.main], or name another store
        [exit 2]
        "#);
    assert_snapshot!(refused(&format!("ledger = \"main\"\nlease = \"5s\"\n{main}")), @r#"
        [stderr]
        error: stores.jobs.lease in stepladder.toml has no meaning beside `ledger`
        hint: the lease is that of the store that keeps the ledger: say it there
        [exit 2]
        "#);
    let two = World::new().file(
        "stepladder.toml",
        format!("[stores.jobs]\nkind = \"shell\"\nledger = \"main\"\nurl = \"shell:x.jsonl\"\n{main}"),
    );
    let two = two.file("migrations/jobs/001_a.up.sh", "true\n").file("migrations/jobs/001_a.down.sh", "true\n");
    assert_snapshot!(two.shows("up"), @r#"
        [stderr]
        error: jobs has two ledgers: `ledger` names the store main, and its connection names another place
          the connection of jobs comes from stores.jobs.url in stepladder.toml
        hint: leave one of them out; `shell:` alone is a connection that names none
        [exit 2]
        "#);
    let long = world().file("migrations/jobs/123456789012345678901_long.up.sh", "true\n");
    let long = long.file("migrations/jobs/123456789012345678901_long.down.sh", "true\n");
    assert_snapshot!(long.shows("up -s jobs"), @r#"
        [stderr]
        error: nothing was run: 1 error in the files
          migrations/jobs/123456789012345678901_long.up.sh   has a number of more than 20 digits, which the ledger of another store cannot keep
        hint: give the migration a shorter number, or jobs a ledger of its own
        hint: `stepladder validate` shows everything that is wrong
        [exit 3]
        "#);
}

#[test]
fn a_host_without_migrations_needs_no_folder_and_a_guest_no_connection() {
    let world = World::new()
        .file(
            "stepladder.toml",
            "[stores.main]\nkind = \"memory\"\nurl = \"memory:data.json\"\n\
             [stores.jobs]\nkind = \"shell\"\nledger = \"main\"\noptional = true\n",
        )
        .file("migrations/jobs/001_a.up.sh", "true\n")
        .file("migrations/jobs/001_a.down.sh", "true\n");
    world.ok("validate");
    world.ok("up");
    world.ok("check");
    assert!(world.read("data.json").contains("jobs/001_a"));
}
