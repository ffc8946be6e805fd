//! TLS as libpq's `sslmode` has it, over rustls.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use postgres::config::SslMode;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::common_name;
use super::endpoint::{Endpoint, Server};
use crate::domain::Failure;
use crate::stores::tls::{self, Broken, Check, Verifier};

/// Where the trusted roots come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    None,
    System,
    File(PathBuf),
}

/// What a connection wants of TLS.
#[derive(Clone, Debug)]
pub struct Wanted {
    tries: &'static [SslMode],
    check: Check,
    roots: Roots,
    revoked: Option<PathBuf>,
    /// Our own certificate, and its key.
    identity: Option<(PathBuf, PathBuf)>,
    versions: Vec<&'static SupportedProtocolVersion>,
    names_host: bool,
}

impl Wanted {
    /// Reads `sslmode` and what belongs to it.
    ///
    /// # Errors
    /// An unknown mode; a mode that verifies without roots to verify with; a key without its certificate.
    pub fn of(endpoint: &Endpoint) -> Result<Self, Failure> {
        let roots = match endpoint.get("sslrootcert") {
            Some("system") => Roots::System,
            _ => file(endpoint, "sslrootcert").map_or(Roots::None, Roots::File),
        };
        let mode = mode_for_psql(endpoint).unwrap_or_else(|| "prefer".to_owned());
        if roots == Roots::System && mode != "verify-full" {
            return Err(Failure::usage(format!("`sslmode={mode}` is too weak for `sslrootcert=system`"))
                .hint("anybody has a certificate that the system trusts: use `sslmode=verify-full`"));
        }
        // As in libpq: a root certificate at hand is used, whatever the mode.
        let rooted = if matches!(&roots, Roots::File(path) if path.exists()) { Check::Chain } else { Check::Nothing };
        let (tries, check): (&'static [SslMode], Check) = match mode.as_str() {
            "disable" => (&[SslMode::Disable], Check::Nothing),
            "allow" => (&[SslMode::Disable, SslMode::Require], rooted),
            "prefer" => (&[SslMode::Prefer, SslMode::Disable], rooted),
            // A file that was named and is not there must not turn the check off.
            "require" if matches!(roots, Roots::File(_)) => (&[SslMode::Require], Check::Chain),
            "require" => (&[SslMode::Require], Check::Nothing),
            "verify-ca" => (&[SslMode::Require], Check::Chain),
            "verify-full" => (&[SslMode::Require], Check::Name),
            other => {
                return Err(Failure::usage(format!("`{other}` is no value of `sslmode`"))
                    .hint("the values are disable, allow, prefer, require, verify-ca and verify-full"));
            }
        };
        // As in libpq, TLS is no matter where no network lies between.
        let is_local = endpoint.servers.iter().all(Server::is_local);
        let check = if is_local { Check::Nothing } else { check };
        if check != Check::Nothing && roots == Roots::None {
            return Err(Failure::usage(
                "sslmode wants the server's certificate verified, and no root certificate is set",
            )
            .hint("set sslrootcert to a file, or to `system`, or put the file at ~/.postgresql/root.crt"));
        }
        let identity = if is_local || mode == "disable" { None } else { identity(endpoint)? };
        let revoked = if check == Check::Nothing { None } else { file(endpoint, "sslcrl") };
        let names_host = endpoint.get("sslsni") != Some("0");
        Ok(Self { tries, check, roots, revoked, identity, versions: versions(endpoint)?, names_host })
    }

    /// Modes to try one after the other.
    pub fn tries(&self, server: &Server) -> &'static [SslMode] {
        if server.is_local() { &[SslMode::Disable] } else { self.tries }
    }

    /// The driver's connector.
    ///
    /// # Errors
    /// A certificate or key that cannot be read.
    pub fn connector(&self) -> Result<MakeRustlsConnect, Failure> {
        let broken = |broken| match broken {
            Broken::File(why) | Broken::Roots(why) | Broken::Untrusted(why) | Broken::NoTls(why) => Failure::usage(why),
            Broken::Line(e) => Failure::unreachable(e.to_string()),
        };
        let roots = match &self.roots {
            _ if self.check == Check::Nothing => Vec::new(),
            Roots::None => Vec::new(),
            Roots::System => rustls_native_certs::load_native_certs().certs,
            Roots::File(path) => tls::certificates(path).map_err(broken)?,
        };
        let revoked = self.revoked.as_deref().map_or(Ok(Vec::new()), tls::revoked).map_err(broken)?;
        let verifier = Verifier::new(self.check, roots, revoked).map_err(broken)?.or_named(common_name::names);
        let builder = tls::builder(&self.versions, verifier).map_err(broken)?;
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => tls::with_identity(builder, certificate, key).map_err(broken)?,
        };
        config.enable_sni = self.names_host;
        Ok(MakeRustlsConnect::new(config))
    }
}

/// The file that a keyword names, else the one in libpq's own place.
fn file(endpoint: &Endpoint, keyword: &str) -> Option<PathBuf> {
    let usual = match keyword {
        "sslrootcert" => "root.crt",
        "sslcrl" => "root.crl",
        "sslcert" => "postgresql.crt",
        _ => "postgresql.key",
    };
    let usual = || endpoint.home.as_ref().map(|h| h.join(".postgresql").join(usual)).filter(|p| p.exists());
    endpoint.path(keyword).or_else(usual)
}

/// The same for psql. One that is older than 16 takes `system` for a file's name.
pub fn file_for_psql(endpoint: &Endpoint, keyword: &str) -> Option<String> {
    if keyword == "sslrootcert" && endpoint.get(keyword) == Some("system") {
        let named = std::env::var("SSL_CERT_FILE").ok().filter(|file| !file.is_empty());
        let usual = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
        let found = named.or_else(|| usual.into_iter().find(|f| Path::new(f).exists()).map(str::to_owned));
        return found.or_else(|| Some("system".to_owned()));
    }
    file(endpoint, keyword).map(|path| path.display().to_string())
}

/// `sslmode`, if it was said or follows from what was said.
pub fn mode_for_psql(endpoint: &Endpoint) -> Option<String> {
    let usual = endpoint.get("sslrootcert").filter(|roots| *roots == "system").map(|_| "verify-full");
    endpoint.get("sslmode").or(usual).map(str::to_owned)
}

fn identity(endpoint: &Endpoint) -> Result<Option<(PathBuf, PathBuf)>, Failure> {
    let Some(certificate) = file(endpoint, "sslcert") else { return Ok(None) };
    let Some(key) = file(endpoint, "sslkey") else {
        return Err(Failure::usage(format!("{} is a certificate, and there is no key to it", certificate.display()))
            .hint("set sslkey to the key's file, or put it at ~/.postgresql/postgresql.key"));
    };
    // As in libpq, which lets root share a key with a group.
    let shared = key.metadata().is_ok_and(|m| m.mode() & if m.uid() == 0 { 0o037 } else { 0o077 } != 0);
    if shared {
        return Err(Failure::usage(format!("the key {} is not used: others may read it", key.display()))
            .hint(format!("`chmod 0600 {}`", key.display())));
    }
    Ok(Some((certificate, key)))
}

/// TLS's versions between `ssl_min_protocol_version` and `ssl_max_protocol_version`.
fn versions(endpoint: &Endpoint) -> Result<Vec<&'static SupportedProtocolVersion>, Failure> {
    let minor = |keyword: &str, usual: u8| match endpoint.get(keyword).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(usual),
        Some("tlsv1") => Ok(0),
        Some("tlsv1.1") => Ok(1),
        Some("tlsv1.2") => Ok(2),
        Some("tlsv1.3") => Ok(3),
        _ => {
            let value = endpoint.get(keyword).unwrap_or_default();
            Err(Failure::usage(format!("`{value}` is no value of `{keyword}`"))
                .hint("the values are TLSv1, TLSv1.1, TLSv1.2 and TLSv1.3"))
        }
    };
    let range = minor("ssl_min_protocol_version", 2)?..=minor("ssl_max_protocol_version", 3)?;
    let spoken = [(3, &TLS13), (2, &TLS12)].into_iter().filter(|(minor, _)| range.contains(minor));
    let spoken: Vec<_> = spoken.map(|(_, version)| version).collect();
    if spoken.is_empty() {
        return Err(Failure::usage("no version of TLS is left: TLS 1.2 and 1.3 are spoken here")
            .hint("ssl_min_protocol_version and ssl_max_protocol_version say which may be used"));
    }
    Ok(spoken)
}
