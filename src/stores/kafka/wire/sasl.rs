//! Logging in: PLAIN and SCRAM (RFC 5802), the strongest that the broker offers unless the configuration names one.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslHandshakeRequest};
use kafka_protocol::protocol::StrBytes;

use super::connection::{Connection, Trouble};
use crate::domain::Failure;
use crate::stores::kafka::endpoint::{Endpoint, Login};
use crate::stores::scram::{self, Challenge, Hash, SHA256, SHA512};

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// The password itself.
    Plain,
    /// A proof of it, over SHA-256.
    Scram256,
    /// A proof of it, over SHA-512.
    Scram512,
}

impl Mechanism {
    /// Strongest first.
    pub const ALL: [Self; 3] = [Self::Scram512, Self::Scram256, Self::Plain];

    /// Its name in the protocol and in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram256 => "SCRAM-SHA-256",
            Self::Scram512 => "SCRAM-SHA-512",
        }
    }

    /// The mechanism of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name().eq_ignore_ascii_case(name))
    }
}

/// Proves who we are.
///
/// # Errors
/// No mechanism in common; a login that the broker refuses.
pub fn log_in(connection: &mut Connection, login: &Login, endpoint: &Endpoint) -> Result<(), Trouble> {
    let mechanism = endpoint.mechanism().unwrap_or(login.mechanism.unwrap_or(Mechanism::Scram512));
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism.name()));
    let answer = connection.ask(&request)?;
    if answer.error_code != 0 {
        let offered: Vec<&str> = answer.mechanisms.iter().map(|m| m.as_str()).collect();
        return Err(Trouble::Refused(other(endpoint, login, mechanism, &offered)));
    }
    let outcome = match mechanism {
        Mechanism::Plain => {
            let proof = format!("\0{}\0{}", login.user, login.password.reveal());
            say(connection, proof.as_bytes(), endpoint, login).map(drop)
        }
        Mechanism::Scram256 => prove(connection, &SHA256, endpoint, login),
        Mechanism::Scram512 => prove(connection, &SHA512, endpoint, login),
    };
    // The password itself is never sent because a proof of it was refused: that is for a person to say.
    let has_plain = answer.mechanisms.iter().any(|m| m.as_str() == Mechanism::Plain.name());
    outcome.map_err(|trouble| match trouble {
        Trouble::Refused(failure) if has_plain && login.mechanism.is_none() && mechanism != Mechanism::Plain => {
            Trouble::Refused(failure.hint("a user of the mechanism PLAIN? Say `mechanism = \"PLAIN\"`"))
        }
        trouble => trouble,
    })
}

/// Notes another mechanism for the next try, where there is one in common.
fn other(endpoint: &Endpoint, login: &Login, tried: Mechanism, offered: &[&str]) -> Failure {
    let common = Mechanism::ALL.into_iter().find(|m| offered.contains(&m.name()));
    if let Some(mechanism) = common.filter(|_| login.mechanism.is_none()) {
        endpoint.set_mechanism(mechanism);
        return Failure::unreachable(format!("{endpoint} wants {}", mechanism.name()));
    }
    Failure::unreachable(format!("{endpoint} does not take a login over {}", tried.name()))
        .hint(format!("it offers {}; `mechanism` under the store's section names one", offered.join(", ")))
}

fn say(connection: &mut Connection, bytes: &[u8], endpoint: &Endpoint, login: &Login) -> Result<Vec<u8>, Trouble> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(bytes.to_vec().into());
    let answer = connection.ask(&request)?;
    if answer.error_code == 0 {
        // The broker hangs up at the end of a login's life: half of it is used.
        let life = u64::try_from(answer.session_lifetime_ms).unwrap_or(0);
        connection.until = (life > 0).then(|| Instant::now() + Duration::from_millis(life / 2));
        return Ok(answer.auth_bytes.to_vec());
    }
    let words = answer.error_message.as_ref().map_or("the login was refused", |m| m.as_str());
    let words = crate::config::scrub(words, &[&login.password]);
    Err(Trouble::Refused(
        Failure::unreachable(format!("{endpoint} says: {words}")).hint(format!("check the password of {}", login.user)),
    ))
}

fn prove(connection: &mut Connection, hash: &'static Hash, endpoint: &Endpoint, login: &Login) -> Result<(), Trouble> {
    let broken =
        || Trouble::Refused(Failure::unreachable(format!("{endpoint} answered a login with what is not SCRAM")));
    let nonce = crate::process::identity::token();
    let first = scram::first(&login.user, &nonce);
    let said = say(connection, format!("n,,{first}").as_bytes(), endpoint, login)?;
    let said = String::from_utf8(said).map_err(|_| broken())?;
    let challenge = Challenge::of(&said, &nonce).ok_or_else(broken)?;
    let (last, signature) = hash.answer(login.password.reveal(), &first, &said, &challenge);
    let verdict = say(connection, last.as_bytes(), endpoint, login)?;
    // Who knows the signature knows the password: the broker is the one that was meant.
    match verdict.strip_prefix(b"v=") == Some(BASE64.encode(signature).as_bytes()) {
        true => Ok(()),
        false => Err(Trouble::Refused(Failure::unreachable(format!("{endpoint} could not prove who it is")))),
    }
}
