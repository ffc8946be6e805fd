//! TLS as `ssl-mode` has it.

use std::net::TcpStream;

use super::Trouble;
use crate::stores::mysql::endpoint::{Mode, Tls};
use crate::stores::tls::{self, Broken, Check, Line, Wanted};

/// Puts TLS around a stream.
///
/// # Errors
/// Roots that cannot be read; a server that is not who it should be.
pub fn wrap(wanted: &Tls, host: &str, stream: TcpStream) -> Result<Box<dyn Line>, Trouble> {
    let check = match wanted.mode {
        Mode::Disabled | Mode::Local | Mode::Preferred | Mode::Required => Check::Nothing,
        Mode::VerifyCa => Check::Chain,
        Mode::VerifyIdentity => Check::Name,
    };
    let wanted = Wanted { check, roots: wanted.ca.as_deref(), more: &[], identity: None };
    let wrapped = tls::wrap(&wanted, host, stream).map_err(|broken| match broken {
        Broken::File(why) | Broken::Roots(why) => Trouble::Untrusted(why),
        Broken::Untrusted(why) | Broken::NoTls(why) => Trouble::Untrusted(format!("{host} cannot be trusted: {why}")),
        Broken::Line(e) => Trouble::Line(format!("{host} hung up while TLS was being set up: {e}")),
    })?;
    Ok(Box::new(wrapped))
}
