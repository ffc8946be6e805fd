//! A proxy variable that names none: nothing goes past the proxy that was meant, and what it holds is not shown.

use crate::world::{World, says};

fn world(variables: &[(&str, &str)]) -> World {
    // Where nobody listens: exit 6 says that it was tried.
    let world = World::new()
        .file("stepladder.toml", "[stores.elasticsearch]\nurl = \"http://127.0.0.1:1\"\n")
        .file("migrations/elasticsearch/001_a.up.http", "PUT /a\n")
        .file("migrations/elasticsearch/001_a.down.http", "DELETE /a\n");
    variables.iter().fold(world, |world, (name, value)| world.variable(name, value))
}

#[test]
fn a_proxy_that_cannot_be_used_is_said() {
    for value in [
        "http://me:s3cret word@gate:3128",
        "http://me:s3cret@gate:none",
        "ftp://me:s3cret@gate",
        "socks5://me:s3cret@gate",
    ] {
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            for line in ["status", "up"] {
                let said = world(&[(variable, value)]).run(line);
                let words =
                    [&format!("the variable {variable} names no proxy that can be used"), "hint", "NO_PROXY=HOST"];
                says(&said, 2, &words);
                assert!(!said.all().contains("s3cret"), "{}", said.all());
            }
        }
    }
}

#[test]
fn a_proxy_that_is_not_for_the_server_may_be_anything() {
    for variables in [
        &[("HTTPS_PROXY", "http://none at all")][..],
        &[("HTTP_PROXY", "http://none at all"), ("NO_PROXY", "elsewhere,127.0.0.1")],
        &[("HTTP_PROXY", ""), ("ALL_PROXY", "")],
    ] {
        let said = world(variables).run("status");
        says(&said, 6, &["127.0.0.1:1 cannot be reached: nothing listens there"]);
    }
}
