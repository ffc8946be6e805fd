//! Logging in over SCRAM (RFC 5802), as MongoDB does it.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use md5::{Digest, Md5};
use ring::{digest, hmac, pbkdf2};

use super::connection::{Connection, Trouble};
use crate::domain::Failure;
use crate::stores::mongodb::endpoint::Login;

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Of servers before 4.0, over a hash that MongoDB makes of the password.
    Sha1,
    /// Everybody else's.
    Sha256,
}

impl Mechanism {
    /// Its name in the protocol and in connection strings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Sha256 => "SCRAM-SHA-256",
        }
    }

    /// The mechanism of a name.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha1].into_iter().find(|m| m.name() == name)
    }

    /// What the user has, by the server's word; old servers say nothing.
    fn offered(hello: &Document) -> Self {
        let names = hello.get_array("saslSupportedMechs").map(Vec::as_slice).unwrap_or_default();
        let has = |mechanism: Self| names.iter().any(|name| name.as_str() == Some(mechanism.name()));
        if has(Self::Sha256) { Self::Sha256 } else { Self::Sha1 }
    }

    /// The password as the mechanism wants it.
    fn prepared(self, login: &Login) -> String {
        let password = login.password.reveal();
        match self {
            Self::Sha256 => stringprep::saslprep(password).map_or_else(|_| password.to_owned(), |p| p.into_owned()),
            Self::Sha1 => {
                let digest = Md5::digest(format!("{}:mongo:{password}", login.user));
                digest.iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    const fn hash(self) -> &'static Hash {
        match self {
            Self::Sha1 => &SHA1,
            Self::Sha256 => &SHA256,
        }
    }
}

struct Hash {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

static SHA1: Hash = Hash {
    digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
    hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
    pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
};
static SHA256: Hash = Hash { digest: &digest::SHA256, hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 };

/// The largest number of rounds that a server may make us compute.
const MOST_ROUNDS: u32 = 10_000_000;

/// Proves who we are.
///
/// # Errors
/// A login that the server refuses; a server that does not know the password either.
pub fn log_in(connection: &mut Connection, login: &Login) -> Result<(), Trouble> {
    let mechanism = login.mechanism.unwrap_or_else(|| Mechanism::offered(&connection.hello));
    let place = connection.place.clone();
    let broken = || Trouble::Refused(Failure::unreachable(format!("{place} answered a login with what is not SCRAM")));
    let nonce = crate::process::identity::token();
    let first = format!("n={},r={nonce}", login.user.replace('=', "=3D").replace(',', "=2C"));
    let start = doc! {
        "saslStart": 1,
        "mechanism": mechanism.name(),
        "payload": payload(format!("n,,{first}")),
        "options": { "skipEmptyExchange": true },
    };
    let answer = ask(connection, login, start)?;
    let said = text(&answer).ok_or_else(broken)?;
    let id = answer.get("conversationId").cloned().unwrap_or(Bson::Int32(1));
    let challenge = Challenge::of(&said, &nonce).ok_or_else(broken)?;
    let (last, signature) = mechanism.hash().answer(&mechanism.prepared(login), &first, &said, &challenge);
    let go_on = |text: String| doc! { "saslContinue": 1, "conversationId": id.clone(), "payload": payload(text) };
    let verdict = ask(connection, login, go_on(last))?;
    // Who knows the signature knows the password: the server is the one that was meant.
    let signed = format!("v={}", BASE64.encode(signature));
    if text(&verdict).is_none_or(|said| said.split(',').next() != Some(signed.as_str())) {
        return Err(Trouble::Refused(Failure::unreachable(format!("{place} could not prove who it is"))));
    }
    match verdict.get_bool("done") {
        Ok(true) => Ok(()),
        _ => ask(connection, login, go_on(String::new())).map(drop),
    }
}

fn ask(connection: &mut Connection, login: &Login, command: Document) -> Result<Document, Trouble> {
    let place = connection.place.clone();
    connection.ask(&login.source, command).map_err(|trouble| match trouble {
        Trouble::Said(refusal) => Trouble::Refused(
            Failure::unreachable(format!("{place} refuses the login of {}: {}", login.user, refusal.message)).hint(
                format!(
                    "check the password, and whether {} is a user of the database `{}` (`?authSource=` names another)",
                    login.user, login.source
                ),
            ),
        ),
        other => other,
    })
}

fn payload(text: String) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: text.into_bytes() }
}

fn text(answer: &Document) -> Option<String> {
    let bytes = answer.get_binary_generic("payload").ok()?;
    String::from_utf8(bytes.clone()).ok()
}

/// What the server says first.
struct Challenge {
    nonce: String,
    salt: Vec<u8>,
    rounds: NonZeroU32,
}

impl Challenge {
    fn of(said: &str, ours: &str) -> Option<Self> {
        let get = |name: &str| said.split(',').find_map(|part| part.strip_prefix(name));
        let nonce = get("r=").filter(|nonce| nonce.starts_with(ours))?.to_owned();
        let rounds: NonZeroU32 = get("i=")?.parse().ok()?;
        let salt = BASE64.decode(get("s=")?).ok()?;
        (rounds.get() <= MOST_ROUNDS).then_some(Self { nonce, salt, rounds })
    }
}

impl Hash {
    /// Our last message, and the signature that the server has to show.
    fn answer(&self, password: &str, first: &str, said: &str, challenge: &Challenge) -> (String, Vec<u8>) {
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

    /// The examples of RFC 7677 and RFC 5802.
    #[test]
    fn the_proofs_are_those_of_the_standards() {
        let said = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let challenge = Challenge::of(said, "rOprNGfwEbeRWgbNEkqO").unwrap();
        let (last, signature) = SHA256.answer("pencil", "n=user,r=rOprNGfwEbeRWgbNEkqO", said, &challenge);
        assert!(last.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{last}");
        assert_eq!(BASE64.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert!(Challenge::of(said, "another").is_none());

        let said = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let challenge = Challenge::of(said, "fyko+d2lbbFgONRv9qkxdawL").unwrap();
        let (last, signature) = SHA1.answer("pencil", "n=user,r=fyko+d2lbbFgONRv9qkxdawL", said, &challenge);
        assert!(last.ends_with(",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="), "{last}");
        assert_eq!(BASE64.encode(signature), "rmF9pqV8S7suAoZWja4dJRkFsKQ=");
    }

    #[test]
    fn the_old_mechanism_hashes_the_password_first() {
        let login = Login {
            user: "user".to_owned(),
            password: crate::config::Secret::new("pencil"),
            source: "admin".to_owned(),
            mechanism: None,
        };
        assert_eq!(Mechanism::Sha1.prepared(&login), "1c33006ec1ffd90f9cadcbcc0e118200");
        assert_eq!(Mechanism::Sha256.prepared(&login), "pencil");
    }
}
