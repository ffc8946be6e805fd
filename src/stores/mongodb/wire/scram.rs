//! Logging in over SCRAM (RFC 5802), as MongoDB does it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use md5::{Digest, Md5};

use super::connection::{Connection, Trouble};
use crate::domain::Failure;
use crate::stores::mongodb::endpoint::Login;
use crate::stores::scram::{self, Challenge, Hash, SHA1, SHA256};

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

/// Proves who we are.
///
/// # Errors
/// A login that the server refuses; a server that does not know the password either.
pub fn log_in(connection: &mut Connection, login: &Login) -> Result<(), Trouble> {
    let mechanism = login.mechanism.unwrap_or_else(|| Mechanism::offered(&connection.hello));
    let place = connection.place.clone();
    let broken = || Trouble::Refused(Failure::unreachable(format!("{place} answered a login with what is not SCRAM")));
    let nonce = crate::process::identity::token();
    let first = scram::first(&login.user, &nonce);
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

#[cfg(test)]
mod tests {
    use super::*;

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
