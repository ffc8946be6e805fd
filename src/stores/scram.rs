//! The sums of a login over SCRAM (RFC 5802): what MongoDB and Kafka make of it differs in how it is carried.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac, pbkdf2};

/// What a mechanism hashes with.
pub struct Hash {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

/// SCRAM-SHA-1.
#[cfg(feature = "mongodb")]
pub static SHA1: Hash = Hash {
    digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
};
/// SCRAM-SHA-256.
pub static SHA256: Hash = Hash { digest: &digest::SHA256, hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 };
/// SCRAM-SHA-512.
#[cfg(feature = "kafka")]
pub static SHA512: Hash = Hash { digest: &digest::SHA512, hmac: hmac::HMAC_SHA512, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512 };

/// The largest number of rounds that a server may make us compute.
const MOST_ROUNDS: u32 = 10_000_000;

/// Our first message without its head: who wants to log in, and a nonce.
pub fn first(user: &str, nonce: &str) -> String {
    format!("n={},r={nonce}", user.replace('=', "=3D").replace(',', "=2C"))
}

/// What the server says first.
pub struct Challenge {
    nonce: String,
    salt: Vec<u8>,
    rounds: NonZeroU32,
}

impl Challenge {
    /// Reads it; `ours` is the nonce that we sent.
    pub fn of(said: &str, ours: &str) -> Option<Self> {
        let get = |name: &str| said.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = get("r=").filter(|nonce| nonce.starts_with(ours))?.to_owned();
        let rounds: NonZeroU32 = get("i=")?.parse().ok()?;
        let salt = BASE64.decode(get("s=")?).ok()?;
        (rounds.get() <= MOST_ROUNDS).then_some(Self { nonce, salt, rounds })
    }
}

impl Hash {
    /// Our last message, and the signature that the server has to show.
    pub fn answer(&self, password: &str, first: &str, said: &str, challenge: &Challenge) -> (String, Vec<u8>) {
        let mut salted = vec![0; self.digest.output_len()];
        pbkdf2::derive(self.pbkdf2, challenge.rounds, &challenge.salt, password.as_bytes(), &mut salted);
        let sign = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(self.hmac, key), text).as_ref().to_vec();
        let key = sign(&salted, b"Client Key");
        let stored = digest::digest(self.digest, &key);
        let without_proof = format!("c=biws,r={}", challenge.nonce);
        let whole = format!("{first},{said},{without_proof}");
        let signature = sign(stored.as_ref(), whole.as_bytes());
        let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let server = sign(&salted, b"Server Key");
        (format!("{without_proof},p={}", BASE64.encode(proof)), sign(&server, whole.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// The example of RFC 7677.
    #[test]
    fn the_proof_is_the_one_of_the_standard() {
        let challenge = Challenge::of(SAID, "rOprNGfwEbeRWgbNEkqO").unwrap();
        let (last, signature) = SHA256.answer("pencil", &first("user", "rOprNGfwEbeRWgbNEkqO"), SAID, &challenge);
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(BASE64.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(Challenge::of(SAID, "another").is_none());
    }

    /// The example of RFC 5802.
    #[cfg(feature = "mongodb")]
    #[test]
    fn the_old_proof_is_the_one_of_the_standard() {
        let said = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let challenge = Challenge::of(said, "fyko+d2lbbFgONRv9qkxdawL").unwrap();
        let (last, signature) = SHA1.answer("pencil", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", said, &challenge);
        assert!(last.ends_with(",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), "{last}");
        assert_eq!(BASE64.encode(signature), "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
    }
}
