//! Down scripts as the ledger keeps them: compressed, in Base64.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// A text as it is kept.
pub fn pack(text: &str) -> String {
    use base64::Engine;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).unwrap_or_default();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A kept text, if it is one.
pub fn unpack(packed: &str) -> Option<String> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(packed).ok()?;
    let mut text = String::new();
    ZlibDecoder::new(bytes.as_slice()).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_script_comes_back_whole() {
        for times in [0, 1, 100] {
            let text = "MATCH (n {a: 'b\\\"'});\t// é 🪜\r\n".repeat(times);
            assert_eq!(unpack(&pack(&text)).as_deref(), Some(text.as_str()));
        }
    }
}
