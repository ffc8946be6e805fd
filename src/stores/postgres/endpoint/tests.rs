//! Connections are resolved as libpq resolves them.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn try_resolve(url: &str, variables: &Environment) -> Result<Endpoint, Failure> {
    Endpoint::resolve(&Secret::new(url), &["postgres"], variables, Path::new("/project"))
}

fn resolve(url: &str, variables: &Environment) -> Endpoint {
    try_resolve(url, variables).unwrap()
}

fn shown(endpoint: &Endpoint) -> String {
    endpoint.environment().iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
}

fn passwords(endpoint: &Endpoint) -> Vec<Option<&str>> {
    endpoint.servers.iter().map(|server| server.password.as_ref().map(Secret::reveal)).collect()
}

#[test]
fn the_url_wins_over_the_environment_and_both_over_defaults() {
    let variables = Environment::of([("PGHOST", "env"), ("PGUSER", "me"), ("PGPASSWORD", "hunter2"), ("PGPORT", "6")]);
    let endpoint = resolve("postgres://url:7", &variables);
    assert_eq!(endpoint.to_string(), "me@url:7/me");
    assert_eq!(passwords(&endpoint), [Some("hunter2")]);
    assert_eq!(shown(&endpoint), "PGHOST=url PGPORT=7 PGUSER=me PGDATABASE=me PGPASSWORD=***");
    assert!(endpoint.without().contains(&"PGSERVICE") && !endpoint.without().contains(&"PGHOST"));
}

#[test]
fn service_and_password_files_are_read() {
    let home = tempfile::tempdir().unwrap();
    let (service, pass) = (home.path().join(".pg_service.conf"), home.path().join(".pgpass"));
    std::fs::write(service, "[other]\nhost=x\n[app]\n# c\nhost=db\ndbname=shop\nuser=u\n[next]\nport=1\n").unwrap();
    std::fs::write(&pass, "db:5432:*:u:one\nother:5432:*:u:two\n").unwrap();
    let home = home.path().to_str().unwrap();
    let variables = Environment::of([("HOME", home), ("PGSERVICE", "app"), ("PGUSER", "env")]);
    let open = resolve("postgres://", &variables);
    assert_eq!((open.to_string().as_str(), passwords(&open)), ("u@db:5432/shop", vec![None]));
    assert!(open.passfile.unwrap().unused().is_some_and(|why| why.contains("others may read it")));
    std::fs::set_permissions(&pass, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(passwords(&resolve("postgres://", &variables)), [Some("one")]);
    let both = resolve("postgres://u@other,db/d", &variables);
    assert_eq!(passwords(&both), [Some("two"), Some("one")]);
    assert!(shown(&both).ends_with(&format!("PGPASSFILE={home}/.pgpass")), "{}", shown(&both));
    let missing = try_resolve("postgres:///?service=no", &variables);
    assert!(missing.is_err_and(|f| f.message == "the connection service `no` is in no service file"));
}

#[test]
fn several_hosts_keep_their_ports() {
    let endpoint = resolve("postgres://u@a:1,[::1]:2/d", &Environment::default());
    assert_eq!(endpoint.to_string(), "u@a:1,[::1]:2/d");
    // The one that is gone must not hold psql for long.
    assert!(shown(&endpoint).contains("PGCONNECT_TIMEOUT=10"));
    assert_eq!(resolve("host=a,b port=7 user=u dbname=d", &Environment::default()).to_string(), "u@a:7,b:7/d");
}

#[test]
fn relative_paths_start_at_the_project() {
    let endpoint = resolve("postgres://h/d?sslmode=verify-ca&sslrootcert=ca.pem", &Environment::default());
    assert!(shown(&endpoint).contains("PGSSLROOTCERT=/project/ca.pem"), "{}", shown(&endpoint));
}

#[test]
fn what_cannot_be_kept_to_is_refused() {
    for (url, expected) in [
        ("host=h port=abc", "`abc` is no value of `port`"),
        ("host=a,b,c port=1,2", "3 servers and 2 ports"),
        ("host=a hostaddr=127.0.0.1,127.0.0.2", "1 servers and `hostaddr` 2"),
        ("hostaddr=localhost", "`localhost` is no value of `hostaddr`"),
        ("host=@abstract", "a socket without a file"),
        ("host=h require_auth=scram-sha-256", "`require_auth` cannot be kept to"),
        ("host=h requirepeer=postgres", "`requirepeer` cannot be kept to"),
        ("host=h gssencmode=require", "no GSSAPI"),
        ("host=h target_session_attrs=master", "`master` is no value"),
        ("host=h load_balance_hosts=yes", "`yes` is no value"),
        ("host=h channel_binding=always", "`always` is no value"),
        ("host=h connect_timeout=soon", "no number of seconds"),
        ("host=h sslmode=maybe", "`maybe` is no value of `sslmode`"),
        ("host=h sslmode=verify-full", "no root certificate is set"),
        ("host=h sslmode=require sslrootcert=system", "too weak"),
        ("host=h ssl_min_protocol_version=SSLv3", "`SSLv3` is no value"),
        ("host=h ssl_max_protocol_version=TLSv1.1", "TLS 1.2 and 1.3"),
        ("host=h sslcert=/c.crt", "there is no key to it"),
    ] {
        match try_resolve(url, &Environment::default()) {
            Ok(endpoint) => panic!("{url} became {endpoint}"),
            Err(failure) => assert!(failure.message.contains(expected), "{url}: {}", failure.message),
        }
    }
}
