//! `NNN_name.up.EXT`: what a migration's file is called, read and written.

use std::fmt;

use serde::Serialize;

use super::version::{MAX_DIGITS, Version};

/// Which way a script goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Applies the migration.
    Up,
    /// Takes it back.
    Down,
}

impl Direction {
    /// `up` or `down`, as in file names, the ledger and `STEPLADDER_DIRECTION`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }

    /// What has been done to a migration after a step in this direction: `applied` or `reverted`.
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Up => "applied",
            Self::Down => "reverted",
        }
    }

    /// The direction that a ledger's word names.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "up" => Some(Self::Up),
            "down" => Some(Self::Down),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A file name of the form `NNN_name.up.EXT` or `NNN_name.down.EXT`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The digits as written, leading zeros and all.
    pub digits: String,
    /// The digits as a number.
    pub version: Version,
    /// What stands between the first underscore and `.up` or `.down`; may hold blanks and dots.
    pub name: String,
    /// Up or down.
    pub direction: Direction,
    /// Without its dot, in lower case.
    pub extension: String,
}

/// Why a file's name is not a migration's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Something of the pattern is missing.
    #[error("is not a migration: expected NNN_name.up.EXT or NNN_name.down.EXT")]
    Pattern,
    /// The pattern is there, with more digits than a version has.
    #[error("has a version of {0} digits; at most {MAX_DIGITS} are possible")]
    TooManyDigits(usize),
}

impl FileName {
    /// Takes a file name apart.
    ///
    /// # Errors
    /// [`NameError`] says what about it is not a migration's name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (stem, extension) = text.rsplit_once('.').ok_or(NameError::Pattern)?;
        let (stem, direction) = stem.rsplit_once('.').ok_or(NameError::Pattern)?;
        let direction = Direction::from_word(direction).ok_or(NameError::Pattern)?;
        let (digits, name) = stem.split_once('_').ok_or(NameError::Pattern)?;
        let plain_extension = !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphanumeric());
        let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if !plain_extension || !all_digits || name.is_empty() {
            return Err(NameError::Pattern);
        }
        let version = digits.parse().map_err(|_| NameError::TooManyDigits(digits.len()))?;
        Ok(Self {
            digits: digits.to_owned(),
            version,
            name: name.to_owned(),
            direction,
            extension: extension.to_ascii_lowercase(),
        })
    }

    /// `NNN_name`, the part that a pair shares.
    pub fn label(&self) -> String {
        [&*self.digits, "_", &self.name].concat()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digits, name, direction, extension, .. } = self;
        write!(f, "{digits}_{name}.{direction}.{extension}")
    }
}

/// A migration's name from what a person typed: a sentence becomes `snake_case`.
///
/// Letters are lower-cased, everything that is not a letter or digit becomes one underscore.
/// `None` when nothing is left.
pub fn snake_case(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut previous_lower = false;
    for c in text.trim().chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && previous_lower {
                name.push('_');
            }
            previous_lower = c.is_lowercase() || c.is_numeric();
            name.extend(c.to_lowercase());
        } else {
            previous_lower = false;
            if !name.is_empty() && !name.ends_with('_') {
                name.push('_');
            }
        }
    }
    let name = name.trim_end_matches('_');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_and_unusual_names_are_taken_apart() {
        for (text, digits, name, extension) in [
            ("001_create_users.up.sql", "001", "create_users", "sql"),
            ("42_name..up.sql", "42", "name.", "sql"),
            ("7_with a blank.up.SQL", "7", "with a blank", "sql"),
            ("20240215120000_x.up.cypher", "20240215120000", "x", "cypher"),
            ("1__a.up.up.sql", "1", "_a.up", "sql"),
        ] {
            let parsed = FileName::parse(text).unwrap();
            assert_eq!(parsed.digits, digits);
            assert_eq!(parsed.name, name);
            assert_eq!(parsed.extension, extension);
            assert_eq!(parsed.direction, Direction::Up);
        }
    }

    #[test]
    fn other_files_are_not_migrations() {
        for text in ["README.md", "up.sql", "001.up.sql", "001_.up.sql", "x_1.up.sql", "001_a.sql", "001_a.up."] {
            assert_eq!(FileName::parse(text), Err(NameError::Pattern), "{text}");
        }
        let long = format!("{}_a.up.sql", "1".repeat(40));
        assert_eq!(FileName::parse(&long), Err(NameError::TooManyDigits(40)));
    }

    #[test]
    fn a_sentence_becomes_a_name() {
        assert_eq!(snake_case("Add user table").as_deref(), Some("add_user_table"));
        assert_eq!(snake_case("  drop -- it!  ").as_deref(), Some("drop_it"));
        assert_eq!(snake_case("addUserTable").as_deref(), Some("add_user_table"));
        assert_eq!(snake_case("Größe ändern").as_deref(), Some("größe_ändern"));
        assert_eq!(snake_case("--"), None);
    }

    proptest! {
        #[test]
        fn parse_and_print_are_inverse(digits in "[0-9]{1,32}", name in "[^/\\x00]{1,20}", up: bool, extension in "[a-z0-9]{1,6}") {
            let direction = if up { "up" } else { "down" };
            let text = format!("{digits}_{name}.{direction}.{extension}");
            let parsed = FileName::parse(&text).unwrap();
            prop_assert_eq!(parsed.to_string(), text);
            prop_assert_eq!(parsed.name, name);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = FileName::parse(&text);
            let _ = snake_case(&text);
        }
    }
}
