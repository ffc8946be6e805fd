//! TLS over rustls, as the options `tls*` of a connection string have it.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned,
};

use super::connection::Trouble;
use crate::domain::Failure;
use crate::stores::mongodb::endpoint::Tls;

/// Puts TLS around a stream.
///
/// # Errors
/// Files that cannot be read; a server that is not who it should be.
pub fn wrap(
    wanted: &Tls,
    host: &str,
    mut stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Trouble> {
    let config = config(wanted).map_err(Trouble::Refused)?;
    let refused = |why: String| {
        Trouble::Refused(
            Failure::unreachable(format!("{host} cannot be trusted: {why}"))
                .hint("`tlsCAFile=FILE` in the URL names the roots that are trusted"),
        )
    };
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|e| refused(e.to_string()))?;
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(|e| refused(e.to_string()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|e| match e.get_ref().and_then(|i| i.downcast_ref::<Error>()) {
            Some(Error::InvalidMessage(_)) => Trouble::Line(format!("{host} does not speak TLS on this port")),
            Some(error) => refused(error.to_string()),
            None if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Trouble::Line(format!(
                "{host} does not answer while TLS is being set up: if it speaks none on this port, say `tls=false` behind the `?`"
            )),
            None => Trouble::Line(format!("{host} hung up while TLS was being set up: {e}")),
        })?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn config(wanted: &Tls) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Failure::failed(format!("TLS cannot be used: {e}")))?;
    let builder = if wanted.any {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(match &wanted.roots {
            Some(path) => certificates(path)?,
            None => rustls_native_certs::load_native_certs().certs,
        });
        builder.with_root_certificates(roots)
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
}

/// Takes any certificate, as `tlsInsecure=true` asks for: the line is encrypted, whoever is at its end.
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
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
