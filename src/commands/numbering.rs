//! The number of a new migration, in the way of its folder.

use std::path::Path;

use crate::domain::version::MAX_DIGITS;
use crate::domain::{Failure, FileName};

/// Digits of a number where a folder has none yet.
const WIDTH: usize = 3;

/// Digits of a timestamp, `20240215120000`.
const STAMP: usize = 14;

/// The digits of the next migration: one more than the highest, as wide as the others; a timestamp where the
/// highest is one, or where one is asked for.
pub(super) fn next(existing: &[FileName], timestamp: bool, now: &str) -> Result<String, Failure> {
    let highest = existing.iter().max_by_key(|n| (n.version, n.digits.len()));
    let number = highest.map_or(0, |h| h.version.number());
    let stamped = highest.is_some_and(|h| h.digits.len() == STAMP && !h.digits.starts_with('0'));
    let stamp: u128 = now.parse().unwrap_or(0);
    if (timestamp || stamped) && stamp > number {
        return Ok(now.to_owned());
    }
    if timestamp && !stamped {
        return Err(Failure::usage(format!(
            "a timestamp would come before the highest number of the folder, {number}"
        ))
        .hint("leave `--timestamp` out"));
    }
    let width = highest.map_or(WIDTH, |h| h.digits.len());
    let digits = format!("{:0width$}", number + 1);
    match digits.len() {
        0..=MAX_DIGITS => Ok(digits),
        _ => {
            Err(Failure::usage(format!("there is no number after {number}: a version has at most {MAX_DIGITS} digits")))
        }
    }
}

/// The names in a folder that are migrations'; none where there is no folder.
pub(super) fn existing(folder: &Path) -> Vec<FileName> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|e| FileName::parse(&e.ok()?.file_name().to_string_lossy()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "20260714093000";

    fn after(names: &[&str]) -> String {
        let names: Vec<FileName> =
            names.iter().filter_map(|n| FileName::parse(&format!("{n}_x.up.sql")).ok()).collect();
        next(&names, false, NOW).unwrap_or_else(|f| f.message)
    }

    #[test]
    fn numbers_go_on_as_the_folder_has_them() {
        assert_eq!(after(&[]), "001");
        assert_eq!(after(&["001", "007"]), "008");
        assert_eq!(after(&["999"]), "1000");
        assert_eq!(after(&["000042"]), "000043");
        assert_eq!(after(&["1", "9"]), "10");
        assert_eq!(after(&["1700000000"]), "1700000001");
        assert_eq!(after(&["20240215120000"]), NOW);
        assert_eq!(after(&["20990101000000"]), "20990101000001");
        assert!(after(&["99999999999999999999999999999999"]).starts_with("there is no number after"));
    }

    #[test]
    fn a_timestamp_never_goes_below_the_others() {
        let high = FileName::parse("99999999999999999999_x.up.sql").into_iter().collect::<Vec<_>>();
        assert!(next(&high, true, NOW).is_err());
        assert_eq!(next(&[], true, NOW).as_deref(), Ok(NOW));
    }
}
