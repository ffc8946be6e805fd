//! How ledgers keep down scripts: deflated.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// Deflate. Most down scripts are a line or two, which a compressor does not make shorter but costs more than all
/// the rest of writing an entry; they become one stored block.
pub fn pack(text: &str) -> Vec<u8> {
    const SHORT: usize = 256;
    let bytes = text.as_bytes();
    if let Some(length) = u16::try_from(bytes.len()).ok().filter(|l| usize::from(*l) < SHORT) {
        return [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes()[..], bytes].concat();
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The text that was packed.
///
/// # Errors
/// Bytes that are no deflated UTF-8.
pub fn unpack(bytes: &[u8]) -> std::io::Result<String> {
    let mut text = String::new();
    DeflateDecoder::new(bytes).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_come_back() {
        for length in [0, 1, 255, 256, 100_000] {
            let text = "drop table \"a'b\\\";\t-- é 🪜\r\n".repeat(length).chars().take(length).collect::<String>();
            assert_eq!(unpack(&pack(&text)).unwrap(), text);
        }
        assert!(unpack(&[7, 7]).is_err());
    }
}
