//! Reading the files of scripts: their bytes, and how one that has not changed since is known without reading it again.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::catalog::{Kept, Stamp};

/// Longer texts are not kept, in bytes.
const SMALL: usize = 4 << 10;
/// All texts that one reader keeps, in bytes.
const ROOM: usize = 8 << 20;
/// Seconds. A file that was changed so shortly before it was read may have been changed once more at what is the same time to the
/// file system, so its times prove nothing: what git calls racily clean.
const RACY: i64 = 2;

/// Reads files one after the other into one buffer: for thousands of small ones a call to the system less each.
pub struct Reader {
    buffer: Vec<u8>,
    length: usize,
    room: usize,
    /// When it began, in seconds since 1970.
    began: i64,
}

impl Default for Reader {
    /// Begins now.
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::begun(i64::try_from(now.as_secs()).unwrap_or(0))
    }
}

impl Reader {
    fn begun(began: i64) -> Self {
        Self { buffer: Vec::new(), length: 0, room: ROOM, began }
    }

    /// Reads a file. With a stamp, where that will tell whether the file has changed since.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&mut self, path: &Path) -> io::Result<Option<Stamp>> {
        let mut file = File::open(path)?;
        let stamp = stamp(&file.metadata()?);
        self.length = 0;
        loop {
            if self.buffer.len() - self.length < 1 << 15 {
                self.buffer.resize((2 * self.buffer.len()).max(1 << 16), 0);
            }
            match file.read(&mut self.buffer[self.length..]) {
                Ok(0) => break,
                Ok(n) => {
                    self.length += n;
                    // As long as the system says: a read that finds nothing more is spared. Some files are said to have no length.
                    if stamp.size == self.length as u64 {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok((stamp.changed.0 < self.began - RACY && stamp.size == self.length as u64).then_some(stamp))
    }

    /// What was read last.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// Keeps the text of what was read last, if it is a small one.
    pub fn keep(&mut self, stamp: Stamp) -> Option<Kept> {
        if self.length > SMALL.min(self.room) {
            return None;
        }
        let text = Arc::from(without_mark(std::str::from_utf8(self.bytes()).ok()?));
        self.room -= self.length;
        Some(Kept { text, stamp })
    }
}

/// Whether a file is still the one that was read, with nothing changed in it.
pub fn is_unchanged(path: &Path, since: &Stamp) -> bool {
    fs::metadata(path).is_ok_and(|now| stamp(&now) == *since)
}

/// A text without its byte order mark.
pub fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

fn stamp(of: &Metadata) -> Stamp {
    Stamp { device: of.dev(), inode: of.ino(), size: of.size(), changed: (of.ctime(), of.ctime_nsec()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A reader that begins when files of this moment have long been settled.
    fn later() -> Reader {
        Reader::begun(Reader::default().began + 60)
    }

    #[test]
    fn what_has_changed_is_known_by_its_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "\u{feff}select 1;\n").unwrap();
        let mut reader = later();
        let stamp = reader.read(&path).unwrap().unwrap();
        let kept = reader.keep(stamp).unwrap();
        assert_eq!((&*kept.text, is_unchanged(&path, &kept.stamp)), ("select 1;\n", true));

        // As long as before, with the time of writing that it had.
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        fs::write(&path, "\u{feff}select 2;\n").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        assert!(!is_unchanged(&path, &kept.stamp));

        let stamp = reader.read(&path).unwrap().unwrap();
        fs::rename(&path, folder.path().join("b")).unwrap();
        assert!(!is_unchanged(&path, &stamp));
    }

    #[test]
    fn a_file_of_this_moment_may_change_unseen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "select 1;\n").unwrap();
        let mut reader = Reader::default();
        assert_eq!(reader.read(&path).unwrap(), None);
        assert_eq!(reader.bytes(), b"select 1;\n");
    }

    #[test]
    fn only_so_much_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, vec![b'x'; SMALL + 1]).unwrap();
        let mut reader = later();
        let stamp = reader.read(&path).unwrap().unwrap();
        assert_eq!(reader.keep(stamp), None);
        assert_eq!(reader.bytes().len(), SMALL + 1);

        fs::write(&path, vec![b'x'; SMALL]).unwrap();
        let stamp = reader.read(&path).unwrap().unwrap();
        let kept = (0..).take_while(|_| reader.keep(stamp).is_some()).count();
        assert_eq!(kept, ROOM / SMALL);

        fs::write(&path, b"\xff").unwrap();
        let mut reader = later();
        let stamp = reader.read(&path).unwrap().unwrap();
        assert_eq!(reader.keep(stamp), None);
    }
}
