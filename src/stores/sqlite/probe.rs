//! What `doctor` learns of a database file.

use std::path::Path;

use rusqlite::Connection;

use super::connect::Target;
use super::url::Access;

/// `24 KiB, journal mode wal`.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<String> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let bytes = number("pragma main.page_count")? * number("pragma main.page_size")?;
    let mode: String = connection.query_row("pragma main.journal_mode", [], |row| row.get(0))?;
    Ok(format!("{}, journal mode {mode}", size(bytes)))
}

fn size(bytes: i64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes / 1024),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// Things that will make trouble, each with advice.
pub(super) fn warnings(target: &Target) -> Vec<(String, String)> {
    let location = &target.location;
    let folder = location.path.parent().unwrap_or(Path::new("/"));
    let mut warnings = Vec::new();
    if location.access == Access::ReadOnly {
        let advice = "remove `mode=ro` from the URL to migrate it";
        warnings.push(("the URL opens the database read-only".to_owned(), advice.to_owned()));
    } else if !is_writable(folder) || location.path.exists() && !is_writable(&location.path) {
        let advice = "this user needs write permission on the file and on its folder, where SQLite keeps its journal";
        warnings.push((format!("{} cannot be written", location.shown), advice.to_owned()));
    }
    if let Some(name) = network(folder) {
        let advice = "SQLite's locks cannot be trusted there: migrate on the machine that has the disk";
        warnings.push((format!("{} is on a network file system ({name})", location.shown), advice.to_owned()));
    }
    warnings
}

#[cfg(unix)]
fn is_writable(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(path) = std::ffi::CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the path ends in a zero byte and outlives the call.
    unsafe { libc::access(path.as_ptr(), libc::W_OK) == 0 }
}

/// The name of the network file system that a folder is on.
#[cfg(target_os = "linux")]
fn network(folder: &Path) -> Option<&'static str> {
    // Source: statfs(2).
    const KNOWN: [(i64, &str); 5] =
        [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x517b, "SMB"), (0x0102_1997, "9P")];
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path ends in a zero byte, and the structure is ours; it is read only when it was written.
    let kind = unsafe {
        if libc::statfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return None;
        }
        found.assume_init().f_type
    };
    #[allow(clippy::useless_conversion, reason = "the field is narrower on some systems")]
    let kind = i64::from(kind) & 0xffff_ffff;
    KNOWN.iter().find(|(number, _)| *number == kind).map(|(_, name)| *name)
}

#[cfg(not(target_os = "linux"))]
const fn network(_: &Path) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!([size(0), size(24_576), size(5_242_880)], ["0 KiB", "24 KiB", "5.0 MiB"]);
    }
}
