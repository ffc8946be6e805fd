//! Looks into the stores from outside, with their own clients.

use std::path::Path;
use std::process::Command;

/// A store as an outsider sees it.
pub trait Observer {
    /// The kind's name.
    fn kind(&self) -> &'static str;
    /// The variable that holds the connection, and its value.
    fn connection(&self, root: &Path) -> (&'static str, String);
    /// The up script of migration `n`: a table and a row that counts the script.
    fn up(&self, n: usize) -> String;
    /// Makes the table of effects.
    fn prepare(&self, root: &Path);
    /// Which scripts have taken effect, in order, each as often as it did; checked against the tables they made.
    fn effects(&self, root: &Path) -> Vec<usize>;
    /// Takes away what the test made outside its folder.
    fn clean(&self);
}

fn up(n: usize) -> String {
    format!("CREATE TABLE t{n} (id integer PRIMARY KEY, name text);\nINSERT INTO effects (n) VALUES ({n});\n")
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn numbers(text: &str) -> Vec<usize> {
    text.lines().filter(|l| !l.is_empty()).map(|l| l.trim().parse().unwrap()).collect()
}

pub struct Sqlite;

impl Sqlite {
    pub fn new() -> Self {
        Self
    }

    fn ask(root: &Path, sql: &str) -> String {
        // A killed run's transaction is rolled back by whoever opens the file next, which takes its lock.
        run(Command::new("sqlite3").args(["-batch", "-cmd", ".timeout 5000"]).arg(root.join("crash.db")).arg(sql))
    }
}

impl Observer for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn connection(&self, _: &Path) -> (&'static str, String) {
        ("SQLITE_URL", "sqlite:crash.db".to_owned())
    }

    fn up(&self, n: usize) -> String {
        up(n)
    }

    fn prepare(&self, root: &Path) {
        Self::ask(root, "CREATE TABLE effects (n integer)");
    }

    fn effects(&self, root: &Path) -> Vec<usize> {
        let tables = numbers(&Self::ask(
            root,
            "SELECT substr(name, 2) FROM sqlite_schema WHERE name GLOB 't[0-9]*' ORDER BY CAST(substr(name, 2) AS integer)",
        ));
        let effects = numbers(&Self::ask(root, "SELECT n FROM effects ORDER BY n"));
        assert_eq!(tables, effects, "a script took effect in part");
        effects
    }

    fn clean(&self) {}
}

pub struct Postgres {
    server: String,
    database: String,
}

impl Postgres {
    /// `None` where no server is meant to be there; in CI a missing one is a failure.
    pub fn new() -> Option<Self> {
        let wanted = std::env::var("STEPLADDER_TEST_SERVERS").unwrap_or_default();
        let server = std::env::var("STEPLADDER_TEST_POSTGRES_URL").ok().filter(|_| wanted != "none");
        let must = wanted == "all" || (wanted != "none" && std::env::var_os("CI").is_some());
        assert!(server.is_some() || !must, "STEPLADDER_TEST_POSTGRES_URL is not set");
        let postgres = Self { server: server?, database: format!("crash_{}", std::process::id()) };
        postgres.admin(&format!("CREATE DATABASE {}", postgres.database));
        Some(postgres)
    }

    fn admin(&self, sql: &str) {
        run(Command::new("psql").args(["-X", "-q", "-d", &self.server, "-c", sql]));
    }

    fn url(&self) -> String {
        let (base, parameters) = self.server.split_once('?').map_or((self.server.as_str(), ""), |(b, p)| (b, p));
        let (host, _) = base.rsplit_once('/').unwrap();
        format!("{host}/{}?{parameters}", self.database)
    }

    fn ask(&self, sql: &str) -> String {
        run(Command::new("psql").args(["-X", "-q", "-A", "-t", "-d", &self.url(), "-c", sql]))
    }
}

impl Observer for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn connection(&self, _: &Path) -> (&'static str, String) {
        ("POSTGRES_URL", self.url())
    }

    fn up(&self, n: usize) -> String {
        up(n)
    }

    fn prepare(&self, _: &Path) {
        self.ask("CREATE TABLE effects (n integer)");
    }

    /// The server may still be rolling a killed client's transaction back, or committing the one at hand; what
    /// counts is what is there when its sessions have ended.
    fn effects(&self, _: &Path) -> Vec<usize> {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
        for _ in 0..500 {
            if self.ask(others).trim() == "0" {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let tables = numbers(&self.ask(
            "SELECT substr(relname, 2)::int FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]+$' ORDER BY 1",
        ));
        let effects = numbers(&self.ask("SELECT n FROM effects ORDER BY n"));
        assert_eq!(tables, effects, "a script took effect in part");
        effects
    }

    fn clean(&self) {
        self.admin(&format!("DROP DATABASE {} WITH (FORCE)", self.database));
    }
}
