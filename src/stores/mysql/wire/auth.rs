//! How passwords are proved. Pure.

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

/// What is sent in answer to a server's challenge.
#[derive(Debug, PartialEq, Eq)]
pub enum Proof {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The password itself: only where nobody can listen.
    Password,
    /// This way of logging in is not known here.
    Unknown,
}

/// Answers the challenge of a plugin.
pub fn prove(plugin: &str, password: &str, challenge: &[u8]) -> Proof {
    match plugin {
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => Proof::Bytes(Vec::new()),
        "mysql_native_password" => Proof::Bytes(native(password.as_bytes(), challenge)),
        "caching_sha2_password" => Proof::Bytes(caching(password.as_bytes(), challenge)),
        "sha256_password" | "mysql_clear_password" | "dialog" => Proof::Password,
        _ => Proof::Unknown,
    }
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    digest(algorithm, &parts.concat()).as_ref().to_vec()
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(a, b)| a ^ b).collect()
}

/// `SHA1(password) ^ SHA1(challenge, SHA1(SHA1(password)))`: the server keeps the inner hash of two.
fn native(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let sha1 = |parts: &[&[u8]]| hash(&SHA1_FOR_LEGACY_USE_ONLY, parts);
    let once = sha1(&[password]);
    xor(&once, &sha1(&[challenge, &sha1(&[&once])]))
}

/// `SHA256(password) ^ SHA256(SHA256(SHA256(password)), challenge)`: good where the server has the password in its cache.
fn caching(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let sha256 = |parts: &[&[u8]]| hash(&SHA256, parts);
    let once = sha256(&[password]);
    xor(&once, &sha256(&[&sha256(&[&once]), challenge]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_what_the_server_can_check_without_the_password() {
        let challenge = b"01234567890123456789";
        // The server has SHA1(SHA1(password)): it takes the challenge out again and hashes what is left.
        let stage = hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&hash(&SHA1_FOR_LEGACY_USE_ONLY, &[b"s3cret"])]);
        let Proof::Bytes(sent) = prove("mysql_native_password", "s3cret", challenge) else { panic!() };
        let once = xor(&sent, &hash(&SHA1_FOR_LEGACY_USE_ONLY, &[challenge, &stage]));
        assert_eq!(hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&once]), stage);

        let stage = hash(&SHA256, &[&hash(&SHA256, &[b"s3cret"])]);
        let Proof::Bytes(sent) = prove("caching_sha2_password", "s3cret", challenge) else { panic!() };
        let once = xor(&sent, &hash(&SHA256, &[&stage, challenge]));
        assert_eq!(hash(&SHA256, &[&once]), stage);
    }

    #[test]
    fn an_empty_password_is_proved_by_nothing_and_strange_plugins_are_not_guessed() {
        assert_eq!(prove("caching_sha2_password", "", b"x"), Proof::Bytes(Vec::new()));
        assert_eq!(prove("mysql_clear_password", "s", b"x"), Proof::Password);
        assert_eq!(prove("client_ed25519", "s", b"x"), Proof::Unknown);
    }
}
