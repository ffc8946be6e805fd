//! The memory kind in a file, observed by reading the JSON.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stepladder::stores::Card;
use tempfile::TempDir;

use crate::subject::{Source, Subject};

pub const SOURCE: Source = Source { name: "memory", kind: "memory", variable: None, make };

fn make() -> Box<dyn Subject> {
    Box::new(Memory { folder: tempfile::tempdir().unwrap() })
}

struct Memory {
    folder: TempDir,
}

impl Memory {
    fn path(&self) -> PathBuf {
        self.folder.path().join("store.json")
    }

    fn document(&self) -> Value {
        fs::read(self.path()).map_or(Value::Null, |bytes| serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// As the store itself does: under its lock, by replacing the file.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        loop {
            let file = fs::File::open(self.path()).unwrap();
            file.lock().unwrap();
            let same = |a: fs::Metadata, b: fs::Metadata| {
                std::os::unix::fs::MetadataExt::ino(&a) == { std::os::unix::fs::MetadataExt::ino(&b) }
            };
            if !same(file.metadata().unwrap(), fs::metadata(self.path()).unwrap()) {
                continue;
            }
            let mut document = self.document();
            change(&mut document);
            let beside = self.folder.path().join("beside.json");
            fs::write(&beside, document.to_string()).unwrap();
            fs::rename(beside, self.path()).unwrap();
            return;
        }
    }

    fn data(&self) -> serde_json::Map<String, Value> {
        self.document()["data"].as_object().cloned().unwrap_or_default()
    }
}

fn quoted(text: &str) -> String {
    shell_words::quote(text).into_owned()
}

impl Subject for Memory {
    fn url(&self) -> String {
        format!("memory:{}", self.path().display())
    }

    fn card(&self) -> &'static Card {
        SOURCE.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("set {} made", quoted(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("delete {}", quoted(thing))
    }

    fn notebook(&self) -> String {
        "set notes ''".to_owned()
    }

    fn note(&self, word: &str) -> String {
        format!("append notes {}", quoted(word))
    }

    fn reject(&self) -> String {
        "delete no_such_thing".to_owned()
    }

    fn sleep(&self, time: Duration) -> String {
        format!("sleep {}ms", time.as_millis())
    }

    fn shelf(&self) -> String {
        "say 'there is always a shelf'".to_owned()
    }

    fn keep(&self, name: &str, text: &str) -> String {
        format!("set shelf.{name} {}", quoted(text))
    }

    fn noise(&self, bytes: usize) -> String {
        format!("noise {bytes}")
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        let mut files: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let show = |path: &PathBuf| format!("{}\n{}", path.display(), fs::read_to_string(path).unwrap());
        files.iter().map(show).collect()
    }

    fn things(&self) -> Vec<String> {
        self.data().keys().filter(|k| *k != "notes" && !k.starts_with("shelf.")).cloned().collect()
    }

    fn notes(&self) -> Vec<String> {
        let data = self.data();
        data.get("notes").and_then(Value::as_str).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        self.data().get(&format!("shelf.{name}"))?.as_str().map(str::to_owned)
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let entries = self.document()["entries"].as_array().cloned().unwrap_or_default();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries.iter().map(|e| (text(e, "event"), text(e, "direction"), text(e, "label"))).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        u32::try_from(self.document()["lease"]["pid"].as_u64()?).ok()
    }

    fn give_lease_away(&self, time: Duration) {
        self.change(|document| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let lease = &mut document["lease"];
            lease["host"] = json!("elsewhere");
            lease["token"] = json!("somebody-else");
            lease["expires_ms"] = json!(u64::try_from((now + time).as_millis()).unwrap());
        });
    }

    fn delete_lease(&self) {
        self.change(|document| document["lease"] = Value::Null);
    }

    fn move_lease_elsewhere(&self) {
        self.change(|document| document["lease"]["host"] = json!("elsewhere"));
    }

    fn raise_format(&self) {
        self.change(|document| document["format"] = json!(99));
    }

    fn litter(&self) {
        self.change(|document| {
            document["data"]["litter"] = json!("left behind");
            document["data"]["stepladder_litter"] = json!("named as ours are");
        });
    }

    fn plant_foreign(&self) {
        fs::write(self.folder.path().join("foreign.txt"), "not the store's").unwrap();
    }

    fn foreign_is_there(&self) -> bool {
        self.folder.path().join("foreign.txt").exists()
    }
}
