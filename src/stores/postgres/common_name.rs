//! The host's name as a certificate's `CN`: libpq takes it where nothing is said under `subjectAltName`, and the
//! certificates that PostgreSQL's own manual makes have no other.

use rustls::pki_types::{CertificateDer, ServerName};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// Whether the certificate is made out to the host by its common name.
pub fn names(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    let Ok(certificate) = Certificate::from_der(certificate) else { return false };
    let mut parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    // Of several the first one, as in libpq.
    let found = parts.find(|part| part.oid == COMMON_NAME);
    found.and_then(|part| std::str::from_utf8(part.value.value()).ok()).is_some_and(|name| fits(name, &host.to_str()))
}

/// Whether a name stands for a host: `*` for its first label alone.
fn fits(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let (Some(domain), Some((first, rest))) = (name.strip_prefix("*."), host.split_once('.')) else { return false };
    !is_address && !first.is_empty() && domain.contains('.') && domain.eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::UnixTime;
    use rustls::pki_types::pem::PemObject;

    use super::*;
    use crate::stores::tls::{Check, Verifier};

    /// Signed by itself, with the `CN` db.example.com and nothing else.
    const COMMON: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBiDCCAS+gAwIBAgIUBo9k7imjsawJ8AviURrIrGyMO10wCgYIKoZIzj0EAwIw\n\
GTEXMBUGA1UEAwwOZGIuZXhhbXBsZS5jb20wIBcNMjYxMTIxMjAwNTIxWhgPMjA4\n\
MTA4MjQyMDA1MjFaMBkxFzAVBgNVBAMMDmRiLmV4YW1wbGUuY29tMFkwEwYHKoZI\n\
zj0CAQYIKoZIzj0DAQcDQgAEPfL6qETNdbzbLD7IcYmovGf2KfIP2l8oBi5R1hck\n\
Xey8aCY/6Ylq6n94LKdpw6YNzVZBgUWH8YkRiMUhFd5EuKNTMFEwHQYDVR0OBBYE\n\
FGSBbggfNNMOr4ktHtveyqU0G+WRMB8GA1UdIwQYMBaAFGSBbggfNNMOr4ktHtve\n\
yqU0G+WRMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgIjmeKTEb\n\
yyCZ3vEAit74yNF/jwm0mll1BteGUxOJovcCIBV/kxCJEd31zwQTRz915eaXIPdj\n\
NZbzd3EcHVXEv6ZN\n\
-----END CERTIFICATE-----\n\
";

    /// The same, but other.example.com under `subjectAltName`.
    const OTHER: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBpjCCAU2gAwIBAgIUW90nr7lyqWIP3s81QkltWfWnajIwCgYIKoZIzj0EAwIw\n\
GTEXMBUGA1UEAwwOZGIuZXhhbXBsZS5jb20wIBcNMjYxMTIxMjAwNTIxWhgPMjA4\n\
MTA4MjQyMDA1MjFaMBkxFzAVBgNVBAMMDmRiLmV4YW1wbGUuY29tMFkwEwYHKoZI\n\
zj0CAQYIKoZIzj0DAQcDQgAEVZHOeZ+sLHa4T4eoawKem8I3xZDeEM7A/YwkQqWK\n\
MCTUdD9Z/2du7aQqskwSAkZLURugAk4Xpt7iI0pRAEW3VqNxMG8wHQYDVR0OBBYE\n\
FJnHvv558YRTNWO2Ri0K+V3Sam3uMB8GA1UdIwQYMBaAFJnHvv558YRTNWO2Ri0K\n\
+V3Sam3uMA8GA1UdEwEB/wQFMAMBAf8wHAYDVR0RBBUwE4IRb3RoZXIuZXhhbXBs\n\
ZS5jb20wCgYIKoZIzj0EAwIDRwAwRAIgWQFHDHF+sU31GuSUk9jC4ZKmwSgpO3wG\n\
AtJeTxo5ifcCIG8Da4OYOJpAQMQBp9VgvpYpwsHJ/FyMQVe8YbFYCHdl\n\
-----END CERTIFICATE-----\n\
";

    fn trusts(pem: &[u8], host: &str) -> bool {
        let certificate = CertificateDer::from_pem_slice(pem).unwrap();
        let verifier = Verifier::new(Check::Name, vec![certificate.clone()], Vec::new()).unwrap().or_named(names);
        let host = ServerName::try_from(host.to_owned()).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(2_000_000_000));
        verifier.verify_server_cert(&certificate, &[], &host, &[], now).is_ok()
    }

    #[test]
    fn a_common_name_counts_where_nothing_else_is_named() {
        assert!(trusts(COMMON, "db.example.com") && !trusts(COMMON, "example.com"));
        assert!(trusts(OTHER, "other.example.com") && !trusts(OTHER, "db.example.com"));
    }

    #[test]
    fn a_star_stands_for_one_label() {
        for (name, host, expected) in [
            ("db.example.com", "DB.example.com", true),
            ("*.example.com", "db.example.com", true),
            ("*.example.com", "a.db.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.com", "example.com", false),
            ("*", "localhost", false),
            ("*.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("db.example.com\0.evil.com", "db.example.com", false),
            ("", "localhost", false),
        ] {
            assert_eq!(fits(name, host), expected, "{name:?} {host}");
        }
    }
}
