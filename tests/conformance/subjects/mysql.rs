//! MariaDB and MySQL, each run and observed with its own client. Each subject is a database of its own.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

pub const MARIADB: Source = Source {
    name: "mariadb",
    kind: "mysql",
    variable: Some("STEPLADDER_TEST_MARIADB_URL"),
    make: || Mysql::make("MARIADB", "mariadb"),
};

pub const MYSQL: Source = Source {
    name: "mysql",
    kind: "mysql",
    variable: Some("STEPLADDER_TEST_MYSQL_URL"),
    make: || Mysql::make("MYSQL", "mysql"),
};

struct Mysql {
    client: String,
    user: String,
    password: String,
    host: String,
    port: String,
    database: String,
}

const OURS: &str = "('stepladder_ledger', 'stepladder_lease', 'stepladder_meta')";

impl Mysql {
    fn make(name: &str, client: &str) -> Box<dyn Subject> {
        let variable = |what: &str| std::env::var(format!("STEPLADDER_TEST_{name}_{what}"));
        let url = variable("URL").expect("it was looked for before");
        let (login, place) = url.split_once("://").unwrap().1.rsplit_once('@').expect("a login is needed");
        let (user, password) = login.split_once(':').expect("a password is needed");
        let (server, first) = place.split_once('/').expect("a database is needed");
        let (host, port) = server.split_once(':').expect("a port is needed");
        let own = str::to_owned;
        let subject = Self {
            client: variable("CLIENT").unwrap_or_else(|_| own(client)),
            user: own(user),
            password: own(password),
            host: own(host),
            port: own(port),
            database: random_name(),
        };
        subject.ask_in(first, &format!("create database {} character set utf8mb4", subject.database));
        Box::new(subject)
    }

    fn at(&self, password: &str, port: &str) -> String {
        format!("mysql://{}:{password}@{}:{port}/{}", self.user, self.host, self.database)
    }

    /// Runs SQL as a script; what it prints without its last newline.
    fn ask_in(&self, database: &str, sql: &str) -> String {
        let mut child = Command::new(&self.client)
            .args(["--no-defaults", "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4"])
            .args(["--protocol=tcp", "-h", &self.host, "-P", &self.port, "-u", &self.user, database])
            .env("MYSQL_PWD", &self.password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server's own client is needed to look from outside");
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    fn ask(&self, sql: &str) -> String {
        self.ask_in(&self.database, sql)
    }

    fn lines(&self, sql: &str) -> Vec<String> {
        self.ask(sql).lines().map(str::to_owned).collect()
    }

    fn exists(&self, table: &str) -> bool {
        let of = "from information_schema.tables where table_schema = database()";
        self.ask(&format!("select count(*) {of} and table_name = '{table}'")) == "1"
    }

    fn is_mariadb(&self) -> bool {
        self.ask("select version()").contains("MariaDB")
    }
}

impl Drop for Mysql {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let name = &self.database;
        self.ask(&format!("drop database if exists {name}; drop database if exists {name}_other"));
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

impl Subject for Mysql {
    fn url(&self) -> String {
        self.at(&self.password, &self.port)
    }

    fn section(&self) -> String {
        format!("client = \"{}\"\n", self.client)
    }

    fn card(&self) -> &'static Card {
        &stepladder::stores::mysql::KIND.card
    }

    fn create(&self, thing: &str) -> String {
        format!("create table `{thing}` (n integer);")
    }

    fn remove(&self, thing: &str) -> String {
        format!("drop table `{thing}`;")
    }

    fn notebook(&self) -> String {
        "create table notes (n integer auto_increment primary key, word text not null);".to_owned()
    }

    fn note(&self, word: &str) -> String {
        format!("insert into notes (word) values ({});", quoted(word))
    }

    fn reject(&self) -> String {
        "insert into no_such_thing values (1);".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        format!("do sleep({});", time.as_secs_f64())
    }

    fn shelf(&self) -> String {
        "create table shelf (name varchar(100), content longtext);".to_owned()
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("insert into shelf values ('{name}', {});", quoted(text))
    }

    fn noise(&self, bytes: usize) -> String {
        let side = (1..).find(|side| side * side * 1024 >= bytes).unwrap();
        format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {side}) \
             select repeat('noise ', 171) from n a, n b;"
        )
    }

    fn comment(&self, text: &str) -> String {
        format!("-- {text}")
    }

    fn picture(&self) -> String {
        let tables = self.lines(
            "select table_name from information_schema.tables where table_schema = database() \
             and table_type in ('BASE TABLE', 'SYSTEM VERSIONED') order by 1",
        );
        let rows: String =
            tables.iter().map(|t| format!("select '{}'; select * from `{t}`;\n", t.replace('\'', "''"))).collect();
        self.ask(&format!(
            "select table_name, table_type, engine, create_time from information_schema.tables
               where table_schema = database() order by 1;
             select routine_name, routine_type, routine_definition, last_altered from information_schema.routines
               where routine_schema = database() order by 1, 2;
             select trigger_name, action_statement from information_schema.triggers where trigger_schema = database() order by 1;
             select event_name, event_definition from information_schema.events where event_schema = database() order by 1;
             select schema_name from information_schema.schemata where schema_name like '{}%' order by 1;
             {rows}",
            self.database
        ))
    }

    fn things(&self) -> Vec<String> {
        let mut things = self.lines(&format!(
            "select table_name from information_schema.tables where table_schema = database()
               and table_name not in {OURS} and table_name not in ('notes', 'shelf');
             select concat(lower(routine_type), ' ', routine_name) from information_schema.routines
               where routine_schema = database();
             select concat('trigger ', trigger_name) from information_schema.triggers where trigger_schema = database();
             select concat('event ', event_name) from information_schema.events where event_schema = database()"
        ));
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        if self.exists("notes") { self.lines("select word from notes order by n") } else { Vec::new() }
    }

    fn kept(&self, name: &str) -> Option<String> {
        if !self.exists("shelf") {
            return None;
        }
        super::from_hex(&self.ask(&format!("select hex(content) from shelf where name = '{name}'")))
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        if !self.exists("stepladder_ledger") {
            return Vec::new();
        }
        let sql = "select concat(event, char(31), direction, char(31), label) from stepladder_ledger order by seq";
        self.lines(sql).iter().map(|line| super::three(line)).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        if !self.exists("stepladder_lease") {
            return None;
        }
        self.ask("select pid from stepladder_lease").parse().ok()
    }

    fn at_work(&self) -> usize {
        self.ask(
            "select count(*) from information_schema.processlist where db = database() and state = 'User sleep' \
             and id <> connection_id()",
        )
        .parse()
        .unwrap()
    }

    fn give_lease_away(&self, time: Duration) {
        self.ask(&format!(
            "update stepladder_lease set host = 'elsewhere', token = 'somebody-else', \
             expires = utc_timestamp(6) + interval {} microsecond",
            time.as_micros()
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
            "create table litter (a integer auto_increment primary key, b varchar(20), key litter_index (b));
             insert into litter (b) values ('x'); create view litter_view as select * from litter;
             create view litter_view_of_view as select * from litter_view;
             create table litter_one (a integer primary key, b integer);
             create table litter_two (a integer primary key, foreign key (a) references litter_one (a));
             alter table litter_one add foreign key (b) references litter_two (a);
             create table litter_parts (a integer) partition by range (a) (partition p values less than (10));
             create table stepladder_litter (a integer); create table `litter '; drop` (a integer);
             create table `in späth €` (a integer); create table `litter``tick` (a integer);
             create procedure litter_p() select 1;
             create function litter_f() returns integer deterministic return 1;
             create trigger litter_trigger before insert on litter for each row set new.b = 'y';
             create event litter_event on schedule every 1 year do delete from litter;
             create fulltext index litter_words on litter (b);
             create table litter_memory (a integer) engine = memory",
        );
        if self.is_mariadb() {
            self.ask(
                "create sequence litter_numbers; create table litter_versions (a integer) with system versioning;
                 set sql_mode = oracle;
                 delimiter //
                 create package litter_package as procedure p(); end //
                 create package body litter_package as procedure p() as begin select 1; end; end //",
            );
        }
    }

    fn plant_foreign(&self) {
        let other = format!("{}_other", self.database);
        self.ask(&format!("create database {other}; create table {other}.foreign_thing (a integer)"));
    }

    fn foreign_is_there(&self) -> bool {
        let sql =
            "select count(*) from information_schema.tables where table_name = 'foreign_thing' and table_schema =";
        self.ask(&format!("{sql} '{}_other'", self.database)) == "1"
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let secret = "wrong-secret-8472".to_owned();
        Some((self.at(&secret, &self.port), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(&secret, "1"), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        Some(self.password.clone())
    }
}
