//! Ledger and lease on real servers. Left out without `STEPLADDER_TEST_MARIADB_URL` and `STEPLADDER_TEST_MYSQL_URL`, unless
//! `STEPLADDER_TEST_SERVERS` asks for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::{self, Family};
use super::endpoint::{Endpoint, Mode, Place};
use super::lease::{self, Attempt, Pulse};
use super::ledger::{self, Home};
use super::script::{self, Chain, Frame, Opening};
use super::session::Session;
use super::wire::{Connection, Trouble};
use crate::config::{Environment, Secret};
use crate::domain::{Checksum, Direction, EntryEvent};
use crate::stores::{Heart, NewEntry, Owner, Settings, StoredScript};

/// Settings of a store with this URL.
pub fn settings(url: &str, variables: Environment) -> Settings {
    Settings {
        name: "shop".to_owned(),
        url: Secret::new(url),
        client: None,
        timeout: None,
        lease: Duration::from_secs(15),
        root: "/project".into(),
        options: BTreeMap::new(),
        variables,
    }
}

const SERVERS: [&str; 2] = ["MARIADB", "MYSQL"];

fn variable(server: &str, what: &str) -> Option<String> {
    let value = std::env::var(format!("STEPLADDER_TEST_{server}_{what}")).ok().filter(|v| !v.is_empty());
    let wish = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
    let needed = wish == "all" || wish.split(',').any(|kind| kind.eq_ignore_ascii_case(server));
    assert!(value.is_some() || !needed, "STEPLADDER_TEST_{server}_{what} is not set");
    value
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::resolve(&settings(url, Environment::default())).unwrap()
}

/// A database of its own on a server, gone at the end.
struct Trial {
    session: Session,
    home: Home,
}

impl Trial {
    fn on(server: &str) -> Option<Self> {
        let url = variable(server, "URL")?;
        let name = format!("conf_unit_{}", crate::process::identity::token());
        let mut endpoint = endpoint(&url);
        let sql = format!("CREATE DATABASE {name}");
        Connection::open(&endpoint).unwrap().query(&sql).unwrap();
        endpoint.database = Some(name.clone());
        Some(Self { session: Session::new(Arc::new(endpoint)), home: Home::new(&name) })
    }

    fn with_ledger(mut self) -> Self {
        for sql in ledger::create(&self.home).iter().chain(&ledger::create(&self.home)) {
            self.session.write(sql).unwrap();
        }
        self
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = self.session.write(&format!("DROP DATABASE {}", self.home.database()));
    }
}

fn owner(token: &str) -> Owner {
    Owner {
        user: "o'\\user".to_owned(),
        host: "here".to_owned(),
        pid: 7,
        process: "boot".to_owned(),
        run: format!("run-{token}"),
        token: token.to_owned(),
        tool: "stepladder".to_owned(),
    }
}

fn done(text: &str) -> NewEntry {
    NewEntry {
        event: EntryEvent::Done,
        direction: Direction::Up,
        version: Some("20261121103000".parse().unwrap()),
        label: "20261121103000_é🪜".to_owned(),
        checksum: Checksum::recorded("abc".to_owned()),
        down: Some(StoredScript {
            extension: "sql".to_owned(),
            text: Arc::from(text),
            checksum: Checksum::recorded("def".to_owned()),
        }),
        ordinal: 3,
        duration_ms: Some(12),
        parts_done: Some(1),
        parts_total: Some(2),
        note: Some("it's\na \\note".to_owned()),
    }
}

#[test]
fn entries_come_back_as_they_were_written_and_only_under_the_lease() {
    for mut trial in SERVERS.iter().filter_map(|server| Trial::on(server)) {
        assert!(!ledger::look(&mut trial.session, &trial.home).unwrap().exists);
        let mut trial = trial.with_ledger();
        let (session, home, me) = (&mut trial.session, &trial.home, owner("mine"));
        let script = "DROP TABLE `a;b`; -- é 🪜 \\ '\r\n".repeat(20_000);
        let entry = done(&script);
        let sql = ledger::record(home, &me, &entry);
        let refused = session.run(&sql).map(|_| ());
        assert!(matches!(refused, Err(Trouble::Refused(ledger::NO_LEASE, _))), "no lease, no entry: {refused:?}");
        assert!(matches!(lease::take(session, home, &me, Duration::from_secs(9)).unwrap(), Attempt::Ours(None)));
        assert_eq!(session.write(&sql).unwrap()[0].affected, 1);
        let found = ledger::look(session, home).unwrap().entries.remove(0);
        assert_eq!(
            (found.event, found.version, found.label.as_str()),
            (entry.event, entry.version, entry.label.as_str())
        );
        assert_eq!((found.note, found.who), (entry.note.clone(), me.who()));
        assert_eq!((found.parts_done, found.parts_total, found.duration_ms), (Some(1), Some(2), Some(12)));
        let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        assert!(i64::try_from(here).unwrap().abs_diff(found.at_ms) < 60_000, "{} {}", here, found.at_ms);
        let version = entry.version.unwrap();
        let down = ledger::stored_down(session, home, version).unwrap().unwrap();
        assert_eq!((&*down.text, down.extension.as_str()), (script.as_str(), "sql"));
        // The journal goes into the newest `begun`.
        let begun = NewEntry { event: EntryEvent::Begun, down: None, ..entry };
        session.write(&ledger::record(home, &me, &begun)).unwrap();
        assert_eq!(session.write(&ledger::journal(home, "theirs", version, 4, 7)).unwrap()[0].affected, 0);
        assert_eq!(session.write(&ledger::journal(home, "mine", version, 4, 7)).unwrap()[0].affected, 1);
        let found = ledger::look(session, home).unwrap().entries.remove(1);
        assert_eq!((found.parts_done, found.parts_total), (Some(4), Some(7)));
        session.write(&format!("UPDATE {} SET format = 99", home.the("meta"))).unwrap();
        assert!(ledger::look(session, home).unwrap_err().message.contains("newer stepladder"));
    }
}

#[test]
fn a_lease_has_one_holder_until_it_expires_or_is_released() {
    for trial in SERVERS.iter().filter_map(|server| Trial::on(server)) {
        let mut trial = trial.with_ledger();
        let (session, home) = (&mut trial.session, &trial.home);
        let (me, you, short) = (owner("mine"), owner("yours"), Duration::from_millis(300));
        // Of many who try at the same moment one gets it.
        let takers: Vec<_> = (0..8).map(|n| (session.another(), home.clone(), owner(&format!("many-{n}")))).collect();
        let threads: Vec<_> = takers
            .into_iter()
            .map(|(mut session, home, owner)| {
                std::thread::spawn(move || lease::take(&mut session, &home, &owner, Duration::from_secs(60)).unwrap())
            })
            .collect();
        let won = threads.into_iter().map(|t| t.join().unwrap());
        assert_eq!(won.filter(|a| matches!(a, Attempt::Ours(_))).count(), 1);
        let seen = lease::holder(session, home).unwrap().unwrap();
        assert!((59_000..=60_000).contains(&seen.expires_in_ms), "{seen:?}");
        assert!(lease::unlock(session, home, &seen, &me).unwrap());
        assert!(!lease::unlock(session, home, &seen, &me).unwrap(), "it is not theirs any more");

        assert!(matches!(lease::take(session, home, &me, short).unwrap(), Attempt::Ours(None)));
        assert!(matches!(lease::take(session, home, &you, short).unwrap(), Attempt::Held(h) if h.token == "mine"));
        let mut pulse = Pulse::new(session.another(), home, "mine", short);
        assert!(pulse.beat().unwrap());
        std::thread::sleep(Duration::from_millis(400));
        assert!(!pulse.beat().unwrap(), "what has expired is not renewed");
        assert!(
            matches!(lease::take(session, home, &you, short).unwrap(), Attempt::Ours(Some(h)) if h.token == "mine")
        );
        lease::release(session, home, "mine").unwrap();
        assert!(lease::holder(session, home).unwrap().is_some(), "nobody gives back what is not theirs");
        lease::release(session, home, "yours").unwrap();
        assert!(lease::holder(session, home).unwrap().is_none());
        let entries = ledger::look(session, home).unwrap().entries;
        let notes: Vec<_> = entries.iter().filter_map(|e| e.note.as_deref()).collect();
        assert!(notes[0].starts_with("released by force") && notes[1].starts_with("taken over from"), "{notes:?}");
        assert_eq!(notes.len(), 2);
    }
}

#[test]
fn a_login_goes_over_tls_as_far_as_it_is_asked_to() {
    for server in SERVERS {
        let (Some(tls), Some(wrong_host)) = (variable(server, "TLS_URL"), variable(server, "WRONG_HOST_URL")) else {
            continue;
        };
        let (ca, wrong_ca) = (variable(server, "CA").unwrap(), variable(server, "WRONG_CA").unwrap());
        let open = |url: &str, rest: &str| Connection::open(&endpoint(&format!("{url}?{rest}"))).map(drop);
        let verified = format!("ssl-ca={ca}");
        assert_eq!(open(&tls, "ssl-mode=REQUIRED"), Ok(()), "{server}");
        assert_eq!(open(&tls, ""), Ok(()));
        assert_eq!(open(&tls, &verified), Ok(()));
        assert!(matches!(open(&tls, "ssl-mode=DISABLED"), Err(Trouble::Refused(..) | Trouble::Untrusted(_))));
        assert!(matches!(open(&tls, &format!("ssl-ca={wrong_ca}")), Err(Trouble::Untrusted(_))));
        assert!(matches!(open(&wrong_host, &verified), Err(Trouble::Untrusted(_))));
        assert_eq!(open(&wrong_host, &format!("{verified}&ssl-mode=VERIFY_CA")), Ok(()));
    }
}

#[test]
fn a_refused_login_is_told_without_the_password() {
    for server in SERVERS {
        let Some(url) = variable(server, "URL") else { continue };
        let mut wrong = endpoint(&url);
        wrong.password = Some(Secret::new("wrong-secret-8472"));
        let failure = Session::new(Arc::new(wrong.clone())).read("SELECT 1").unwrap_err();
        assert!(
            failure.message.contains("refuses the login") && !format!("{failure:?}").contains("8472"),
            "{failure:?}"
        );
        wrong.place = Place::Port("127.0.0.1".to_owned(), 1);
        wrong.tls.mode = Mode::Disabled;
        let failure = Session::new(Arc::new(wrong)).read("SELECT 1").unwrap_err();
        assert_eq!(failure.kind, crate::FailureKind::Unreachable);
        // A user that may create nothing sees no ledger, and is told what is missing when one is to be made.
        let reader = endpoint(&variable(server, "READER_URL").unwrap());
        let home = Home::new(reader.database.as_deref().unwrap());
        let mut session = Session::new(Arc::new(reader));
        assert!(!ledger::look(&mut session, &home).unwrap().exists);
        let failure = session.write(&ledger::create(&home)[0]).unwrap_err();
        assert!(failure.hints[0].contains("CREATE"), "{failure:?}");
    }
}

#[test]
fn a_socket_does_as_well_as_a_port() {
    let (Some(url), Some(socket)) = (variable("MARIADB", "URL"), variable("MARIADB", "SOCKET")) else { return };
    let mut session = Session::new(Arc::new(endpoint(&format!("{url}?socket={socket}"))));
    assert!(session.version().unwrap().contains("MariaDB"));
    assert_eq!(session.read("SELECT 1; SELECT NULL, 'é🪜'").unwrap(), [[None, Some("é🪜".to_owned())]]);
}

/// The client that belongs to a server.
fn program(server: &str) -> Option<std::path::PathBuf> {
    match server {
        "MARIADB" => which::which("mariadb").ok(),
        _ => variable(server, "CLIENT").map(Into::into),
    }
}

/// Feeds a client; its answers and its errors.
fn fed(server: &str, endpoint: &Endpoint, input: &str) -> (String, String) {
    use std::io::{Read, Write};
    let program = program(server).expect("the server's own client");
    let (family, _) = Family::ask(&program).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), client::options(endpoint, family)).unwrap();
    let line = client::command(program, family, endpoint, file.path(), std::path::Path::new("/"));
    let mut running = crate::process::Running::start(&line).unwrap();
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let mut said = String::new();
    running.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    (said, running.finish().unwrap().stderr)
}

#[test]
fn a_client_logs_in_with_its_option_file_however_odd_the_password() {
    for server in SERVERS {
        let (Some(admin), Some(url)) = (variable(server, "ADMIN_URL"), variable(server, "URL")) else { continue };
        // The administrator's database is refused for ledgers, so it goes in without one.
        let admin = endpoint(admin.trim_end_matches("/mysql"));
        let (user, odd) = (format!("odd_{}", &crate::process::identity::token()[..12]), "a\"b'c\\d#e f=;é\\\\n");
        let mut root = Session::new(Arc::new(admin));
        root.write(&format!("CREATE USER {user}@'%' IDENTIFIED BY {}", "'a\"b''c\\\\d#e f=;é\\\\\\\\n'")).unwrap();
        let mut mine = endpoint(&url);
        (mine.user, mine.password, mine.database) = (user.clone(), Some(Secret::new(odd)), None);
        let ours = Connection::open(&mine).map(drop);
        let (said, errors) = fed(server, &mine, "select user(), @@character_set_client;\n");
        root.write(&format!("DROP USER {user}@'%'")).unwrap();
        assert_eq!(ours, Ok(()));
        assert!(said.starts_with(&user) && said.contains("utf8mb4"), "{said} {errors}");
    }
}

#[test]
fn a_session_is_made_new_within_a_running_client() {
    for server in SERVERS {
        let Some(trial) = Trial::on(server) else { continue };
        let database = trial.home.database();
        let (family, _) = Family::ask(&program(server).unwrap()).unwrap();
        let again = family.new_session(database);
        let input = format!(
            "set @a = 1, sql_mode = 'ansi_quotes';\nset names latin1;\ncreate temporary table t (a int);\nuse information_schema;\n\
             {again}select ifnull(@a, 'none'), database(), @@sql_mode like '%ANSI%', @@character_set_client;\nselect * from t;\n"
        );
        let (said, errors) = fed(server, trial.session.endpoint(), &input);
        assert_eq!(said, format!("none\t{database}\t0\tutf8mb4\n"), "{server}: {errors}");
        assert!(errors.contains("1146"), "the temporary table is gone: {errors}");
    }
}

#[test]
fn a_fed_script_is_journalled_and_a_lost_lease_ends_the_client() {
    for server in SERVERS {
        let Some(trial) = Trial::on(server) else { continue };
        let mut trial = trial.with_ledger();
        let me = owner("mine");
        lease::take(&mut trial.session, &trial.home, &me, Duration::from_secs(60)).unwrap();
        let home = trial.home.clone();
        let frame = Frame { home: &home, owner: &me, mark: "m4rk" };
        let entry = done("drop table t;");
        let begun = Box::new(NewEntry { event: EntryEvent::Begun, parts_done: Some(0), ..entry.clone() });
        let (resumed, alone) = (Box::new(NewEntry { parts_done: Some(3), ..(*begun).clone() }), Chain::default());
        let feed = |trial: &Trial, text: &str| fed(server, trial.session.endpoint(), text);
        let tables = |trial: &mut Trial| {
            let sql =
                format!("SHOW TABLES FROM {} WHERE NOT Tables_in_{} LIKE 'step%'", home.database(), home.database());
            trial.session.read(&sql).unwrap().len()
        };
        // The fourth of five fails: three are done, and the journal says so.
        let script = "set sql_mode = 'ansi_quotes,no_backslash_escapes', autocommit = 0;\ncreate table t (a int);\ndelimiter //\n\
                      create trigger r before insert on t for each row begin set new.a = 1; set new.a = 2; end//\n\
                      select no_such//\ncreate table u (a int)//";
        let parts = script::parts(script).unwrap();
        let (said, errors) = feed(&trial, &frame.apart(&parts, 3, begun.clone(), &entry, &alone).text);
        assert!(errors.contains("1054") && said.ends_with("m4rk part [3,3]\n"), "{server}: {said} {errors}");
        let entries = ledger::look(&mut trial.session, &home).unwrap().entries;
        assert_eq!(entries.iter().map(|e| (e.parts_done, e.parts_total)).collect::<Vec<_>>(), [(Some(3), Some(5))]);
        // It goes on at the fourth once that was put right, with its settings.
        let right = script.replace("no_such", "\"a\" from t");
        let (said, errors) =
            feed(&trial, &frame.apart(&script::parts(&right).unwrap(), 3, resumed, &entry, &alone).text);
        assert!(said.ends_with("m4rk done [3]\n"), "{server}: {said} {errors}");
        assert_eq!(tables(&mut trial), 2);
        // Data alone: all of it or nothing.
        let data = script::parts("insert into t values (7);\ninsert into t values ('x;', 1)").unwrap();
        let (_, errors) = feed(&trial, &frame.together(&data, 4, &entry, &alone).text);
        assert!(errors.contains("1136"), "{errors}");
        let rows =
            |trial: &mut Trial| trial.session.read(&format!("SELECT a FROM {}.t", home.database())).unwrap().len();
        assert_eq!((rows(&mut trial), ledger::look(&mut trial.session, &home).unwrap().entries.len()), (0, 3));
        let (said, errors) = feed(&trial, &frame.together(&data[..1], 4, &entry, &alone).text);
        assert!(said.ends_with("m4rk done [4]\n"), "{said} {errors}");
        assert_eq!((rows(&mut trial), ledger::look(&mut trial.session, &home).unwrap().entries.len()), (1, 4));
        // What comes behind it begins with its end, in the same commit.
        let chain = Chain { before: false, after: Some(Opening::Apart(begun.clone())) };
        let table = script::parts("create table v (a int)").unwrap();
        let first = frame.together(&data[..1], 4, &entry, &chain).text;
        let second = frame.apart(&table, 5, begun.clone(), &entry, &Chain { before: true, after: None }).text;
        let (said, errors) = feed(&trial, &format!("{first}{second}"));
        assert_eq!(said, "m4rk done [4]\nm4rk done [5]\n", "{errors}");
        let events = |trial: &mut Trial| {
            let entries = ledger::look(&mut trial.session, &home).unwrap().entries;
            entries.iter().map(|e| e.event.word()).collect::<Vec<_>>()[4..].join(" ")
        };
        assert_eq!((tables(&mut trial), events(&mut trial).as_str()), (3, "done begun done"));
        trial.session.write(&format!("DROP TABLE {}.v", home.database())).unwrap();
        // Somebody else has the lease: nothing runs, nothing stays, however lenient the server is.
        lease::release(&mut trial.session, &home, "mine").unwrap();
        let text =
            frame.apart(&script::parts("create table v (a int);").unwrap(), 5, begun.clone(), &entry, &alone).text;
        let (said, errors) = feed(&trial, &text);
        assert!(said.is_empty() && errors.contains("1048"), "{said} {errors}");
        for chain in [alone, chain] {
            let lenient = format!("SET sql_mode = '';\n{}", frame.together(&data[..1], 5, &entry, &chain).text);
            let (said, _) = feed(&trial, &lenient);
            assert!(!said.contains("done"), "{said}");
        }
        assert_eq!((tables(&mut trial), rows(&mut trial)), (2, 2));
        assert_eq!(ledger::look(&mut trial.session, &home).unwrap().entries.len(), 7);
    }
}
