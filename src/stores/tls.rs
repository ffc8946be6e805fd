//! TLS over rustls, around a stream of a store's own. What is said about it is each kind's affair.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WantsClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
};

/// What a protocol travels over, with TLS around it or without.
pub trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// What of a server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Nothing: the line is encrypted, whoever is at its end.
    Nothing,
    /// That one of the roots has signed it.
    Chain,
    /// That, and that it is the host's.
    Name,
}

/// What a connection wants of TLS.
pub struct Wanted<'a> {
    /// How much is checked.
    pub check: Check,
    /// A PEM file with the roots that are trusted; the system's without it.
    pub roots: Option<&'a Path>,
    /// Further roots, in DER.
    pub more: &'a [Vec<u8>],
    /// A PEM file with our own key and certificates.
    pub identity: Option<&'a Path>,
}

/// Why there is no TLS, in words to go on with.
#[derive(Debug)]
pub enum Broken {
    /// A file of ours cannot be used.
    File(String),
    /// The roots are of no use, or there are none.
    Roots(String),
    /// The server is not who it should be.
    Untrusted(String),
    /// What the server says is no TLS.
    NoTls(String),
    /// The line broke while it was being set up.
    Line(io::Error),
}

/// Puts TLS around a stream. `name` is the host's, without brackets.
///
/// # Errors
/// Files that cannot be read; a server that is not who it should be, or speaks no TLS.
pub fn wrap(
    wanted: &Wanted<'_>,
    name: &str,
    mut stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Broken> {
    let config = config(wanted)?;
    let name = ServerName::try_from(name.to_owned()).map_err(|e| Broken::Untrusted(e.to_string()))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|e| Broken::Untrusted(e.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|e| match e.get_ref().and_then(|i| i.downcast_ref::<Error>()) {
            Some(error @ Error::InvalidMessage(_)) => Broken::NoTls(error.to_string()),
            Some(error) => Broken::Untrusted(error.to_string()),
            None => Broken::Line(e),
        })?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn config(wanted: &Wanted<'_>) -> Result<ClientConfig, Broken> {
    let roots = match (wanted.check, wanted.roots) {
        (Check::Nothing, _) => Vec::new(),
        (_, Some(path)) => certificates(path)?,
        (_, None) => rustls_native_certs::load_native_certs().certs,
    };
    let more = wanted.more.iter().map(|der| CertificateDer::from(der.clone()));
    let verifier = Verifier::new(wanted.check, roots.into_iter().chain(more).collect(), Vec::new())?;
    let builder = builder(rustls::DEFAULT_VERSIONS, verifier)?;
    let Some(path) = wanted.identity else { return Ok(builder.with_no_client_auth()) };
    with_identity(builder, path, path)
}

/// The beginning of a configuration that verifies like this.
///
/// # Errors
/// [`Broken::Roots`], where TLS itself cannot be used.
pub fn builder(
    versions: &[&'static SupportedProtocolVersion],
    verifier: Verifier,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Broken> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_protocol_versions(versions)
        .map_err(|e| Broken::Roots(format!("TLS cannot be used: {e}")))?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
}

/// The end of one that shows our own certificates.
///
/// # Errors
/// [`Broken::File`]: a file that cannot be read, or a key that is not the certificate's.
pub fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    chain: &Path,
    key: &Path,
) -> Result<ClientConfig, Broken> {
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| match e {
        pem::Error::NoItemsFound => unreadable(key, "there is no unencrypted PEM key in it"),
        other => unreadable(key, &other.to_string()),
    })?;
    builder.with_client_auth_cert(certificates(chain)?, secret).map_err(|e| unreadable(chain, &e.to_string()))
}

/// The certificates of a PEM file.
///
/// # Errors
/// [`Broken::File`]: it cannot be read, or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Broken> {
    items(path, "there is no PEM certificate in it")
}

/// The lists of revoked certificates of a PEM file.
///
/// # Errors
/// [`Broken::File`]: it cannot be read, or holds none.
pub fn revoked(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, Broken> {
    items(path, "there is no PEM revocation list in it")
}

fn items<T: PemObject>(path: &Path, nothing: &str) -> Result<Vec<T>, Broken> {
    let all = T::pem_file_iter(path).map_err(|e| unreadable(path, &e.to_string()))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| unreadable(path, &e.to_string()))?;
    if all.is_empty() { Err(unreadable(path, nothing)) } else { Ok(all) }
}

fn unreadable(path: &Path, why: &str) -> Broken {
    Broken::File(format!("{} cannot be used for TLS: {why}", path.display()))
}

/// Verifies a server's certificate as deep as is wanted.
#[derive(Debug)]
pub struct Verifier {
    check: Check,
    roots: Vec<CertificateDer<'static>>,
    /// None where nothing is checked, or where no root can sign anything.
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    otherwise: Option<Names>,
}

/// Whether a certificate is made out to a host.
type Names = fn(&CertificateDer<'_>, &ServerName<'_>) -> bool;

impl Verifier {
    /// One that trusts these roots, and nothing that these lists revoke.
    ///
    /// # Errors
    /// [`Broken::Roots`]: there are none, or they are of no use.
    pub fn new(
        check: Check,
        roots: Vec<CertificateDer<'static>>,
        revoked: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, Broken> {
        let provider = Arc::new(default_provider());
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.iter().cloned());
        let chain = match check != Check::Nothing && (!store.is_empty() || roots.is_empty()) {
            true => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
                    .with_crls(revoked)
                    .build()
                    .map_err(|e| match e {
                        VerifierBuilderError::InvalidCrl(e) => {
                            Broken::Roots(format!("the revocation list cannot be used: {e:?}"))
                        }
                        e => Broken::Roots(format!("the root certificates cannot be used: {e}")),
                    })?,
            ),
            false => None,
        };
        Ok(Self { check, roots, chain, provider, otherwise: None })
    }

    /// The same, that asks this of a certificate which names nobody under `subjectAltName`.
    #[must_use]
    pub fn or_named(mut self, names: Names) -> Self {
        self.otherwise = Some(names);
        self
    }

    /// Whether the host's name, which is compared last, is in order after all.
    fn forgives(&self, error: &Error, certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match error {
            Error::InvalidCertificate(NotValidForNameContext { presented, .. }) if self.check == Check::Name => {
                presented.is_empty() && self.otherwise.is_some_and(|names| names(certificate, host))
            }
            Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => self.check == Check::Chain,
            _ => false,
        }
    }
}

/// Whether no other objection is raised than that the certificate is not what the library expects of a server's: a
/// self-signed one says that it signs others, or is of an old make. OpenSSL takes one that is among the roots.
fn is_about_form(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_) | CertificateError::UnknownIssuer))
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
        if self.check == Check::Nothing {
            return Ok(ServerCertVerified::assertion());
        }
        let verdict = match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        let is_root = || self.roots.iter().any(|root| root.as_ref() == end_entity.as_ref());
        let verdict = match verdict {
            Err(error) if is_about_form(&error) && is_root() => match self.check {
                Check::Name => verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)
                    .map(|()| ServerCertVerified::assertion()),
                _ => Ok(ServerCertVerified::assertion()),
            },
            verdict => verdict,
        };
        match verdict {
            Err(error) if self.forgives(&error, end_entity, name) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
