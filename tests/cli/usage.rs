//! Wrong usage, help and versions.

use insta::assert_snapshot;

use crate::world::World;

const COMMANDS: [&str; 21] = [
    "init",
    "up",
    "down",
    "redo",
    "goto",
    "fresh",
    "status",
    "current",
    "history",
    "check",
    "validate",
    "generate",
    "seed",
    "repair",
    "baseline",
    "lock",
    "unlock",
    "doctor",
    "wait",
    "completions",
    "man",
];

#[test]
fn alone_it_prints_help_and_fails() {
    let said = World::new().run("");
    assert_eq!(said.code, 2);
    assert!(said.stdout.is_empty());
    assert!(said.stderr.contains("Usage: stepladder [OPTIONS] <COMMAND>"), "{}", said.stderr);
}

#[test]
fn every_command_has_help_with_an_example() {
    let world = World::new();
    for command in COMMANDS {
        let said = world.ok(&format!("{command} --help"));
        assert!(said.stdout.contains(&format!("\n  stepladder {command}")), "{command}\n{}", said.stdout);
        assert!(said.stderr.is_empty());
    }
    let help = world.ok("--help").stdout;
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
    }
}

#[test]
fn every_command_that_takes_leases_can_wait_for_them() {
    let world = World::new();
    for command in ["up", "down", "redo", "goto", "fresh", "seed", "repair", "baseline"] {
        assert!(world.ok(&format!("{command} --help")).stdout.contains("--wait-lock <TIME>"), "{command}");
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(World::new().ok("--version").stdout, format!("stepladder {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn slips_are_named() {
    let world = World::with_memory(&[]);
    assert_snapshot!(world.shows("statsu"), @r#"
        [stderr]
        error: unrecognized subcommand 'statsu'

          tip: a similar subcommand exists: 'status'

        Usage: stepladder [OPTIONS] <COMMAND>

        For more information, try '--help'.
        [exit 2]
        "#);
    assert_snapshot!(world.shows("up --dryrun"), @r#"
        [stderr]
        error: unexpected argument '--dryrun' found

          tip: a similar argument exists: '--dry-run'

        Usage: stepladder up --dry-run

        For more information, try '--help'.
        [exit 2]
        "#);
    assert_snapshot!(world.shows("goto"), @r#"
        [stderr]
        error: the following required arguments were not provided:
          <VERSION>

        Usage: stepladder goto <VERSION>

        For more information, try '--help'.
        [exit 2]
        "#);
    assert_snapshot!(world.shows("goto seven"), @r#"
        [stderr]
        error: invalid value 'seven' for '<VERSION>': `seven` is not a version: expected 1 to 32 digits

        For more information, try '--help'.
        [exit 2]
        "#);
    assert_snapshot!(world.shows("down 1 --all"), @r#"
        [stderr]
        error: the argument '[N]' cannot be used with '--all'

        Usage: stepladder down <N>

        For more information, try '--help'.
        [exit 2]
        "#);
    assert_snapshot!(world.shows("up --wait-lock soon"), @r#"
        [stderr]
        error: invalid value 'soon' for '--wait-lock <TIME>': expected a time such as 30s, 5m or 1h30m

        For more information, try '--help'.
        [exit 2]
        "#);
    assert_snapshot!(world.shows("repair --resume"), @r#"
        [stderr]
        error: the following required arguments were not provided:
          <STORE/VERSION>

        Usage: stepladder repair --resume <STORE/VERSION>

        For more information, try '--help'.
        [exit 2]
        "#);
}

#[test]
fn unknown_stores_are_named_with_the_known_ones() {
    let world = World::with_memory(&["001_one"]);
    for command in ["up", "down", "status", "check", "validate", "history", "lock", "doctor", "wait"] {
        let said = world.run(&format!("{command} -s postgrse"));
        assert_eq!(said.code, 2, "{command}");
        assert_eq!(said.stderr, "error: there is no store `postgrse`\nhint: the stores are `memory`\n", "{command}");
    }
}

#[test]
fn without_a_project_the_way_in_is_shown() {
    let world = World::new();
    for command in ["up", "status", "down", "check"] {
        let said = world.run(command);
        assert_eq!(said.code, 2);
        assert!(said.stderr.contains("hint: `stepladder init` makes a first one"), "{}", said.stderr);
    }
    assert_snapshot!(world.shows("up"), @r#"
        [stderr]
        error: there is no store yet
          no folder in migrations/ is named after a kind of store, and no store is configured
        hint: `stepladder init` makes a first one
        [exit 2]
        "#);
}

#[test]
fn completions_and_manual_pages_are_made() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.ok(&format!("completions {shell}")).stdout.contains("stepladder"), "{shell}");
    }
    assert!(world.ok("man").stdout.contains(".TH stepladder 1"));
    world.ok("man --dir pages");
    for command in COMMANDS {
        assert!(world.has(&format!("pages/stepladder-{command}.1")), "{command}");
    }
    assert!(world.read("pages/stepladder-up.1").contains("\\-\\-out\\-of\\-order"));
}
