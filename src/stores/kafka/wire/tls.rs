//! TLS over rustls, as `ssl.*` of Kafka's client properties has it.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};

use super::connection::Trouble;
use crate::domain::Failure;

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
pub fn wrap(
    wanted: &Wanted,
    host: &str,
    mut stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Trouble> {
    let config = config(wanted).map_err(Trouble::Refused)?;
    let refused = |why: String| {
        Trouble::Refused(Failure::unreachable(format!("{host} cannot be trusted: {why}")).hint(
            "`ca` under the store's section, or ssl.truststore.location with ssl.truststore.type=PEM, names the roots",
        ))
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|e| refused(e.to_string()))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|e| refused(e.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|e| match e.get_ref().and_then(|i| i.downcast_ref::<Error>()) {
            Some(Error::InvalidMessage(_)) => Trouble::Line(format!("{host} does not speak TLS on this port")),
            Some(error) => refused(error.to_string()),
            None => Trouble::from(e),
        })?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn config(wanted: &Wanted) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    match &wanted.roots {
        Some(path) => {
            roots.add_parsable_certificates(certificates(path)?);
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let unusable = |e: String| Failure::usage(format!("the root certificates cannot be used: {e}"));
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|e| unusable(e.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::failed(format!("TLS cannot be used: {e}")))?;
    let builder = match wanted.any_name {
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyName(verifier))),
        false => builder.with_webpki_verifier(verifier),
    };
    match &wanted.identity {
        None => Ok(builder.with_no_client_auth()),
        Some(path) => {
            let key = PrivateKeyDer::from_pem_file(path).map_err(|e| unreadable(path, &e.to_string()))?;
            builder.with_client_auth_cert(certificates(path)?, key).map_err(|e| unreadable(path, &e.to_string()))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let all = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(path, &e.to_string()))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| unreadable(path, &e.to_string()))?;
    match all.is_empty() {
        true => Err(unreadable(path, "there is no PEM certificate in it")),
        false => Ok(all),
    }
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("{} cannot be used for TLS: {why}", path.display()))
        .hint("PEM files are read here; Java's key stores are not: `keytool -exportcert -rfc` writes PEM")
}

/// A good chain is enough, whoever it was made out to.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
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
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
