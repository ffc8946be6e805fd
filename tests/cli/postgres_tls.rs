//! TLS to PostgreSQL as `sslmode` has it, for both sides of a run.

use crate::postgres::{Store, variable};
use crate::world::{Said, says};

#[test]
fn a_servers_certificate_is_verified_as_deep_as_sslmode_says() {
    let Some(store) = Store::over_tls("verified") else { return };
    let (ca, wrong) = (variable("POSTGRES_CA").unwrap(), variable("POSTGRES_WRONG_CA").unwrap());
    let (named, unnamed) = (store.url(""), store.url("").replace(&store.host, "127.0.0.2"));
    let full = format!("?sslmode=verify-full&sslrootcert={ca}");
    assert_eq!(store.goes_by(&format!("{named}{full}")), "TLSv1.3 127.0.0.1");
    store.is_refused(&format!("{unnamed}{full}"), 6, &["certificate", "127.0.0.2", "sslmode"]);
    store.goes_by(&format!("{unnamed}?sslmode=verify-ca&sslrootcert={ca}"));
    for mode in ["verify-full", "verify-ca", "require", "prefer"] {
        let url = format!("{named}?sslmode={mode}&sslrootcert={wrong}");
        store.is_refused(&url, 6, &["certificate", "UnknownIssuer", "sslrootcert"]);
    }
    assert_eq!(store.goes_by(&format!("{unnamed}?sslmode=require")), "TLSv1.3 127.0.0.1");
    assert_eq!(store.goes_by(&named), "TLSv1.3 127.0.0.1");
    store.is_refused(&format!("{named}?sslmode=disable"), 6, &["no encryption", "hint", "sslmode"]);
    store.is_refused(&format!("{named}?sslmode=verify-full"), 2, &["no root certificate is set"]);
    store.is_refused(&format!("{named}?sslmode=require&sslrootcert=gone.crt"), 2, &["gone.crt", "No such file"]);
}

#[test]
fn what_libpq_keeps_beside_a_users_home_and_the_system_is_trusted() {
    let Some(store) = Store::over_tls("roots") else { return };
    let (ca, wrong) = (variable("POSTGRES_CA").unwrap(), variable("POSTGRES_WRONG_CA").unwrap());
    let system = store.url("?sslrootcert=system");
    store.goes(&[("POSTGRES_URL", &system), ("SSL_CERT_FILE", &ca)]);
    let said = store.run("up", &[("POSTGRES_URL", &system), ("SSL_CERT_FILE", &wrong)]);
    says(&said, 6, &["certificate"]);
    store.is_refused(&store.url("?sslrootcert=system&sslmode=require"), 2, &["too weak", "verify-full"]);
    // Relative to the project, wherever in it the command is given.
    store.world.write("certs/ca.crt", std::fs::read(&ca).unwrap());
    store.world.write("migrations/postgres/.keep", "");
    let url = store.url("?sslmode=verify-full&sslrootcert=certs/ca.crt");
    store.goes_by(&url);
    let deeper = store.world.path("migrations");
    let up = store.world.command("-C .. up").current_dir(deeper).env("POSTGRES_URL", &url).output().unwrap();
    says(&Said::new(&up, &store.world.path("")), 0, &["1 applied"]);
    store.run("down", &[("POSTGRES_URL", &url)]);
    store.world.write(".postgresql/root.crt", std::fs::read(&wrong).unwrap());
    store.is_refused(&store.url("?sslmode=verify-full"), 6, &["UnknownIssuer"]);
    store.world.write(".postgresql/root.crt", std::fs::read(&ca).unwrap());
    store.goes_by(&store.url("?sslmode=verify-full"));
}

#[test]
fn revoked_certificates_and_versions_of_tls_that_are_not_wanted_are_refused() {
    let Some(store) = Store::over_tls("revoked") else { return };
    let ca = variable("POSTGRES_CA").unwrap();
    let (none, revoked) = (variable("POSTGRES_CRL").unwrap(), variable("POSTGRES_REVOKED_CRL").unwrap());
    let full = store.url(&format!("?sslmode=verify-full&sslrootcert={ca}"));
    store.goes_by(&format!("{full}&sslcrl={none}"));
    store.is_refused(&format!("{full}&sslcrl={revoked}"), 6, &["certificate", "Revoked"]);
    assert_eq!(store.goes_by(&format!("{full}&ssl_max_protocol_version=TLSv1.2")), "TLSv1.2 127.0.0.1");
    store.is_refused(&format!("{full}&ssl_max_protocol_version=TLSv1.1"), 2, &["TLS 1.2 and 1.3"]);
    store.goes_by(&format!("{full}&channel_binding=require&sslsni=0"));
}

#[test]
fn a_role_comes_in_with_a_certificate_of_its_own() {
    let Some(store) = Store::new("postgres", "POSTGRES", "stepladder_cert", "cert") else { return };
    let of = |name: &str| variable(&format!("POSTGRES_{name}")).unwrap();
    let (certificate, key) = (of("CLIENT_CERT"), of("CLIENT_KEY"));
    let url = format!("postgres://stepladder_cert@localhost:{}/{}?sslmode=require", store.port, store.database);
    assert_eq!(store.goes_by(&format!("{url}&sslcert={certificate}&sslkey={key}")), "TLSv1.3 127.0.0.1");
    store.is_refused(&url, 6, &["certificate"]);
    store.is_refused(&format!("{url}&sslcert={certificate}"), 2, &["there is no key to it", "sslkey"]);
    let key = std::fs::read_to_string(key).unwrap();
    let open = store.private("open.key", &key, 0o644);
    store.is_refused(&format!("{url}&sslcert={certificate}&sslkey={open}"), 2, &["others may read it", "chmod 0600"]);
    store.private(".postgresql/postgresql.key", &key, 0o600);
    store.world.write(".postgresql/postgresql.crt", std::fs::read(&certificate).unwrap());
    store.goes_by(&url);
}
