//! The number in front of a migration's name.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// The most digits a version may have, leading zeros included. 32 digits fit into a `u128` and leave room
/// for the 20-digit numbers that real sets contain.
pub const MAX_DIGITS: usize = 32;

/// A migration's version: 1 to 32 decimal digits, compared as a number, so `001`, `1` and `00001` are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u128);

/// Why a text is not a [`Version`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// The text holds something else than decimal digits, or nothing.
    #[error("`{0}` is not a version: expected 1 to {MAX_DIGITS} digits")]
    NotDigits(String),
    /// More than [`MAX_DIGITS`] digits.
    #[error("version `{0}` has more than {MAX_DIGITS} digits")]
    TooLong(String),
}

impl Version {
    /// The version with this number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// The number itself.
    pub const fn number(self) -> u128 {
        self.0
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(VersionError::NotDigits(text.to_owned()));
        }
        if text.len() > MAX_DIGITS {
            return Err(VersionError::TooLong(text.to_owned()));
        }
        let number = text.bytes().fold(0u128, |n, b| n * 10 + u128::from(b - b'0'));
        Ok(Self(number))
    }
}

/// Without leading zeros; the digits that the file's name has are kept beside it where they matter.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// As a string: JSON numbers lose digits beyond 2^53.
impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers_whatever_their_zeros() {
        let parse = |s: &str| s.parse::<Version>().unwrap();
        assert_eq!(parse("001"), parse("1"));
        assert!(parse("9") < parse("10"));
        assert!(parse("20240215120000") > parse("000042"));
        assert!(parse("99999999999999999999").number() > u128::from(u64::MAX));
        assert_eq!(parse(&"9".repeat(32)).to_string(), "9".repeat(32));
    }

    #[test]
    fn what_is_not_a_version_is_refused_with_its_text() {
        assert!(matches!("".parse::<Version>(), Err(VersionError::NotDigits(_))));
        assert!(matches!("1a".parse::<Version>(), Err(VersionError::NotDigits(_))));
        assert!(matches!("١".parse::<Version>(), Err(VersionError::NotDigits(_))));
        assert!(matches!("1".repeat(33).parse::<Version>(), Err(VersionError::TooLong(_))));
    }
}
