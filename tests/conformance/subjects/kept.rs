//! The shell kind with its ledger in another store: scripts and what they make are the one's, ledger and lease the
//! other's.

use std::time::Duration;

use stepladder::stores::Card;

use crate::subject::{Source, Subject};

pub const IN_SQLITE: Source = Source { name: "shell-in-sqlite", kind: "shell", variable: None, make: in_sqlite };

pub const IN_POSTGRES: Source = Source {
    name: "shell-in-postgres",
    kind: "shell",
    variable: super::postgres::POSTGRES.variable,
    make: in_postgres,
};

fn in_sqlite() -> Box<dyn Subject> {
    kept("sqlite", &super::sqlite::SOURCE)
}

fn in_postgres() -> Box<dyn Subject> {
    kept("postgres", &super::postgres::POSTGRES)
}

fn kept(kind: &'static str, host: &Source) -> Box<dyn Subject> {
    Box::new(Kept { kind, shell: (super::shell::SOURCE.make)(), host: (host.make)() })
}

struct Kept {
    kind: &'static str,
    shell: Box<dyn Subject>,
    host: Box<dyn Subject>,
}

impl Subject for Kept {
    fn url(&self) -> String {
        "shell:".to_owned()
    }

    /// The host comes last, so what a clause adds (the length of the lease) is said of it.
    fn section(&self) -> String {
        let (kind, section) = (self.kind, self.host.section());
        let url = serde_json::Value::from(self.host.url());
        format!("ledger = \"host\"\n[stores.host]\nkind = \"{kind}\"\nurl = {url}\n{section}")
    }

    fn card(&self) -> &'static Card {
        self.shell.card()
    }

    fn create(&self, thing: &str) -> String {
        self.shell.create(thing)
    }

    fn remove(&self, thing: &str) -> String {
        self.shell.remove(thing)
    }

    fn notebook(&self) -> String {
        self.shell.notebook()
    }

    fn note(&self, word: &str) -> String {
        self.shell.note(word)
    }

    fn reject(&self) -> String {
        self.shell.reject()
    }

    fn sleep(&self, time: Duration) -> String {
        self.shell.sleep(time)
    }

    fn shelf(&self) -> String {
        self.shell.shelf()
    }

    fn keep(&self, name: &str, text: &str) -> String {
        self.shell.keep(name, text)
    }

    fn noise(&self, bytes: usize) -> String {
        self.shell.noise(bytes)
    }

    fn comment(&self, text: &str) -> String {
        self.shell.comment(text)
    }

    fn picture(&self) -> String {
        self.shell.picture() + &self.host.picture()
    }

    fn things(&self) -> Vec<String> {
        let mut things = self.shell.things();
        things.extend(self.host.things().into_iter().map(|thing| format!("{thing} in the host")));
        things
    }

    fn notes(&self) -> Vec<String> {
        self.shell.notes()
    }

    fn kept(&self, name: &str) -> Option<String> {
        self.shell.kept(name)
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let bare = |(event, direction, label): (String, String, String)| {
            let own = label.strip_prefix("main/").map(str::to_owned);
            assert!(own.is_some() || event == "unlocked", "an entry that is not of the guest: {event} {label}");
            (event, direction, own.unwrap_or(label))
        };
        self.host.ledger().into_iter().map(bare).collect()
    }

    fn dump(&self) -> String {
        self.shell.dump() + &self.host.dump()
    }

    fn lease_pid(&self) -> Option<u32> {
        self.host.lease_pid()
    }

    fn give_lease_away(&self, time: Duration) {
        self.host.give_lease_away(time);
    }

    fn delete_lease(&self) {
        self.host.delete_lease();
    }

    fn move_lease_elsewhere(&self) {
        self.host.move_lease_elsewhere();
    }

    fn raise_format(&self) {
        self.host.raise_format();
    }

    fn litter(&self) {
        self.shell.litter();
    }

    fn plant_foreign(&self) {
        self.shell.plant_foreign();
    }

    fn foreign_is_there(&self) -> bool {
        self.shell.foreign_is_there()
    }

    fn secret(&self) -> Option<String> {
        self.host.secret()
    }
}
