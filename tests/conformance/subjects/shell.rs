//! The shell kind, observed by reading its files and those that its scripts make.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stepladder::stores::Card;
use tempfile::TempDir;

use crate::subject::{Source, Subject};

pub const SOURCE: Source = Source { name: "shell", kind: "shell", variable: None, make };

fn make() -> Box<dyn Subject> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("made")).unwrap();
    Box::new(Shell { folder })
}

struct Shell {
    folder: TempDir,
}

impl Shell {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What scripts make stands in a folder of its own.
    fn made(&self, name: &str) -> PathBuf {
        self.path("made").join(name)
    }

    fn quoted(&self, name: &str) -> String {
        shell_words::quote(&self.made(name).to_string_lossy()).into_owned()
    }

    fn lease(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.path("ledger.jsonl.lease")).ok()?).ok()
    }

    /// As the store itself does: under its lock, by replacing the file.
    fn change_lease(&self, changes: &[(&str, Value)]) {
        let guard = fs::File::open(self.path("ledger.jsonl.lock")).unwrap();
        guard.lock().unwrap();
        let mut lease = self.lease().expect("a lease");
        for (key, value) in changes {
            lease[*key] = value.clone();
        }
        fs::write(self.path("meddler"), lease.to_string()).unwrap();
        fs::rename(self.path("meddler"), self.path("ledger.jsonl.lease")).unwrap();
    }
}

impl Subject for Shell {
    fn url(&self) -> String {
        format!("shell:{}", self.path("ledger.jsonl").display())
    }

    fn card(&self) -> &'static Card {
        SOURCE.card()
    }

    fn create(&self, thing: &str) -> String {
        format!("set -C; : > {}", self.quoted(thing))
    }

    fn remove(&self, thing: &str) -> String {
        format!("rm {}", self.quoted(thing))
    }

    fn notebook(&self) -> String {
        format!("touch {}", self.quoted("notes"))
    }

    fn note(&self, word: &str) -> String {
        format!("echo {} >> {}", shell_words::quote(word), self.quoted("notes"))
    }

    fn reject(&self) -> String {
        format!("cat < {}", self.quoted("no_such_thing"))
    }

    fn sleep(&self, time: Duration) -> String {
        format!("sleep {}", time.as_secs_f64())
    }

    fn shelf(&self) -> String {
        format!("mkdir -p {}", self.quoted("shelf"))
    }

    fn keep(&self, name: &str, text: &str) -> String {
        let quoted = format!("'{}'", text.replace('\'', r"'\''"));
        format!("printf %s {quoted} > {}", self.quoted(&format!("shelf/{name}")))
    }

    fn noise(&self, bytes: usize) -> String {
        let half = bytes / 2;
        format!("head -c {half} /dev/zero | tr '\\0' x; head -c {half} /dev/zero | tr '\\0' y >&2")
    }

    fn comment(&self, text: &str) -> String {
        format!("# {text}")
    }

    fn picture(&self) -> String {
        let entries = walkdir::WalkDir::new(self.folder.path()).sort_by_file_name();
        let show = |entry: walkdir::DirEntry| match entry.file_type().is_dir() {
            true => format!("{}\n", entry.path().display()),
            false => format!("{}\n{}\n", entry.path().display(), fs::read_to_string(entry.path()).unwrap()),
        };
        entries.into_iter().map(|entry| show(entry.unwrap())).collect()
    }

    fn things(&self) -> Vec<String> {
        let names = fs::read_dir(self.path("made")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut things: Vec<String> = names.filter(|name| name != "notes" && name != "shelf").collect();
        things.sort();
        things
    }

    fn notes(&self) -> Vec<String> {
        fs::read_to_string(self.made("notes")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn kept(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.made("shelf").join(name)).ok()
    }

    fn ledger(&self) -> Vec<(String, String, String)> {
        let text = fs::read_to_string(self.path("ledger.jsonl")).unwrap_or_default();
        let entries = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).unwrap());
        let own = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries.map(|e| (own(&e, "event"), own(&e, "direction"), own(&e, "label"))).collect()
    }

    fn dump(&self) -> String {
        self.picture()
    }

    fn lease_pid(&self) -> Option<u32> {
        u32::try_from(self.lease()?["pid"].as_u64()?).ok()
    }

    fn give_lease_away(&self, time: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = u64::try_from((now + time).as_millis()).unwrap();
        let changes = [("host", json!("elsewhere")), ("token", json!("somebody-else")), ("expires_ms", json!(expires))];
        self.change_lease(&changes);
    }

    fn delete_lease(&self) {
        let _ = fs::remove_file(self.path("ledger.jsonl.lease"));
    }

    fn move_lease_elsewhere(&self) {
        self.change_lease(&[("host", json!("elsewhere"))]);
    }

    fn raise_format(&self) {
        let text = fs::read_to_string(self.path("ledger.jsonl")).unwrap();
        let entries = text.split_once('\n').unwrap().1;
        fs::write(self.path("ledger.jsonl"), format!("{{\"format\": 99}}\n{entries}")).unwrap();
    }

    fn litter(&self) {
        fs::write(self.made("litter"), "left behind").unwrap();
    }

    fn plant_foreign(&self) {
        fs::write(self.path("foreign.txt"), "not the store's").unwrap();
    }

    fn foreign_is_there(&self) -> bool {
        self.path("foreign.txt").exists()
    }
}
