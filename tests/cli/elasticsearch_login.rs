//! Logins at an OpenSearch with its security plugin: users, rights, tokens, TLS, proxies. It says little, so that much is said here.

use crate::elasticsearch::{DOWN, Part, UP, says, variable};
use crate::world::World;

/// The server's CA, and a URL to it with nobody's login.
fn server() -> Option<(String, String)> {
    let (ca, url) = (variable("SECURESEARCH_CA")?, variable("SECURESEARCH_URL")?);
    Some((ca, format!("https://{}", url.rsplit('@').next()?)))
}

fn world(url: &str, ca: &str) -> World {
    let section = format!("[stores.elasticsearch]\nurl = {url:?}\nca = {ca:?}\nledger = \"cli-login-ledger\"\n");
    World::new().file("stepladder.toml", section).file(UP, "GET /_cluster/health\n").file(DOWN, "# nothing\n")
}

#[test]
fn a_login_that_is_refused_without_a_reason_is_explained() {
    let (Some((ca, bare)), Some(over)) = (server(), variable("SECURESEARCH_EXPIRED_TOKEN")) else { return };
    let wrong = bare.replace("https://", "https://tester:wrong-4711@");
    let until = "the token was good until <time>: get a new one";
    for (world, secret, advice) in [
        (world(&wrong, &ca), "wrong-4711", "is \"tester\" the right user, and is the password right?"),
        (world(&bare, &ca), "no secret", "no login was given"),
        (world(&bare, &ca).variable("ELASTICSEARCH_TOKEN", &over), over.as_str(), until),
        (world(&bare, &ca).variable("ELASTICSEARCH_TOKEN", "opaque-4711"), "opaque-4711", "is the token still good?"),
    ] {
        for command in ["up", "status", "doctor", "lock"] {
            let said = world.run(command);
            says(&said, 6, &["HTTP 401 Unauthorized", advice]);
            assert!(!said.all().contains(secret), "{}", said.all());
        }
    }
}

#[test]
fn a_token_that_is_good_migrates() {
    let (Some((ca, bare)), Some(token)) = (server(), variable("SECURESEARCH_TOKEN")) else { return };
    let more = format!("ca = {ca:?}\ntoken = \"${{ELASTICSEARCH_TOKEN}}\"\n");
    let part = Part::with(&bare, "token", &more, &[("ELASTICSEARCH_TOKEN", &token)]);
    part.fine("PUT /NAME-there\n###\nDELETE /NAME-there\n");
    assert!(!part.world.run("up --dry-run -v").all().contains(&token));
}

#[test]
fn a_user_without_the_right_is_told_which() {
    let (Some((ca, _)), Some(url)) = (server(), variable("SECURESEARCH_READER_URL")) else { return };
    for command in ["up", "status", "doctor"] {
        says(
            &world(&url, &ca).run(command),
            6,
            &["HTTP 403", "no permissions for [indices:data/read/mget]", "name=reader", "the permission that is named"],
        );
    }
}

#[test]
fn rights_that_end_at_the_prefix_are_enough() {
    let (Some((ca, _)), Some(url)) = (server(), variable("SECURESEARCH_OWNER_URL")) else { return };
    let part = Part::with(&url, "owner", &format!("ca = {ca:?}\n"), &[]);
    part.fine("PUT /NAME-there\n###\nDELETE /NAME-there\n");
    // Templates belong to nobody's prefix: the second request is refused, the first stays done.
    let said = part.up("PUT /NAME-there\n###\nPUT /_index_template/NAME\n\n{\"index_patterns\": [\"NAME*\"]}\n");
    let named = "no permissions for [indices:admin/index_template/put]";
    says(&said, 1, &[named, "001_a.up.http:3", "done and kept: part 1 of 2", "--resume"]);
    says(&part.world.run("status"), 0, &["HALF-APPLIED", "1 of 2 parts"]);
    part.world.write(UP, format!("PUT /{}-there\n", part.name));
    part.world.ok("fresh --yes");
    // Who may not look may not drop, and the ledger must not say that all is gone.
    let section = part.world.read("stepladder.toml");
    let whole: String =
        section.lines().filter(|line| !line.starts_with("prefix")).map(|l| l.to_owned() + "\n").collect();
    part.world.write("stepladder.toml", whole);
    says(&part.world.run("fresh --yes"), 6, &["HTTP 403", "the permission that is named"]);
    says(&part.world.run("status"), 0, &["1 applied", "001_a"]);
    part.world.write("stepladder.toml", section);
}

#[test]
fn a_connection_that_is_not_believed_says_what_to_change() {
    let (Some((ca, bare)), Some(wrong), Some(open)) =
        (server(), variable("SECURESEARCH_WRONG_CA"), variable("OPENSEARCH_URL"))
    else {
        return;
    };
    let plain = bare.replace("https:", "http:");
    let tls = open.replace("http:", "https:");
    for (url, ca, words) in [
        (&bare, &wrong, ["ertificate", "`ca` of a store that has this key"]),
        (&plain, &ca, ["cannot be reached", "does it want TLS? Then the URL begins with `https://`"]),
        (&tls, &ca, ["cannot be reached", "speaks no TLS: does the URL begin with `http://`"]),
    ] {
        says(&world(url, ca).run("status"), 6, &words);
    }
}

/// Plain HTTP goes by one variable, TLS by another, as everywhere.
#[test]
fn a_proxy_of_the_environment_is_gone_through_and_named() {
    let (Some((ca, _)), Some(tls), Some(open), Some(proxy)) =
        (server(), variable("SECURESEARCH_URL"), variable("OPENSEARCH_URL"), variable("TINYPROXY_URL"))
    else {
        return;
    };
    let nobody = "http://127.0.0.1:1".to_owned();
    let stranger = proxy.replace("proxy:", "proxy:not-");
    for (url, own, other) in [(&open, "HTTP_PROXY", "HTTPS_PROXY"), (&tls, "HTTPS_PROXY", "HTTP_PROXY")] {
        let with = |variables: &[(&str, &String)]| {
            variables.iter().fold(world(url, &ca), |world, (name, value)| world.variable(name, value))
        };
        let host = &"localhost,127.0.0.1".to_owned();
        for fine in [
            with(&[(own, &proxy), (other, &nobody)]),
            with(&[(&own.to_lowercase(), &proxy)]),
            with(&[("ALL_PROXY", &proxy)]),
            with(&[(own, &nobody), ("NO_PROXY", host)]),
        ] {
            says(&fine.run("up"), 0, &[]);
            fine.ok("down");
        }
        let said = with(&[(own, &nobody)]).run("status");
        let through = format!("cannot be reached through the proxy 127.0.0.1:1 ({own}): nothing listens there");
        says(&said, 6, &[&through, &format!("is {own} right?"), "NO_PROXY=HOST goes past the proxy"]);
        let said = with(&[(own, &stranger)]).run("status");
        says(
            &said,
            6,
            &["proxy server responded 401", "the proxy wants a login", &format!("{own}=http://USER:PASSWORD@")],
        );
        assert!(!said.all().contains("secret-4711"), "{}", said.all());
    }
}
