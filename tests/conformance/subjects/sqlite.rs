//! SQLite, observed with the `sqlite3` shell.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use stepladder::stores::Card;
use tempfile::TempDir;

use crate::subject::{Source, Subject};

pub const SOURCE: Source = Source { name: "sqlite", kind: "sqlite", variable: None, make };

fn make() -> Box<dyn Subject> {
    Box::new(Sqlite { folder: tempfile::tempdir().unwrap() })
}

struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Runs SQL in the shell; what it prints without its last newline.
    fn ask(&self, sql: &str) -> String {
        let output = Command::new("sqlite3")
            .args(["-batch", "-bail", "-noheader", "-cmd", ".timeout 10000"])
            .arg(self.path())
            .arg(sql)
            .env("HOME", self.folder.path())
            .output()
            .expect("the sqlite3 shell is needed to look from outside: apt-get install sqlite3");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    fn exists(&self, table: &str) -> bool {
        self.path().exists() && self.ask(&format!("select 1 from sqlite_schema where name = '{table}'")) == "1"
    }

    fn lines(&self, table: &str, sql: &str) -> Vec<String> {
        if !self.exists(table) {
            return Vec::new();
        }
        self.ask(sql).lines().map(str::to_owned).collect()
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Subject for Sqlite {
    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    fn card(&self) -> &'static Card {
        SOURCE.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("create table \"{thing}\" (n integer);")
    }

    fn remove(&self, thing: &str) -> String {
        format!("drop table \"{thing}\";")
    }

    fn notebook(&self) -> String {
        "create table notes (n integer primary key, word text not null);".to_owned()
    }

    fn note(&self, word: &str) -> String {
        format!("insert into notes (word) values ({});", quoted(word))
    }

    fn reject(&self) -> String {
        "insert into no_such_thing values (1);".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        // SQLite cannot sleep, but it looks at its clock anew for every row, if the question depends on the row.
        format!(
            "with recursive c(began) as (select julianday('now') union all select began from c \
             where (julianday('now', (began * 0) || ' days') - began) * 86400.0 < {}) select began from c;",
            time.as_secs_f64()
        )
    }

    fn shelf(&self) -> String {
        "create table shelf (name text, content text);".to_owned()
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("insert into shelf values ('{name}', {});", quoted(text))
    }

    fn noise(&self, bytes: usize) -> String {
        let rows = bytes / 64;
        format!(
            "with recursive c(n) as (select 1 union all select n + 1 from c where n < {rows}) \
             select hex(zeroblob(32)) from c;"
        )
    }

    fn comment(&self, text: &str) -> String {
        format!("-- {text}")
    }

    fn picture(&self) -> String {
        let mut files: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let show = |path: &PathBuf| format!("{} {:?}\n", path.display(), fs::read(path).unwrap());
        files.iter().map(show).collect()
    }

    fn things(&self) -> Vec<String> {
        if !self.path().exists() {
            return Vec::new();
        }
        let sql = "select name from sqlite_schema where name not in ('notes', 'shelf') and name not like 'sqlite\\_%' \
                   escape '\\' and name not in ('stepladder_ledger', 'stepladder_lease', 'stepladder_meta', \
                   'stepladder_applied') order by name";
        self.ask(sql).lines().map(str::to_owned).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.lines("notes", "select word from notes order by n")
    }

    fn kept(&self, name: &str) -> Option<String> {
        if !self.exists("shelf") {
            return None;
        }
        let hex = self.ask(&format!("select hex(content) from shelf where name = '{name}'"));
        super::from_hex(&hex)
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let sql = "select event || char(31) || direction || char(31) || label from stepladder_ledger order by seq";
        self.lines("stepladder_ledger", sql).iter().map(|line| super::three(line)).collect()
    }

    fn dump(&self) -> String {
        if self.path().exists() { self.ask(".dump") } else { String::new() }
    }

    fn lease_pid(&self) -> Option<u32> {
        self.lines("stepladder_lease", "select pid from stepladder_lease").first()?.parse().ok()
    }

    fn lets_meddle(&self) -> bool {
        false
    }

    fn give_lease_away(&self, time: Duration) {
        self.ask(&format!(
            "update stepladder_lease set host = 'elsewhere', token = 'somebody-else', \
             expires_ms = cast(strftime('%s', 'now') as integer) * 1000 + {}",
            time.as_millis()
        ));
    }

    fn delete_lease(&self) {
        self.ask("delete from stepladder_lease");
    }

    fn move_lease_elsewhere(&self) {
        self.ask("update stepladder_lease set host = 'elsewhere'");
    }

    fn raise_format(&self) {
        self.ask("update stepladder_meta set format = 99");
    }

    fn litter(&self) {
        self.ask(
            "create table litter (a integer primary key autoincrement, b text); insert into litter (b) values ('x');
             create index litter_index on litter (b); create view litter_view as select * from litter;
             create trigger litter_trigger after insert on litter begin delete from litter where b = 'y'; end;
             create table litter_child (a integer references litter (a)); insert into litter_child values (1);
             create virtual table litter_words using fts5 (word); create table stepladder_litter (a);
             create table \"litter \"\"quoted\"\"; 🪜\" (a); create view litter_broken as select * from nowhere;",
        );
    }

    fn plant_foreign(&self) {
        fs::write(self.folder.path().join("foreign.db"), "not the store's").unwrap();
    }

    fn foreign_is_there(&self) -> bool {
        self.folder.path().join("foreign.db").exists()
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        // A folder is no database.
        Some((format!("sqlite:{}", self.folder.path().display()), None))
    }
}
