//! A project with one store, `main`, of the kind under test.

use std::time::Duration;

use crate::common::{Output, Running, World, until};
use crate::subject::{Source, Subject};

/// Where projects come from: one with a store of its own at each call.
pub struct Fresh {
    pub source: &'static Source,
}

impl Fresh {
    /// A project with an empty store.
    pub fn project(&self) -> Project {
        self.with("")
    }

    /// The same with more lines in the store's section of the configuration.
    pub fn with(&self, section: &str) -> Project {
        let subject = (self.source.make)();
        let mut world = World::new();
        let kind = self.source.kind;
        let client = subject.section();
        world.write("stepladder.toml", format!("[stores.main]\nkind = \"{kind}\"\n{client}\n{section}\n"));
        world.set("STEPLADDER_MAIN_URL", subject.url());
        Project { world, subject }
    }
}

/// A project with one store.
pub struct Project {
    pub world: World,
    pub subject: Box<dyn Subject>,
}

impl Project {
    /// The path of an up script: `up("001_a")`.
    pub fn up_path(&self, label: &str) -> String {
        format!("migrations/main/{label}.up.{}", self.subject.extension())
    }

    /// The path of a down script.
    pub fn down_path(&self, label: &str) -> String {
        format!("migrations/main/{label}.down.{}", self.subject.extension())
    }

    /// Writes a pair of scripts, a line per statement.
    pub fn pair(&self, label: &str, up: &[String], down: &[String]) {
        self.world.write(self.up_path(label), up.join("\n") + "\n");
        self.world.write(self.down_path(label), down.join("\n") + "\n");
    }

    /// A pair that makes a thing and takes it away.
    pub fn thing(&self, label: &str, thing: &str) {
        self.pair(label, &[self.subject.create(thing)], &[self.subject.remove(thing)]);
    }

    /// `001_notes`: a notebook for the scripts after it.
    pub fn notebook(&self) {
        self.pair("001_notes", &[self.subject.notebook()], &[self.subject.comment("stays")]);
    }

    /// A pair that writes into the notebook on its way up and down.
    pub fn noting(&self, label: &str, word: &str) {
        self.pair(label, &[self.subject.note(word)], &[self.subject.note(&format!("{word} back"))]);
    }

    /// The directive as a line of a script.
    pub fn directive(&self, text: &str) -> String {
        self.subject.comment(&format!("stepladder: {text}"))
    }

    /// Runs the binary; `up --steps 2` as one text.
    pub fn run(&self, arguments: &str) -> Output {
        self.world.run(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Starts the binary.
    pub fn spawn(&self, arguments: &str) -> Running {
        self.world.spawn(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Starts the binary and waits until it holds the lease.
    pub fn spawn_holding(&self, arguments: &str) -> Running {
        let running = self.spawn(arguments);
        let pid = running.pid();
        let holds = until(Duration::from_secs(20), || self.subject.lease_pid() == Some(pid));
        assert!(holds, "it did not take the lease:\n{}", running.so_far());
        running
    }

    /// Label and standing of every migration, as `status` says.
    pub fn standings(&self) -> Vec<(String, String)> {
        let status = self.run("status --json").json();
        let store = status["stores"].as_array().unwrap().iter().find(|s| s["store"] == "main").unwrap();
        let migrations = store["migrations"].as_array().unwrap_or_else(|| panic!("no migrations: {store}"));
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        migrations.iter().map(|m| (text(&m["migration"]), text(&m["standing"]))).collect()
    }

    /// The standing of one migration.
    pub fn standing(&self, label: &str) -> String {
        let all = self.standings();
        let found = all.iter().find(|(name, _)| name == label);
        found.unwrap_or_else(|| panic!("no {label} in {all:?}")).1.clone()
    }

    /// Fails the test unless these are the standings.
    #[track_caller]
    pub fn stands(&self, expected: &[(&str, &str)]) {
        let found = self.standings();
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, expected);
    }

    /// The labels that the ledger, seen from outside, calls done in a direction, in order.
    pub fn done(&self, direction: &str) -> Vec<String> {
        let entries = self.subject.ledger();
        entries.into_iter().filter(|(e, d, _)| e == "done" && d == direction).map(|(_, _, label)| label).collect()
    }
}
