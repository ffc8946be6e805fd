//! MongoDB: a database of its own for each trial, looked at over a few messages of the wire protocol, through a door
//! that asks for no login.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bson::{Bson, DateTime, Document, doc};
use stepladder::stores::Card;

use crate::subject::{Source, Subject, random_name};

const VARIABLE: &str = "STEPLADDER_TEST_MONGODB_URL";
/// The same data for everybody; without it the first one has to need no login.
const OPEN: &str = "STEPLADDER_TEST_MONGODB_OPEN_URL";

pub const SOURCE: Source =
    Source { name: "mongodb", kind: "mongodb", variable: Some(VARIABLE), make: || Box::new(Mongo::make()) };

const OURS: [&str; 3] = ["stepladder_ledger", "stepladder_lease", "stepladder_scripts"];

struct Mongo {
    /// `user:password`.
    login: Option<String>,
    /// `127.0.0.1:21027`.
    server: String,
    /// Where the observer goes in.
    door: String,
    database: String,
}

/// Login and server of `mongodb://user:password@host:port/`.
fn parts(url: &str) -> (Option<String>, String) {
    let rest = url.split_once("://").expect("a URL").1.split(['/', '?']).next().unwrap();
    rest.rsplit_once('@').map_or((None, rest.to_owned()), |(login, server)| (Some(login.to_owned()), server.to_owned()))
}

impl Mongo {
    fn make() -> Self {
        let (login, server) = parts(&std::env::var(VARIABLE).expect("it was looked for before"));
        let door = std::env::var(OPEN).map_or_else(|_| server.clone(), |url| parts(&url).1);
        Self { login, server, door, database: random_name() }
    }

    fn at(&self, login: Option<&str>, server: &str) -> String {
        let login = login.map(|login| format!("{login}@")).unwrap_or_default();
        format!("mongodb://{login}{server}/{}?authSource=admin", self.database)
    }

    /// One command and its answer.
    fn ask_in(&self, database: &str, mut command: Document) -> Document {
        command.insert("$db", database);
        let body = command.to_vec().unwrap();
        let mut message = Vec::new();
        for field in [i32::try_from(body.len() + 21).unwrap(), 1, 0, 2013, 0] {
            message.extend_from_slice(&field.to_le_bytes());
        }
        message.push(0);
        message.extend_from_slice(&body);
        let mut stream = TcpStream::connect(&self.door).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(&message).unwrap();
        let mut head = [0; 16];
        stream.read_exact(&mut head).unwrap();
        let length = usize::try_from(i32::from_le_bytes([head[0], head[1], head[2], head[3]])).unwrap();
        let mut answer = vec![0; length - 16];
        stream.read_exact(&mut answer).unwrap();
        Document::from_reader(&answer[5..]).unwrap()
    }

    fn must_in(&self, database: &str, command: Document) -> Document {
        let answer = self.ask_in(database, command.clone());
        let fine = answer.get_f64("ok").unwrap_or(0.0) == 1.0 || answer.get_i32("ok").unwrap_or(0) == 1;
        assert!(fine && !answer.contains_key("writeErrors"), "{command}: {answer}");
        answer
    }

    fn must(&self, command: Document) -> Document {
        self.must_in(&self.database, command)
    }

    fn cursor(&self, command: Document) -> Vec<Document> {
        let answer = self.must(command);
        let batch = answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap();
        batch.iter().map(|item| item.as_document().unwrap().clone()).collect()
    }

    fn all(&self, collection: &str) -> Vec<Document> {
        self.cursor(doc! { "find": collection, "sort": { "_id": 1 }, "batchSize": 100_000 })
    }

    fn names(&self) -> Vec<String> {
        let found = self.cursor(doc! { "listCollections": 1, "cursor": { "batchSize": 1000 } });
        let mut names: Vec<String> = found.iter().map(|c| c.get_str("name").unwrap().to_owned()).collect();
        names.retain(|name| !name.starts_with("system."));
        names.sort();
        names
    }

    fn head(&self) -> Option<Document> {
        self.all("stepladder_lease").into_iter().next()
    }

    fn change_head(&self, update: Document) {
        self.must(doc! { "update": "stepladder_lease", "updates": [{ "q": { "_id": 1 }, "u": update }] });
    }
}

impl Drop for Mongo {
    fn drop(&mut self) {
        for name in [self.database.clone(), format!("{}_other", self.database)] {
            self.ask_in(&name, doc! { "dropDatabase": 1 });
        }
    }
}

/// A text as a literal of JavaScript's, in one line.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap().replace('\u{7f}', "\\u007f")
}

impl Subject for Mongo {
    fn url(&self) -> String {
        self.at(self.login.as_deref(), &self.server)
    }

    fn card(&self) -> &'static Card {
        &stepladder::stores::kind("mongodb").unwrap().card
    }

    /// mongosh sees to it that nobody sees the parts of a `.js` script.
    fn journals(&self) -> bool {
        false
    }

    /// The script's time begins when mongosh is there; what it does takes a moment on a busy machine.
    fn deadline(&self) -> Duration {
        Duration::from_secs(4)
    }

    fn create(&self, thing: &str) -> String {
        format!("db.createCollection({})", quoted(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("db.getCollection({}).drop()", quoted(thing))
    }

    fn notebook(&self) -> String {
        self.create("notes")
    }

    fn note(&self, word: &str) -> String {
        format!("db.notes.insertOne({{ word: {} }})", quoted(word))
    }

    fn reject(&self) -> String {
        "db.runCommand({ noSuchCommand: 1 })".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        format!("sleep({})", time.as_millis())
    }

    fn shelf(&self) -> String {
        self.create("shelf")
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!(
            "db.shelf.replaceOne({{ _id: {name} }}, {{ _id: {name}, text: {} }}, {{ upsert: true }})",
            quoted(text),
            name = quoted(name)
        )
    }

    fn noise(&self, bytes: usize) -> String {
        format!("print('noise '.repeat({n})); console.error('noise '.repeat({n}))", n = bytes / 12)
    }

    fn comment(&self, text: &str) -> String {
        format!("// {text}")
    }

    fn picture(&self) -> String {
        let found = self.cursor(doc! { "listCollections": 1, "cursor": { "batchSize": 1000 } });
        let mut picture: Vec<String> =
            found.iter().map(|c| format!("{c} {:?}", self.all(c.get_str("name").unwrap()))).collect();
        picture.sort();
        let databases = self.must_in("admin", doc! { "listDatabases": 1, "nameOnly": true });
        let names = databases.get_array("databases").unwrap();
        let ours = names.iter().filter(|d| d.to_string().contains(&self.database)).count();
        picture.join("\n") + &format!("\n{ours} databases")
    }

    fn things(&self) -> Vec<String> {
        let mut things = self.names();
        things.retain(|name| !OURS.contains(&name.as_str()) && name != "notes" && name != "shelf");
        things
    }

    fn notes(&self) -> Vec<String> {
        // The ids that mongosh makes rise by time and process; the natural order is that of insertion.
        let found = self.cursor(doc! { "find": "notes", "sort": { "_id": 1 }, "batchSize": 10_000 });
        found.iter().map(|note| note.get_str("word").unwrap().to_owned()).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        let found = self.cursor(doc! { "find": "shelf", "filter": { "_id": name } });
        found.first().map(|kept| kept.get_str("text").unwrap().to_owned())
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let tail = self.head().and_then(|head| head.get_array("tail").ok().cloned()).unwrap_or_default();
        let mut entries = self.all("stepladder_ledger");
        for entry in tail.iter().map(|entry| entry.as_document().unwrap()) {
            // The newest ones may not be in their place yet.
            if entries.iter().all(|e| e.get("_id") != entry.get("_id")) {
                entries.push(entry.clone());
            }
        }
        let text = |entry: &Document, key: &str| entry.get_str(key).unwrap().to_owned();
        entries.iter().map(|e| (text(e, "event"), text(e, "direction"), text(e, "label"))).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        let head = self.head()?;
        let pid = match head.get_document("lease").ok()?.get("pid")? {
            Bson::Int32(n) => i64::from(*n),
            Bson::Int64(n) => *n,
            other => panic!("{other} is no pid"),
        };
        u32::try_from(pid).ok()
    }

    fn give_lease_away(&self, time: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let set = doc! {
            "lease.host": "elsewhere",
            "lease.token": "somebody-else",
            "lease.renewed": DateTime::from_millis(i64::try_from(now.as_millis()).unwrap()),
            "lease.length_ms": i64::try_from(time.as_millis()).unwrap(),
        };
        self.change_head(doc! { "$set": set });
    }

    fn delete_lease(&self) {
        self.change_head(doc! { "$unset": { "lease": "" } });
    }

    fn move_lease_elsewhere(&self) {
        self.change_head(doc! { "$set": { "lease.host": "elsewhere" } });
    }

    fn raise_format(&self) {
        self.change_head(doc! { "$set": { "format": 99 } });
    }

    fn litter(&self) {
        for name in ["litter", "litter.with-dots_and dashes", "stepladder_litter", "Litter9"] {
            self.must(doc! { "create": name });
        }
        self.must(doc! { "insert": "litter", "documents": [{ "_id": 1, "n": 2 }, { "_id": 2, "n": 3 }] });
        let index = doc! { "key": { "n": 1 }, "name": "by_n", "unique": true };
        self.must(doc! { "createIndexes": "litter", "indexes": [index] });
        self.must(doc! { "create": "litter_view", "viewOn": "litter", "pipeline": [{ "$match": { "n": 2 } }] });
        self.must(doc! { "create": "litter_capped", "capped": true, "size": 4096 });
    }

    fn plant_foreign(&self) {
        let other = format!("{}_other", self.database);
        self.must_in(&other, doc! { "insert": "foreign_thing", "documents": [{ "_id": 1 }] });
    }

    fn foreign_is_there(&self) -> bool {
        let other = format!("{}_other", self.database);
        let found = self.must_in(&other, doc! { "find": "foreign_thing" });
        !found.get_document("cursor").unwrap().get_array("firstBatch").unwrap().is_empty()
    }

    fn wrong_password(&self) -> Option<(String, String)> {
        let secret = "wrong-secret-8472".to_owned();
        let user = self.login.as_ref()?.split(':').next().unwrap().to_owned();
        Some((self.at(Some(&format!("{user}:{secret}")), &self.server), secret))
    }

    fn unreachable(&self) -> Option<(String, Option<String>)> {
        let secret = "unseen-secret-2951".to_owned();
        Some((self.at(Some(&format!("somebody:{secret}")), "127.0.0.1:1"), Some(secret)))
    }

    fn secret(&self) -> Option<String> {
        self.login.as_ref().map(|login| login.split(':').nth(1).unwrap().to_owned())
    }
}
