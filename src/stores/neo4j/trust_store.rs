//! Certificates as a JVM reads them: cypher-shell takes the ones to trust from a key store, never from PEM.

use std::io::Write;

use tempfile::NamedTempFile;

/// The certificates in a file that goes when this does.
///
/// # Errors
/// It cannot be written.
pub fn file(certificates: &[Vec<u8>]) -> std::io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix("stepladder-").suffix(".jks").tempfile()?;
    file.write_all(&jks(certificates))?;
    file.flush()?;
    Ok(file)
}

/// A Java key store of trusted certificates. It ends in a digest over a password; a reader that was given no password, as
/// here, does not look at it.
fn jks(certificates: &[Vec<u8>]) -> Vec<u8> {
    const MAGIC: u32 = 0xFEED_FEED;
    const VERSION: u32 = 2;
    const TRUSTED: u32 = 2;
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut out = Vec::new();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(text.as_bytes());
    };
    out.extend(MAGIC.to_be_bytes());
    out.extend(VERSION.to_be_bytes());
    out.extend(length(certificates.len()));
    for (at, certificate) in certificates.iter().enumerate() {
        out.extend(TRUSTED.to_be_bytes());
        text(&mut out, &format!("ca-{at}"));
        // When it was put in: of no meaning.
        out.extend([0; 8]);
        text(&mut out, "X.509");
        out.extend(length(certificate.len()));
        out.extend(certificate);
    }
    out.extend([0; 20]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_holds_its_certificates_one_after_the_other() {
        let made = jks(&[vec![1, 2, 3], vec![4]]);
        assert_eq!(made[..12], [0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2, 0, 0, 0, 2]);
        assert_eq!(&made[16..22], b"\x00\x04ca-0");
        assert_eq!(made[37..44], [0, 0, 0, 3, 1, 2, 3]);
        assert_eq!(made.len(), 12 + (4 + 6 + 8 + 7 + 4 + 3) + (4 + 6 + 8 + 7 + 4 + 1) + 20);
    }
}
