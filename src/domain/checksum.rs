//! What makes two scripts the same script.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// `sha256:<hex>` over a script's normalised bytes, as the ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Checksum(String);

impl Checksum {
    /// The checksum of a script's bytes, after [`normalise`].
    pub fn of(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(normalise(bytes));
        let mut text = String::with_capacity(7 + 64);
        text.push_str("sha256:");
        for byte in digest {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        Self(text)
    }

    /// A checksum read back from a ledger.
    pub fn recorded(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that the ledger keeps.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first digits, enough for a person to compare.
    pub fn short(&self) -> &str {
        let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
        hex.get(..8).unwrap_or(hex)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bytes that count: no BOM, LF for CRLF, a newline at the end. An editor or a checkout on another system
/// changes these without changing the script.
pub fn normalise(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Looking for one byte first is many times as fast, and most scripts have none.
    let has_crlf = bytes.contains(&b'\r') && bytes.windows(2).any(|w| w == b"\r\n");
    if !has_crlf && bytes.ends_with(b"\n") {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + 1);
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|w| w == b"\r\n") {
        out.extend_from_slice(&rest[..at]);
        out.push(b'\n');
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_mark_line_ends_and_last_newline_do_not_count() {
        let plain = Checksum::of(b"select 1;\nselect 2;\n");
        assert_eq!(plain, Checksum::of(b"\xef\xbb\xbfselect 1;\r\nselect 2;\r\n"));
        assert_eq!(plain, Checksum::of(b"select 1;\nselect 2;"));
        assert_eq!(plain, Checksum::of(b"select 1;\r\nselect 2;"));
        assert_ne!(plain, Checksum::of(b"select 1;\nselect 2;\n\n"));
        assert_ne!(plain, Checksum::of(b"select 1;\n select 2;\n"));
    }

    #[test]
    fn it_is_plain_sha256_of_the_normalised_text() {
        assert_eq!(
            Checksum::of(b"abc\n").as_str(),
            "sha256:edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb"
        );
    }
}
