//! Whom a verifier trusts.

use std::time::Duration;

use super::*;

/// Made out to localhost, signed by itself, valid from 2026 to 2081; it says that it may sign others.
const SELF_SIGNED: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBlDCCATugAwIBAgIUfNBBdTUPvCzH4cYU3c5EImbVCFkwCgYIKoZIzj0EAwIw\n\
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE5NDY1NFoYDzIwODEwODI0\n\
MTk0NjU0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n\
PQMBBwNCAARi/hq3w6NeoOZGEK/yzEmRqtC2DVj/s9gS3Aw9sOJcjGbMnTjToGsb\n\
ftdsuFNA/LTIEv3PP955JVS+hFCkT1lmo2kwZzAdBgNVHQ4EFgQUvAXsgUBTchfW\n\
boy7I5335QTVtvMwHwYDVR0jBBgwFoAUvAXsgUBTchfWboy7I5335QTVtvMwDwYD\n\
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID\n\
RwAwRAIgJhDOT8j2DkY0W+417tBWlblFfHIBIeSfzCLwlE86f3QCIERMeZ0yvUyP\n\
O88o+45tuCOmap54uHhEtzbzbujU1q+Y\n\
-----END CERTIFICATE-----\n\
";

/// Another one, in the same name.
const OTHER: &[u8] = b"\
-----BEGIN CERTIFICATE-----\n\
MIIBlTCCATugAwIBAgIURgKcF6briZXfO4liw5isGJaeE70wCgYIKoZIzj0EAwIw\n\
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTE5NDY1NFoYDzIwODEwODI0\n\
MTk0NjU0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n\
PQMBBwNCAAR5CROkn7VvT838CXFkGCybzvIvAbEgJ0zzFh/K0/uX76DwW61+7wE8\n\
UVB4p/jyvMCs7mHZ2rx+tE2nSJpVU/xdo2kwZzAdBgNVHQ4EFgQULZM74F352b/H\n\
SImvqYzmOEPyZ0EwHwYDVR0jBBgwFoAULZM74F352b/HSImvqYzmOEPyZ0EwDwYD\n\
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID\n\
SAAwRQIhAK3b0GKPhxtbdbPbGeDVwbQDeJQ1wP1CkllvtWa9FH0nAiB3vocadR1s\n\
b0uq8pRqz1SawUehcFDviMe2sV6Q7zRw0w==\n\
-----END CERTIFICATE-----\n\
";

/// Shows the self-signed certificate to one who trusts `root`, in some year, from some host.
fn verdict(check: Check, root: &[u8], year: u64, host: &str) -> Result<(), Error> {
    let read = |pem| CertificateDer::from_pem_slice(pem).unwrap();
    let verifier = Verifier::new(check, vec![read(root)], Vec::new()).unwrap();
    let now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
    let name = ServerName::try_from(host.to_owned()).unwrap();
    verifier.verify_server_cert(&read(SELF_SIGNED), &[], &name, &[], now).map(drop)
}

#[test]
fn a_self_signed_certificate_is_its_own_root_as_for_openssl() {
    assert_eq!(verdict(Check::Name, SELF_SIGNED, 2030, "localhost"), Ok(()));
    assert_eq!(verdict(Check::Chain, SELF_SIGNED, 2030, "elsewhere"), Ok(()));
    let said = verdict(Check::Name, SELF_SIGNED, 2030, "elsewhere").unwrap_err().to_string();
    assert!(said.contains("not valid for name \"elsewhere\""), "{said}");
}

#[test]
fn another_root_and_another_time_are_refused_and_nothing_where_nothing_is_checked() {
    for check in [Check::Chain, Check::Name] {
        assert!(verdict(check, OTHER, 2030, "localhost").is_err());
        for year in [2020, 2090] {
            let said = verdict(check, SELF_SIGNED, year, "localhost").unwrap_err().to_string();
            assert!(said.contains("expired") || said.contains("not valid yet"), "{said}");
        }
    }
    assert_eq!(verdict(Check::Nothing, OTHER, 2090, "elsewhere"), Ok(()));
    let nothing = Verifier::new(Check::Name, Vec::new(), Vec::new());
    assert!(nothing.is_err_and(|broken| matches!(broken, Broken::Roots(_))));
}
