//! TLS over rustls, as `ssl-mode` has it.

use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};

use super::Trouble;
use crate::stores::mysql::endpoint::{Mode, Tls};

/// Puts TLS around a stream.
///
/// # Errors
/// Roots that cannot be read; a server that is not who it should be.
pub fn wrap(
    wanted: &Tls,
    host: &str,
    mut stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Trouble> {
    let refused = |why: String| Trouble::Untrusted(format!("{host} cannot be trusted: {why}"));
    let config = config(wanted)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| refused(e.to_string()))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|e| refused(e.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|e| match e.get_ref().and_then(|i| i.downcast_ref::<Error>()) {
            Some(error) => refused(error.to_string()),
            None => Trouble::Line(format!("{host} hung up while TLS was being set up: {e}")),
        })?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn config(wanted: &Tls) -> Result<ClientConfig, Trouble> {
    let unusable = |e: String| Trouble::Untrusted(format!("TLS cannot be used: {e}"));
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(e.to_string()))?;
    let check = match wanted.mode {
        Mode::Disabled | Mode::Local | Mode::Preferred | Mode::Required => None,
        Mode::VerifyCa | Mode::VerifyIdentity => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(match &wanted.ca {
                Some(path) => certificates(path)?,
                None => rustls_native_certs::load_native_certs().certs,
            });
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
            Some(verifier.map_err(|e| unusable(e.to_string()))?)
        }
    };
    let verifier = Lenient { check, any_name: wanted.mode != Mode::VerifyIdentity, provider };
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Trouble> {
    let unreadable = |why: String| Trouble::Untrusted(format!("{} cannot be used for TLS: {why}", path.display()));
    let all = CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|e| unreadable(e.to_string()))?;
    if all.is_empty() { Err(unreadable("there is no PEM certificate in it".to_owned())) } else { Ok(all) }
}

/// Checks as much as the mode asks for: the chain and the name, the chain, or nothing.
#[derive(Debug)]
struct Lenient {
    check: Option<Arc<WebPkiServerVerifier>>,
    any_name: bool,
    provider: Arc<rustls::crypto::CryptoProvider>,
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
        let Some(check) = &self.check else { return Ok(ServerCertVerified::assertion()) };
        match check.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is compared last: who comes this far has a good chain.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
