//! TLS as the options `tls*` of a connection string have it.

use std::io::ErrorKind;
use std::net::TcpStream;

use super::connection::Trouble;
use crate::domain::Failure;
use crate::stores::mongodb::endpoint::Tls;
use crate::stores::tls::{self, Broken, Check, Line, Wanted};

/// Puts TLS around a stream.
///
/// # Errors
/// Files that cannot be read; a server that is not who it should be.
pub fn wrap(wanted: &Tls, host: &str, stream: TcpStream) -> Result<Box<dyn Line>, Trouble> {
    let wanted = Wanted {
        check: if wanted.any { Check::Nothing } else { Check::Name },
        roots: wanted.roots.as_deref(),
        more: &[],
        identity: wanted.identity.as_deref(),
    };
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let wrapped = tls::wrap(&wanted, name, stream).map_err(|broken| match broken {
        Broken::File(why) => Trouble::Refused(Failure::usage(why)),
        Broken::Roots(why) | Broken::Untrusted(why) => Trouble::Refused(
            Failure::unreachable(format!("{host} cannot be trusted: {why}"))
                .hint("`tlsCAFile=FILE` in the URL names the roots that are trusted"),
        ),
        Broken::NoTls(_) => Trouble::Line(format!("{host} does not speak TLS on this port")),
        Broken::Line(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Trouble::Line(format!(
            "{host} does not answer while TLS is being set up: if it speaks none on this port, say `tls=false` behind the `?`"
        )),
        Broken::Line(e) => Trouble::Line(format!("{host} hung up while TLS was being set up: {e}")),
    })?;
    Ok(Box::new(wrapped))
}
