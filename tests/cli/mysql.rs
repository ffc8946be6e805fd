//! MySQL and MariaDB: what a person reads when a script is wrong, how a half is finished, and the ways in. The tests that
//! need the servers are left out without `STEPLADDER_TEST_MYSQL_URL` and `STEPLADDER_TEST_MARIADB_URL`; in CI that is a
//! failure.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{Said, World, says};

fn variable(server: &str, name: &str) -> Option<String> {
    std::env::var(format!("STEPLADDER_TEST_{server}_{name}")).ok().filter(|v| !v.is_empty())
}

/// A project with a store in a database of its own.
struct Store {
    world: World,
    server: &'static str,
    client: String,
    url: String,
    database: String,
}

/// One store on each server.
fn stores(test: &str) -> Vec<Store> {
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish != "none" && std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    let store = |server: &'static str| {
        let url = variable(server, "URL").filter(|_| wish != "none");
        assert!(url.is_some() || !needed, "STEPLADDER_TEST_{server}_URL is not set");
        url.map(|url| Store::new(server, &url, test))
    };
    ["MARIADB", "MYSQL"].into_iter().filter_map(store).collect()
}

impl Store {
    fn new(server: &'static str, url: &str, test: &str) -> Self {
        let database = format!("conf_cli_{test}_{}", std::process::id());
        let client = variable(server, "CLIENT").unwrap_or_else(|| "mariadb".to_owned());
        let world = World::new().file("stepladder.toml", format!("[stores.mysql]\nclient = \"{client}\"\n"));
        let whole = format!("{}/{database}", url.rsplit_once('/').unwrap().0);
        let store = Self { world: world.variable("MYSQL_URL", &whole), server, client, url: url.to_owned(), database };
        store.ask_in("stepladder", &format!("drop database if exists {0}; create database {0}", store.database));
        store
    }

    /// A client that waits for statements, and answers each at once.
    fn client(&self, database: &str) -> Child {
        let (login, place) = self.url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let (host, port) = place.split_once('/').unwrap().0.split_once(':').unwrap();
        Command::new(&self.client)
            .args(["--no-defaults", "--batch", "--unbuffered", "--skip-column-names", "--protocol=tcp"])
            .args(["-h", host, "-P", port, "-u", user])
            .arg(database)
            .env("MYSQL_PWD", password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn ask_in(&self, database: &str, sql: &str) -> String {
        let mut child = self.client(database);
        child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
        String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).trim_end().to_owned()
    }

    fn ask(&self, sql: &str) -> String {
        self.ask_in(&self.database, sql)
    }

    fn script(&self, label: &str, text: &str) {
        self.world.write(&format!("migrations/mysql/{label}.up.sql"), text);
        self.world.write(&format!("migrations/mysql/{label}.down.sql"), "-- nothing\n");
    }

    fn standing(&self, label: &str) -> String {
        self.world.standing(label)
    }

    fn tables(&self) -> String {
        let ours = "table_name not like 'stepladder\\_%'";
        let of = format!("information_schema.tables where table_schema = database() and {ours}");
        self.ask(&format!("select coalesce(group_concat(table_name order by table_name separator ' '), '') from {of}"))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.ask_in("stepladder", &format!("drop database if exists {}", self.database));
    }
}

const UP: &str = "migrations/mysql/001_a.up.sql";

fn offline(script: &str) -> World {
    World::new()
        .file("stepladder.toml", "[stores.mysql]\nurl = \"mysql://me:s3cret@127.0.0.1:1/shop\"\n")
        .file(UP, script)
        .file("migrations/mysql/001_a.down.sql", "-- nothing\n")
}

#[test]
fn what_a_client_would_obey_or_misread_is_found_before_anything_runs() {
    for (text, words) in [
        ("select 1;\nsource other.sql\n", "001_a.up.sql:2"),
        ("select 1;\n\\! rm -rf x\n", "001_a.up.sql:2"),
        ("select 1;\nquit\n", "001_a.up.sql:2"),
        ("select 1;\n/* never closed\n", "001_a.up.sql:2"),
        ("select 'never closed\n;\n", "001_a.up.sql:1"),
        ("begin;\ninsert into t values (1);\n", "still open"),
    ] {
        for store in stores("refused") {
            store.script("001_a", text);
            let said = store.world.run("up");
            assert!(said.code != 0 && said.all().contains(words), "{}", said.all());
            assert_eq!(store.standing("001_a"), "pending", "{text}");
        }
    }
}

#[test]
fn a_connection_that_means_nothing_is_refused_without_its_secret() {
    for url in ["mysql://u:s3cret@h", "mysql://u:s3cret@h/mysql", "mysql://u:s3cret@h/x?ssl-mode=maybe"] {
        let world = offline("").file("stepladder.toml", format!("[stores.mysql]\nurl = \"{url}\"\n"));
        let said = world.run("status");
        assert_eq!(said.code, 2, "{}", said.all());
        assert!(!said.all().contains("s3cret"), "{}", said.all());
    }
    let said = offline("").run("status");
    assert!(said.code == 6 && !said.all().contains("s3cret"), "{}", said.all());
}

#[test]
fn a_dry_run_shows_what_the_client_is_fed() {
    let Some(store) = stores("dry").into_iter().next() else { return };
    store.script("001_a", "-- top\ncreate table a (n int);\ninsert into a values (1);\n");
    store.script("002_b", "insert into a values (2);\n");
    let said = store.world.ok("up --dry-run").all();
    for words in ["--defaults-file", "create table a (n int)\n", "START TRANSACTION\n", "stepladder_ledger", "'001_a'"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(store.ask("show tables"), "");
}

#[test]
fn a_half_is_counted_and_resumed_behind_what_was_done() {
    for store in stores("half") {
        let seven = |fourth: &str| {
            let table = |n: u32| format!("create table t{n} (n int);\n");
            [table(1), table(2), table(3), fourth.to_owned(), table(5), table(6), table(7)].concat()
        };
        store.script("001_seven", &seven("create table t4 (n nonsense);\n"));
        let said = store.world.run("up");
        says(&said, 1, &["001_seven.up.sql:4", "nonsense", "parts 1 to 3 of 7", "repair mysql/1 --resume"]);
        assert_eq!(store.tables(), "t1 t2 t3", "{}", store.server);
        assert_eq!(store.standing("001_seven"), "half-applied");
        store.script("001_seven", &seven("create table t4 (n int);\n"));
        store.world.ok("repair mysql/1 --resume --yes");
        assert_eq!(store.tables(), "t1 t2 t3 t4 t5 t6 t7", "{}", store.server);
        store.world.ok("check");
    }
}

#[test]
fn a_kill_amid_seven_statements_leaves_a_half_that_can_be_finished() {
    for store in stores("kill") {
        let text = "create table t1 (n int);\ncreate table t2 (n int);\ncreate table t3 (n int);\ndo sleep(60);\n\
                    create table t5 (n int);\ncreate table t6 (n int);\ncreate table t7 (n int);\n";
        store.script("001_seven", text);
        store.world.write("migrations/mysql/001_seven.down.sql", "drop table t1, t2, t3, t5, t6, t7;\n");
        let mut running = store.world.command("up").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while store.ask("select parts_done from stepladder_ledger where event = 'begun'") != "3" {
            assert!(Instant::now() < until, "it never came to its third statement");
            std::thread::sleep(Duration::from_millis(50));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        assert_eq!(store.standing("001_seven"), "half-applied");
        says(&store.world.run("up"), 5, &["001_seven", "3 of 7", "--resume"]);
        store.script("001_seven", &text.replace("sleep(60)", "sleep(0)"));
        store.world.ok("repair mysql/1 --resume --yes");
        assert_eq!(store.tables(), "t1 t2 t3 t5 t6 t7");
        store.world.write("migrations/mysql/001_seven.down.sql", "drop table t1, t2, t3, t5, t6, t7;\n");
        store.world.run("repair mysql/1 --yes");
        store.world.ok("down");
        assert_eq!(store.tables(), "");
        store.world.ok("up");
    }
}

#[test]
fn nothing_of_a_script_is_there_for_the_next_one() {
    for store in stores("state") {
        let other = store.ask("select database()");
        store.script("001_a", "create table here (a int); create table seen (what text);\n");
        store.script(
            "002_messy",
            "set @leak = 1;\nset sql_mode = 'ansi_quotes';\nset names latin1;\nset autocommit = 0;\nset foreign_key_checks = 0;\n\
             create temporary table here (b int);\nuse stepladder;\nDELIMITER //\nselect 1//\n",
        );
        store.script(
            "003_clean",
            "insert into seen select concat_ws(' ', coalesce(@leak, 'none'), @@sql_mode like '%ANSI_QUOTES%', \
             @@character_set_client, @@autocommit + 0, @@foreign_key_checks + 0, database());\ninsert into here (a) values (1);\n",
        );
        store.world.ok("up");
        assert_eq!(store.ask("select * from seen"), format!("none 0 utf8mb4 1 1 {other}"), "{}", store.server);
    }
}

#[test]
fn routines_comments_and_quotes_are_read_as_the_client_reads_them() {
    for store in stores("forms") {
        store.script(
            "001_forms",
            "# a comment; with a semicolon\n-- and 'another;\n/* and; a third */\n\
             create table `odd; name` (n int, s varchar(50) default 'a;b''c\\'d');\n\
             /*!40101 set @old = @@sql_mode */;\n\
             delimiter $$\n\
             create procedure p(x int)\nbegin\n  if x > 0 then\n    insert into `odd; name` (n) values (x);\n  end if;\nend$$\n\
             create trigger tr before insert on `odd; name` for each row set new.n = new.n + 1 $$\n\
             delimiter ;\n\
             call p(4); call p(0);\n\
             create event ev on schedule every 1 year do do 1;",
        );
        store.world.ok("up");
        assert_eq!(store.ask("select n, s from `odd; name`"), "5\ta;b'c'd", "{}", store.server);
        store.world.ok("fresh --yes");
        let left = store.ask(
            "select (select count(*) from information_schema.routines where routine_schema = database()) + \
             (select count(*) from information_schema.events where event_schema = database())",
        );
        assert_eq!((left.as_str(), store.tables().as_str()), ("2", "odd; name"), "{}", store.server);
    }
}

#[test]
fn a_dump_goes_up_and_what_is_not_counted_in_it_is_said() {
    for store in stores("dump") {
        let dump = |row: &str| {
            format!(
                "/*M!999999\\- enable the sandbox mode */ \n-- a dump\n\
                 /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES utf8mb4 */;\n\
                 /*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n\
                 DROP TABLE IF EXISTS `things`;\nCREATE TABLE `things` (\n  `id` int NOT NULL,\n  PRIMARY KEY (`id`)\n);\n\
                 LOCK TABLES `things` WRITE;\n/*!40000 ALTER TABLE `things` DISABLE KEYS */;\n\
                 INSERT INTO `things` VALUES (1);\nINSERT INTO `things` VALUES ({row});\n\
                 /*!40000 ALTER TABLE `things` ENABLE KEYS */;\nUNLOCK TABLES;\n\
                 /*!50003 SET @saved_cs_client = @@character_set_client */ ;\nDELIMITER ;;\n\
                 /*!50003 CREATE*/ /*!50003 TRIGGER `tr` BEFORE INSERT ON `things` FOR EACH ROW BEGIN\n  SET NEW.id = NEW.id + 1;\nEND */;;\n\
                 DELIMITER ;\n/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;\n\
                 /*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n"
            )
        };
        store.script("001_dump", &dump("1"));
        let said = store.world.run("up");
        says(
            &said,
            1,
            &["001_dump.up.sql:14", "Duplicate entry", "parts 1 to 5 of", "since LOCK TABLES is not counted"],
        );
        assert_eq!(store.ask("select count(*) from things"), "1", "{}", store.server);
        store.ask("delete from things");
        store.script("001_dump", &dump("2"));
        store.world.ok("repair mysql/1 --resume --yes");
        assert_eq!(
            store.ask("insert into things values (3); select group_concat(id order by id) from things"),
            "1,2,4"
        );
        store.world.ok("check");
    }
}

#[test]
fn a_connection_lost_amid_a_statement_is_told_with_what_is_known() {
    for store in stores("lost") {
        store.script("001_lost", "create table t1 (n int);\ndo sleep(60);\ncreate table t3 (n int);\n");
        let running = store.world.command("up").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let asleep = "from information_schema.processlist where db = database() and state = 'User sleep'";
        let until = Instant::now() + Duration::from_secs(30);
        let id = loop {
            let id = store.ask(&format!("select id {asleep}"));
            if !id.is_empty() {
                break id;
            }
            assert!(Instant::now() < until, "it never slept");
            std::thread::sleep(Duration::from_millis(50));
        };
        store.ask(&format!("kill {id}"));
        let said = Said::new(&running.wait_with_output().unwrap(), &store.world.path(""));
        says(&said, 1, &["lost its connection", "001_lost.up.sql:2", "part 1 of 3", "may have run"]);
        assert_eq!((store.standing("001_lost").as_str(), store.tables().as_str()), ("half-applied", "t1"));
    }
}

#[test]
fn a_stop_amid_slow_scripts_leaves_those_behind_pending() {
    for store in stores("stop") {
        let config = store.world.read("stepladder.toml");
        store.world.write("stepladder.toml", config + "[stores.memory]\nurl = \"memory:data.json\"\n");
        let waits = "for n in $(seq 600); do [ -e go ] && exit 1; sleep 0.05; done\n";
        store.world.write("migrations/memory/001_waits.up.sh", waits);
        store.world.write("migrations/memory/001_waits.down.mem", "delete nothing\n");
        store.script("001_slow", "do sleep(0.3);\n");
        store.script("002_gate", "-- stepladder: timeout 60s\ninsert into gate values (1);\n");
        store.script("003_quick", "create table t3 (n int);\n");
        store.script("004_quick", "create table t4 (n int);\n");
        // The second script is at work until we let go, and we do when the other store has failed.
        store.ask("create table gate (n int)");
        let mut keeper = store.client(&store.database);
        let mut orders = keeper.stdin.take().unwrap();
        orders.write_all(b"lock tables gate write; select 'ours';\n").unwrap();
        let mut answer = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        assert_eq!(answer, "ours\n");
        let mut orders = Some(orders);
        let mut running =
            store.world.command("up --json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut events = Vec::new();
        for line in BufReader::new(running.stdout.take().unwrap()).lines() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            match (event["event"].as_str(), event["migration"].as_str()) {
                (Some("step_started"), Some("002_gate")) => store.world.write("go", ""),
                (Some("step_failed"), Some("001_waits")) => drop(orders.take()),
                _ => {}
            }
            events.push(event.to_string());
        }
        keeper.wait().unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(1), "{events:#?}");
        let standings = ["001_slow", "002_gate", "003_quick", "004_quick"].map(|label| store.standing(label));
        assert_eq!(standings, ["applied", "applied", "pending", "pending"], "{}: {events:#?}", store.server);
        assert_eq!(store.tables(), "gate", "{}", store.server);
    }
}

#[test]
fn scripts_that_share_a_commit_fail_alone() {
    for store in stores("chain") {
        // Tables, rows and settings by turns, so that each sort follows each; the last one fails behind its first statement.
        for n in 1..=24 {
            let text = match n % 4 {
                0 => format!("insert into t1 values ({n});\ninsert into t1 values (-{n});\n"),
                3 => format!("set @a = {n};\ncreate table t{n} (n int);\n"),
                _ => format!("create table t{n} (n int);\n"),
            };
            store.script(&format!("{n:03}_t{n}"), &text);
        }
        store.script("025_fails", "create table t25 (n int);\ncreate table t1 (n int);\n");
        store.script("026_later", "create table t26 (n int);\n");
        let words = ["025_fails.up.sql:2", "part 1 of 2", "mysql/013_t13"];
        says(&store.world.run("up"), 1, &words);
        assert_eq!(store.ask("select group_concat(n order by n) from t1 where n > 0"), "4,8,12,16,20,24");
        let per_event = "select group_concat(concat(label, ' ', event) order by seq separator ' ') from stepladder_ledger \
                         where version between 20 and 26";
        let expected = "020_t20 done 021_t21 begun 021_t21 done 022_t22 begun 022_t22 done 023_t23 begun 023_t23 done \
                        024_t24 done 025_fails begun 025_fails failed";
        assert_eq!(store.ask(per_event), expected, "{}", store.server);
        assert_eq!(store.standing("026_later"), "pending");
        // On the way back the same is shared.
        store.world.ok("repair mysql/25 --mark reverted --yes");
        store.ask("drop table t25");
        for n in 1..=24 {
            let text = match n % 4 {
                0 => format!("delete from t1 where n in ({n}, -{n});\n"),
                _ => format!("drop table t{n};\n"),
            };
            store.world.write(&format!("migrations/mysql/{n:03}_t{n}.down.sql"), text);
        }
        store.world.ok("down --all --yes");
        assert_eq!(store.tables(), "", "{}", store.server);
    }
}

#[test]
fn a_missing_client_is_found_before_anything_is_touched() {
    for store in stores("missing") {
        let config = store.world.read("stepladder.toml");
        let with_client = || store.world.write("stepladder.toml", &config);
        let without = || store.world.write("stepladder.toml", "[stores.mysql]\nclient = \"no-such-mysql\"\n");
        let words = ["could not be run: `no-such-mysql` was not found, and mysql/001_a needs it", "nothing was run"];
        store.script("001_a", "create table a (n int);\n");
        without();
        says(&store.world.run("up"), 6, &[&words[..], &["001_a.up.sql"]].concat());
        assert_eq!(store.ask("show tables"), "", "{}: there is no ledger either", store.server);
        // The same where it keeps another store's ledger.
        let alone = store.world.read("stepladder.toml");
        store.world.write("stepladder.toml", alone + "[stores.jobs]\nkind = \"shell\"\nledger = \"mysql\"\n");
        store.world.write("migrations/jobs/001_a.up.sh", "#!/bin/sh\n");
        store.world.write("migrations/jobs/001_a.down.sh", "#!/bin/sh\n");
        says(&store.world.run("up"), 6, &words);
        assert_eq!(store.ask("show tables"), "", "{}: there is no ledger either", store.server);
        std::fs::remove_dir_all(store.world.path("migrations/jobs")).unwrap();
        with_client();
        store.world.ok("up");
        without();
        // What is needed for nothing is not missed.
        store.world.ok("up");
        says(&store.world.run("down"), 6, &[&words[..], &["001_a.down.sql"]].concat());
        says(&store.world.run("fresh --yes"), 6, &words);
        assert_eq!((store.standing("001_a").as_str(), store.tables().as_str()), ("applied", "a"), "{}", store.server);
        store.world.write("seeds/mysql/001_a.sql", "insert into a values (1);\n");
        says(&store.world.run("seed"), 6, &words);
    }
}

#[test]
fn files_are_sent_where_the_section_allows_it() {
    for store in stores("local") {
        store.world.write("rows.txt", "1\n2\n3\n");
        store.script("001_a", "create table rows_of (n int);\n");
        store.script("002_load", "load data local infile 'rows.txt' into table rows_of;\n");
        says(&store.world.run("up"), 1, &["002_load", "local_infile = true", "nothing of it was kept"]);
        let config = store.world.read("stepladder.toml");
        store.world.write("stepladder.toml", config + "local_infile = true\n");
        store.world.ok("up");
        assert_eq!(store.ask("select sum(n) from rows_of"), "6", "{}", store.server);
    }
}

#[test]
fn ways_in() {
    for store in stores("ways") {
        store.script("001_a", "do 1;\n");
        let over = |command: &str, url: &str, ca: &str| {
            let ca = if ca.is_empty() { String::new() } else { format!("ca = \"{ca}\"\n") };
            store.world.write("stepladder.toml", format!("[stores.mysql]\nclient = \"{}\"\n{ca}", store.client));
            let output = store.world.command(command).env("MYSQL_URL", url).output().unwrap();
            Said::new(&output, &store.world.path(""))
        };
        let of = |name: &str| variable(store.server, name);
        let clean =
            || store.ask_in("stepladder", "drop table if exists stepladder_ledger, stepladder_lease, stepladder_meta");
        clean();
        let (Some(tls), Some(ca), Some(wrong)) = (of("TLS_URL"), of("CA"), of("WRONG_CA")) else { continue };
        assert_eq!(over("up", &tls, &ca).code, 0);
        says(&over("up", &tls, &wrong), 6, &["certificate"]);
        if let Some(url) = of("WRONG_HOST_URL") {
            says(&over("up", &url, &ca), 6, &["certificate"]);
            assert_eq!(over("up", &format!("{url}?ssl-mode=VERIFY_CA"), &ca).code, 0);
            says(&over("up", &format!("{url}?ssl-mode=VERIFY_CA"), &wrong), 6, &["certificate"]);
        }
        if let Some(reader) = of("READER_URL") {
            says(&over("down", &reader, ""), 1, &["denied"]);
            says(&over("status", &reader, ""), 0, &["001_a"]);
        }
        if let Some(socket) = of("SOCKET") {
            let url = store.url.replace("127.0.0.1", "ignored");
            assert_eq!(over("up", &format!("{url}?socket={socket}"), "").code, 0);
        }
        clean();
    }
}

/// The table that templates work on, but for the one that makes it.
const GROUND: &str = "create table t (id bigint unsigned not null auto_increment primary key, name varchar(200));\n\
                      insert into t (name) values ('A'), ('B'), ('C');\n";

/// Each template, and what is true after its up script and not after its down script.
const TEMPLATES: [(&str, &str); 8] = [
    ("default", ""),
    ("table", "exists (select 1 from information_schema.tables where table_schema = database() and table_name = 't')"),
    (
        "column",
        "exists (select 1 from information_schema.columns where table_schema = database() and table_name = 't' and column_name = 'note')",
    ),
    (
        "index",
        "exists (select 1 from information_schema.statistics where table_schema = database() and index_name = 't_id_idx')",
    ),
    ("backfill", ""),
    (
        "rename-column",
        "exists (select 1 from information_schema.columns where table_schema = database() and column_name = 'title')",
    ),
    (
        "foreign-key",
        "exists (select 1 from information_schema.key_column_usage where table_schema = database() and constraint_name = 't_parent_fk')",
    ),
    ("trigger", "exists (select 1 from information_schema.triggers where trigger_schema = database())"),
];

#[test]
fn templates_do_what_they_say_there_and_back() {
    let files = stepladder::commands::templates::FILES;
    let count = files.iter().filter(|(path, _)| path.starts_with("mysql/")).count();
    assert_eq!(count, 2 * TEMPLATES.len(), "a template is not run here");
    for store in stores("templates") {
        for (template, holds) in TEMPLATES {
            store.ask(&format!("drop table if exists t; {}", if template == "table" { "" } else { GROUND }));
            for way in ["up", "down"] {
                let path = format!("mysql/{template}.{way}.sql");
                let text = files.iter().find(|(name, _)| *name == path).expect("the template is there").1;
                // A backfill that changes nothing proves nothing.
                let text = text
                    .replace("-- UPDATE {{table}} SET note = LOWER(name)", "UPDATE {{table}} SET name = LOWER(name)")
                    .replace(
                        "-- WHERE id BETWEEN first_id AND last_id AND note IS NULL",
                        "WHERE id BETWEEN first_id AND last_id",
                    );
                let text = text.replace("{{table}}", "t").replace("{{name}}", "fill_names");
                store.world.write(&format!("migrations/mysql/001_template.{way}.sql"), text);
            }
            let holds_now = || holds.is_empty() || store.ask(&format!("select {holds}")) == "1";
            store.world.ok("up");
            assert!(holds_now(), "{} {template}", store.server);
            if template == "backfill" {
                assert_eq!(store.ask("select group_concat(name collate utf8mb4_bin order by id) from t"), "a,b,c");
            }
            store.world.ok("down");
            assert!(holds.is_empty() || !holds_now(), "{} {template}", store.server);
            store.ask("delete from stepladder_ledger");
        }
    }
}

#[test]
fn the_sample_goes_up_and_down_and_up() {
    for store in stores("sample") {
        let sample = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/mysql");
        for file in std::fs::read_dir(sample).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            store.world.write(&format!("migrations/mysql/{name}"), std::fs::read(file.path()).unwrap());
        }
        store.world.ok("validate");
        says(&store.world.run("up"), 0, &["4 applied"]);
        says(&store.world.run("down --all --yes"), 0, &["4 reverted"]);
        assert_eq!(store.tables(), "", "{}", store.server);
        says(&store.world.run("up"), 0, &["4 applied"]);
        store.world.ok("check");
    }
}

#[test]
fn idle_connections_that_are_cut_are_not_relied_upon() {
    for store in stores("idle") {
        let url = format!("{}/{}", store.url.rsplit_once('/').unwrap().0, store.database);
        let config = store.world.read("stepladder.toml");
        let world = World::new().file("stepladder.toml", config);
        let world = world.variable("MYSQL_URL", &crate::relay::cutting_idle_ones(&url));
        crate::relay::outlives_idle_connections(&world, "mysql", "sql", "create table b (n int);\n");
    }
}
