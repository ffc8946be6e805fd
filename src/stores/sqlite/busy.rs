//! Who else has the database file locked. SQLite only says "database is locked"; the system knows more.

use std::fmt;
use std::path::Path;

use super::url::Location;

/// A process that holds a lock on the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocker {
    /// Its id.
    pub pid: u32,
    /// Its program's name, as the system shows it.
    pub program: String,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program.is_empty() {
            true => write!(f, "pid {}", self.pid),
            false => write!(f, "pid {} ({})", self.pid, self.program),
        }
    }
}

impl Blocker {
    /// Whether it is a run of this very program.
    pub fn is_stepladder(&self) -> bool {
        let program = |pid: &str| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        program("self").is_some_and(|own| program(&self.pid.to_string()) == Some(own))
    }
}

/// The process that stands in the way of writing, where the system tells.
pub(super) fn blocker(location: &Location) -> Option<Blocker> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let own = std::process::id();
    let search = |accept: &dyn Fn(u32) -> bool| {
        // In WAL mode writers exclude each other through the -shm file, and every reader keeps a lock on the database.
        let shm = inode(&location.beside("-shm")).and_then(|file| find(&locks, file, &WAL_WRITER, accept));
        let main = |bytes| find(&locks, inode(&location.path)?, bytes, accept);
        shm.or_else(|| main(&WRITERS)).or_else(|| main(&READERS))
    };
    // Our own locks are there beside those in our way; alone they mean another connection of this process.
    let pid = search(&|pid| pid != own).or_else(|| search(&|pid| pid == own))?;
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(Blocker { pid, program: program.trim_end().to_owned() })
}

/// Which bytes of a file are locked how.
///
/// Source: SQLite's `os_unix.c` and `wal.c`: PENDING, RESERVED and SHARED bytes begin at 2^30; byte 120 of the
/// -shm file is the writer's.
struct Bytes {
    kind: &'static str,
    first: u64,
    last: u64,
}

const WAL_WRITER: Bytes = Bytes { kind: "WRITE", first: 120, last: 120 };
const WRITERS: Bytes = Bytes { kind: "WRITE", first: 1 << 30, last: (1 << 30) + 511 };
const READERS: Bytes = Bytes { kind: "READ", ..WRITERS };

#[cfg(unix)]
fn inode(path: &Path) -> Option<u64> {
    std::os::unix::fs::MetadataExt::ino(&path.metadata().ok()?).into()
}

/// The first acceptable process in `/proc/locks` with such a lock. The device is not compared: on overlay file systems the
/// table shows another one than `stat` does, and a wrong name would need an equal inode locked at the same odd bytes.
///
/// A line: `1: POSIX  ADVISORY  WRITE 4121 08:01:1234 1073741824 1073742335`.
fn find(locks: &str, inode: u64, bytes: &Bytes, accept: &dyn Fn(u32) -> bool) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().filter(|f| *f != "->").collect();
        let [_, _, _, kind, pid, file, first, last] = fields[..] else { return None };
        let pid: u32 = pid.parse().ok()?;
        let here = file.rsplit(':').next()?.parse() == Ok(inode);
        // A lock of the whole file (`flock`, `EOF`) is none of SQLite's.
        let within = first.parse::<u64>().ok()? <= bytes.last && last.parse::<u64>().ok()? >= bytes.first;
        (here && kind == bytes.kind && within && accept(pid)).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  READ 77 fd:01:500 1073741826 1073742335
2: POSIX  ADVISORY  WRITE 78 fd:01:500 1073741825 1073741825
2: -> POSIX  ADVISORY  WRITE 79 fd:01:500 1073741825 1073741825
3: FLOCK  ADVISORY  WRITE 80 fd:01:501 0 EOF
4: POSIX  ADVISORY  WRITE 81 fd:01:502 120 120
5: POSIX  ADVISORY  READ 82 fd:01:503 1073741826 1073742335
";

    #[test]
    fn writers_come_before_readers_and_other_files_do_not_count() {
        let find = |locks: &str, inode: u64, bytes: Bytes| find(locks, inode, &bytes, &|_| true);
        assert_eq!(find(LOCKS, 500, WRITERS), Some(78));
        assert_eq!(find(LOCKS, 500, READERS), Some(77));
        assert_eq!(find(LOCKS, 501, WRITERS), None);
        assert_eq!(find(LOCKS, 502, WAL_WRITER), Some(81));
        assert_eq!(find(LOCKS, 503, WRITERS), None);
        assert_eq!(find("nonsense\n1: x", 1, WRITERS), None);
    }

    #[test]
    fn a_blocker_is_named_by_pid_and_program() {
        assert_eq!(Blocker { pid: 4121, program: "sqlite3".to_owned() }.to_string(), "pid 4121 (sqlite3)");
        assert_eq!(Blocker { pid: 4121, program: String::new() }.to_string(), "pid 4121");
    }
}
