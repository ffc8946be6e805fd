//! A text that must not be seen.

use std::fmt;

/// A secret: `Debug` and `Display` show `***`. Hand it to a client through its environment, a 0600 file or
/// standard input, never as an argument.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    text: String,
    open: bool,
}

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), open: false }
    }

    /// A value that travels with secrets but may be shown: a host, a port.
    pub fn open(text: impl Into<String>) -> Self {
        Self { text: text.into(), open: true }
    }

    /// The text itself, to hand to a client or driver.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it may be shown.
    pub const fn is_open(&self) -> bool {
        self.open
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.open { &self.text } else { "***" })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Replaces every known secret in a text, such as a client's message, by `***`.
pub fn scrub(text: &str, secrets: &[&Secret]) -> String {
    let mut known: Vec<&str> =
        secrets.iter().filter(|s| !s.is_open()).map(|s| s.reveal()).filter(|s| s.len() >= 3).collect();
    // The longest first, so that a secret within a secret leaves no tail.
    known.sort_by_key(|s| std::cmp::Reverse(s.len()));
    known.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_any_formatting() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(Secret::open("host").to_string(), "host");
    }

    #[test]
    fn known_secrets_are_taken_out_of_what_a_client_says() {
        let (a, b) = (Secret::new("pass"), Secret::new("password"));
        assert_eq!(scrub("a password or pass", &[&a, &b]), "a *** or ***");
    }
}
