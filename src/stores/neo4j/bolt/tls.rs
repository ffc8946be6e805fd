//! TLS over rustls: `+s` trusts what the system trusts, and `ca`; `+ssc` whoever is at the line's end.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned,
};

use super::Trouble;

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
pub fn wrap(
    trust: Trust<'_>,
    host: &str,
    mut stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Trouble> {
    let refused = |why: String| Trouble::Line(format!("{host} cannot be trusted: {why}"));
    let config = config(trust).map_err(|e| refused(e.to_string()))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|e| refused(e.to_string()))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|e| refused(e.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|e| match e.get_ref().and_then(|i| i.downcast_ref::<Error>()) {
            Some(Error::InvalidMessage(_)) => Trouble::Line(format!("{host} does not speak TLS on this port")),
            Some(error) => refused(error.to_string()),
            None => Trouble::Line(format!("{host} hung up while TLS was being set up: {e}")),
        })?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn config(trust: Trust<'_>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let Trust::System(more) = trust else {
        let verifier = Arc::new(Anybody(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.add_parsable_certificates(more.iter().map(|der| CertificateDer::from_slice(der)));
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate, as `+ssc` asks for: the line is encrypted, whoever is at its end.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
