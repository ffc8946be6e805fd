//! TLS over rustls, around a stream of a store's own. What is said about it is each kind's affair.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
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
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Broken::Roots(format!("TLS cannot be used: {e}")))?;
    let lenient = |chain| Arc::new(Lenient { chain, provider: Arc::clone(&provider) });
    let builder = match wanted.check {
        Check::Nothing => builder.dangerous().with_custom_certificate_verifier(lenient(None)),
        Check::Chain => builder.dangerous().with_custom_certificate_verifier(lenient(Some(chain(wanted, &provider)?))),
        Check::Name => builder.with_webpki_verifier(chain(wanted, &provider)?),
    };
    let Some(path) = wanted.identity else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_file(path).map_err(|e| unreadable(path, &e.to_string()))?;
    builder.with_client_auth_cert(certificates(path)?, key).map_err(|e| unreadable(path, &e.to_string()))
}

fn chain(wanted: &Wanted<'_>, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, Broken> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(match wanted.roots {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    });
    store.add_parsable_certificates(wanted.more.iter().map(|der| CertificateDer::from_slice(der)));
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider))
        .build()
        .map_err(|e| Broken::Roots(format!("the root certificates cannot be used: {e}")))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Broken> {
    let all = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(path, &e.to_string()))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| unreadable(path, &e.to_string()))?;
    match all.is_empty() {
        true => Err(unreadable(path, "there is no PEM certificate in it")),
        false => Ok(all),
    }
}

fn unreadable(path: &Path, why: &str) -> Broken {
    Broken::File(format!("{} cannot be used for TLS: {why}", path.display()))
}

/// Takes a good chain whoever it was made out to, or whatever is shown.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is compared last: who comes this far has a good chain.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
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
