//! TLS: `+s` trusts what the system trusts, and `ca`; `+ssc` whoever is at the line's end.

use std::net::TcpStream;

use super::Trouble;
use crate::stores::tls::{self, Broken, Check, Line, Wanted};

/// Whom a connection trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// It is not encrypted.
    Plain,
    /// Certificates for this host that the system's roots have signed, or one of these (in DER).
    System(&'a [Vec<u8>]),
    /// Any certificate.
    Any,
}

/// Puts TLS around a stream.
///
/// # Errors
/// A server that is not who it should be, or speaks no TLS.
pub fn wrap(trust: Trust<'_>, host: &str, stream: TcpStream) -> Result<Box<dyn Line>, Trouble> {
    let (check, more) = match trust {
        Trust::System(more) => (Check::Name, more),
        Trust::Plain | Trust::Any => (Check::Nothing, &[][..]),
    };
    let wanted = Wanted { check, roots: None, more, identity: None };
    let wrapped = tls::wrap(&wanted, host, stream).map_err(|broken| {
        Trouble::Line(match broken {
            Broken::File(why) | Broken::Roots(why) | Broken::Untrusted(why) => {
                format!("{host} cannot be trusted: {why}")
            }
            Broken::NoTls(_) => format!("{host} does not speak TLS on this port"),
            Broken::Line(e) => format!("{host} hung up while TLS was being set up: {e}"),
        })
    })?;
    Ok(Box::new(wrapped))
}
