//! How the client is started, and what makes a session new. Pure but for finding out whose client it is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::endpoint::{Endpoint, Mode, Place};
use super::ledger::name;
use crate::domain::Failure;
use crate::process::CommandLine;

/// Whose client it is: they take different options and obey different commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Oracle's `mysql`.
    Mysql,
    /// `mariadb`, also where it is called `mysql`.
    Mariadb,
}

impl Family {
    /// From what `--version` prints.
    pub fn of(version: &str) -> Self {
        if version.contains("MariaDB") { Self::Mariadb } else { Self::Mysql }
    }

    /// Of the client that is to be run; it is asked only where its name leaves it open, since that takes 10 ms.
    ///
    /// # Errors
    /// As [`Family::ask`].
    pub fn of_program(program: &Path) -> Result<Self, Failure> {
        let real = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        match real.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mariadb")) {
            true => Ok(Self::Mariadb),
            false => Self::ask(program).map(|(family, _)| family),
        }
    }

    /// Asks a program.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn ask(program: &Path) -> Result<(Self, String), Failure> {
        let cannot = |why: String| Failure::unreachable(format!("`{}` cannot be started: {why}", program.display()));
        let output =
            std::process::Command::new(program).arg("--version").output().map_err(|e| cannot(e.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() {
            return Err(cannot(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        Ok((Self::of(&said), said))
    }

    /// What makes the session new within a running client, in the ledger's database: user variables, `sql_mode`, character sets
    /// and temporary tables are as at the beginning. It does not set the delimiter back.
    pub fn new_session(self, database: &str) -> String {
        match self {
            // It keeps the database that a script chose.
            Self::Mysql => format!("resetconnection\nUSE {};\n", name(database)),
            // It has no such command; a connection of its own comes to the same.
            Self::Mariadb => format!("connect {}\n", name(database)),
        }
    }
}

/// The command line that reads statements from its standard input. `options` is the file that [`options`] wrote.
pub fn command(program: PathBuf, family: Family, endpoint: &Endpoint, options: &Path, root: &Path) -> CommandLine {
    let shown = program.file_name().map_or_else(|| "mysql".to_owned(), |n| n.to_string_lossy().into_owned());
    let mut line = CommandLine::new(program, shown)
        // It comes first, or it is not understood; nothing of the user's own files is read.
        .arg(format!("--defaults-file={}", options.display()))
        .args(["--batch", "--unbuffered", "--skip-column-names", "--comments", "--no-auto-rehash"]);
    if family == Family::Mysql {
        // Without it a session cannot be made new; clients before it was invented obey commands anyway.
        line = line.arg("--loose-commands");
    }
    if let Some(database) = &endpoint.database {
        line = line.arg(format!("--database={database}"));
    }
    line.without = vec!["MYSQL_PWD", "MYSQL_HOST", "MYSQL_TCP_PORT", "MYSQL_UNIX_PORT", "MYSQL_TEST_LOGIN_FILE"];
    line.folder = Some(root.to_owned());
    line
}

/// The option file, which holds the password and so belongs to nobody else.
pub fn options(endpoint: &Endpoint, family: Family) -> String {
    let mut text = "[client]\n".to_owned();
    // Writing into memory does not fail.
    let mut set = |key: &str, value: &str| _ = writeln!(text, "{key}=\"{}\"", value.replace('\\', "\\\\"));
    set("user", &endpoint.user);
    if let Some(password) = &endpoint.password {
        set("password", password.reveal());
    }
    match &endpoint.place {
        Place::Port(host, port) => {
            set("host", host);
            set("port", &port.to_string());
            // `localhost` would mean the socket.
            set("protocol", "tcp");
        }
        Place::Socket(path) => set("socket", &path.to_string_lossy()),
    }
    set("default-character-set", "utf8mb4");
    // A server could otherwise ask the client for any file of this machine.
    set("local-infile", if endpoint.local_infile { "1" } else { "0" });
    if let Some(ca) = &endpoint.tls.ca {
        set("ssl-ca", &ca.to_string_lossy());
    }
    let mode = match (endpoint.tls.mode, endpoint.tls.needed.get()) {
        (Mode::Local, Some(true)) => Mode::Preferred,
        (Mode::Local, _) => Mode::Disabled,
        (mode, _) => mode,
    };
    for (key, value) in tls(mode, family) {
        set(key, value);
    }
    text
}

/// TLS in the words of each family. MariaDB's has no way to check the chain and not the name: it then checks both.
fn tls(mode: Mode, family: Family) -> &'static [(&'static str, &'static str)] {
    match (family, mode) {
        (Family::Mysql, Mode::Disabled | Mode::Local) => &[("ssl-mode", "DISABLED"), ("get-server-public-key", "1")],
        (Family::Mysql, Mode::Preferred) => &[("ssl-mode", "PREFERRED")],
        (Family::Mysql, Mode::Required) => &[("ssl-mode", "REQUIRED")],
        (Family::Mysql, Mode::VerifyCa) => &[("ssl-mode", "VERIFY_CA")],
        (Family::Mysql, Mode::VerifyIdentity) => &[("ssl-mode", "VERIFY_IDENTITY")],
        (Family::Mariadb, Mode::Disabled | Mode::Local) => &[("ssl", "0")],
        (Family::Mariadb, Mode::Preferred) => &[("ssl-verify-server-cert", "0")],
        (Family::Mariadb, Mode::Required) => &[("ssl", "1"), ("ssl-verify-server-cert", "0")],
        (Family::Mariadb, Mode::VerifyCa | Mode::VerifyIdentity) => &[("ssl", "1"), ("ssl-verify-server-cert", "1")],
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;
    use crate::config::Environment;

    #[test]
    fn the_password_stands_in_the_option_file_alone() {
        let url = "mysql://me:a%22b%5Cc%23@db:3307/shop?ssl-mode=REQUIRED";
        let endpoint = Endpoint::resolve(&settings(url, Environment::default())).unwrap();
        let file = options(&endpoint, Family::Mysql);
        assert_eq!(
            file,
            "[client]\nuser=\"me\"\npassword=\"a\"b\\\\c#\"\nhost=\"db\"\nport=\"3307\"\nprotocol=\"tcp\"\n\
             default-character-set=\"utf8mb4\"\nlocal-infile=\"0\"\nssl-mode=\"REQUIRED\"\n"
        );
        let line = command("/usr/bin/mysql".into(), Family::Mysql, &endpoint, Path::new("/tmp/o"), Path::new("/"));
        assert_eq!(
            line.to_string(),
            "mysql '--defaults-file=/tmp/o' --batch --unbuffered --skip-column-names --comments --no-auto-rehash \
             --loose-commands '--database=shop'"
        );
    }

    #[test]
    fn a_family_is_known_by_its_version() {
        assert_eq!(Family::of("mysql  Ver 15.1 Distrib 10.11.19-MariaDB, for debian-linux-gnu"), Family::Mariadb);
        assert_eq!(Family::of("mariadb from 11.4.2-MariaDB, client 15.2"), Family::Mariadb);
        assert_eq!(Family::of("mysql  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"), Family::Mysql);
    }
}
