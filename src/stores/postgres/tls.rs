//! TLS as libpq's `sslmode` has it, over rustls.

use std::path::PathBuf;
use std::sync::Arc;

use postgres::config::SslMode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::endpoint::Endpoint;
use crate::domain::Failure;

/// How much of a server's certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// Nothing: the line is encrypted, whoever is at its end.
    None,
    /// That one of the roots has signed it.
    Chain,
    /// That, and that it is the host's.
    Name,
}

/// Where the trusted roots come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    None,
    System,
    File(PathBuf),
}

/// What a connection wants of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Modes to try one after the other.
    pub tries: &'static [SslMode],
    depth: Depth,
    roots: Roots,
    client: Option<(PathBuf, PathBuf)>,
}

impl Wanted {
    /// Reads `sslmode` and what belongs to it.
    ///
    /// # Errors
    /// An unknown mode; a mode that verifies without roots to verify with.
    pub fn of(endpoint: &Endpoint) -> Result<Self, Failure> {
        let beside =
            |name: &str| endpoint.home.as_ref().map(|h| h.join(".postgresql").join(name)).filter(|p| p.exists());
        let roots = match endpoint.get("sslrootcert") {
            Some("system") => Roots::System,
            Some(path) => Roots::File(PathBuf::from(path)),
            None => beside("root.crt").map_or(Roots::None, Roots::File),
        };
        let usual = if roots == Roots::System { "verify-full" } else { "prefer" };
        let (tries, depth): (&'static [SslMode], Depth) = match endpoint.get("sslmode").unwrap_or(usual) {
            _ if endpoint.is_local() => (&[SslMode::Disable], Depth::None),
            "disable" => (&[SslMode::Disable], Depth::None),
            "allow" => (&[SslMode::Disable, SslMode::Require], Depth::None),
            "prefer" => (&[SslMode::Prefer, SslMode::Disable], Depth::None),
            // As in libpq: with a root certificate at hand it is used.
            "require" if matches!(roots, Roots::File(_)) => (&[SslMode::Require], Depth::Chain),
            "require" => (&[SslMode::Require], Depth::None),
            "verify-ca" => (&[SslMode::Require], Depth::Chain),
            "verify-full" => (&[SslMode::Require], Depth::Name),
            other => {
                return Err(Failure::usage(format!("`{other}` is no value of `sslmode`"))
                    .hint("the values are disable, allow, prefer, require, verify-ca and verify-full"));
            }
        };
        if depth != Depth::None && roots == Roots::None {
            return Err(Failure::usage(
                "sslmode wants the server's certificate verified, and no root certificate is set",
            )
            .hint("set sslrootcert to a file, or to `system`, or put the file at ~/.postgresql/root.crt"));
        }
        let own = |keyword: &str, name: &str| endpoint.get(keyword).map(PathBuf::from).or_else(|| beside(name));
        let client = own("sslcert", "postgresql.crt").zip(own("sslkey", "postgresql.key"));
        Ok(Self { tries, depth, roots, client })
    }

    /// The driver's connector.
    ///
    /// # Errors
    /// A certificate or key that cannot be read.
    pub fn connector(&self) -> Result<MakeRustlsConnect, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = self.certificates()?;
        let verifier = Verifier::new(self.depth, certificates, &provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Failure::failed(format!("TLS cannot be used: {e}")))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = read_certificates(certificate)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, &e))?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| Failure::usage(format!("{} cannot be used: {e}", certificate.display())))?
            }
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Failure> {
        match &self.roots {
            _ if self.depth == Depth::None => Ok(Vec::new()),
            Roots::None => Ok(Vec::new()),
            Roots::System => Ok(rustls_native_certs::load_native_certs().certs),
            Roots::File(path) => read_certificates(path),
        }
    }
}

fn read_certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|e| unreadable(path, &e))?;
    if certificates.is_empty() {
        return Err(Failure::usage(format!("{} holds no certificate", path.display())));
    }
    Ok(certificates)
}

fn unreadable(path: &std::path::Path, error: &rustls::pki_types::pem::Error) -> Failure {
    let why = match error {
        rustls::pki_types::pem::Error::Io(io) => io.to_string(),
        other => format!("{other:?}"),
    };
    Failure::usage(format!("{} cannot be read: {why}", path.display()))
}

/// Verifies as deep as `sslmode` says.
#[derive(Debug)]
struct Verifier {
    depth: Depth,
    /// Certificates that are trusted as they are: OpenSSL takes a self-signed server certificate for its own root,
    /// the stricter library does not.
    pinned: Vec<CertificateDer<'static>>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(
        depth: Depth,
        pinned: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Failure> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(pinned.iter().cloned());
        let chain = if depth == Depth::None || store.is_empty() {
            None
        } else {
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider)).build();
            Some(built.map_err(|e| Failure::usage(format!("the root certificates cannot be used: {e}")))?)
        };
        Ok(Self { depth, pinned, chain, provider: Arc::clone(provider) })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.depth == Depth::None {
            return Ok(ServerCertVerified::assertion());
        }
        if self.pinned.iter().any(|p| p.as_ref() == end_entity.as_ref()) {
            if self.depth == Depth::Name {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
            }
            return Ok(ServerCertVerified::assertion());
        }
        let Some(chain) = &self.chain else { return Err(CertificateError::UnknownIssuer.into()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is compared last: who comes this far has a good chain.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.depth == Depth::Chain => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
