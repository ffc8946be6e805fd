//! TLS as `ssl.*` of Kafka's client properties has it.

use std::net::TcpStream;
use std::path::PathBuf;

use super::connection::Trouble;
use crate::domain::Failure;
use crate::stores::tls::{self, Broken, Check, Line};

/// What a connection wants of TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A PEM file with the roots that are trusted; the system's without it.
    pub roots: Option<PathBuf>,
    /// Whether the certificate need not be the host's: an empty `ssl.endpoint.identification.algorithm`.
    pub any_name: bool,
    /// A PEM file with our own key and certificates.
    pub identity: Option<PathBuf>,
}

/// Puts TLS around a stream.
///
/// # Errors
/// Files that cannot be read; a broker that is not who it should be.
pub fn wrap(wanted: &Wanted, host: &str, stream: TcpStream) -> Result<Box<dyn Line>, Trouble> {
    let wanted = tls::Wanted {
        check: if wanted.any_name { Check::Chain } else { Check::Name },
        roots: wanted.roots.as_deref(),
        more: &[],
        identity: wanted.identity.as_deref(),
    };
    let wrapped = tls::wrap(&wanted, host, stream).map_err(|broken| match broken {
        Broken::File(why) => Trouble::Refused(
            Failure::usage(why)
                .hint("PEM files are read here; Java's key stores are not: `keytool -exportcert -rfc` writes PEM"),
        ),
        Broken::Roots(why) => Trouble::Refused(Failure::usage(why)),
        Broken::Untrusted(why) => Trouble::Refused(Failure::unreachable(format!("{host} cannot be trusted: {why}")).hint(
            "`ca` under the store's section, or ssl.truststore.location with ssl.truststore.type=PEM, names the roots",
        )),
        Broken::NoTls(_) => Trouble::Line(format!("{host} does not speak TLS on this port")),
        Broken::Line(e) => Trouble::from(e),
    })?;
    Ok(Box::new(wrapped))
}
