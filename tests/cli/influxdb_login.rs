//! Logins at an InfluxDB: TLS, users, tokens, on real servers of both versions.

use crate::influxdb::{first, pair, says, second, server, variable};
use crate::world::World;

/// Without its authority, with a wrong one and with the right one.
#[test]
fn tls_wants_the_authority_that_signed() {
    for variables in ["INFLUXDB", "INFLUXDB2"] {
        let Some((world, name)) = (if variables == "INFLUXDB" { first("tls") } else { second("tls") }) else {
            continue;
        };
        let get = |what: &str| server(&format!("STEPLADDER_TEST_{variables}_{what}")).expect("it goes with the server");
        let world = world.variable("INFLUXDB_URL", &format!("{}/{name}", get("TLS_URL")));
        let section = world.read("stepladder.toml");
        let script = match variables {
            "INFLUXDB" => ("influxql", format!("CREATE DATABASE {name}"), format!("DROP DATABASE {name}")),
            _ => (
                "http",
                format!("POST /api/v2/buckets\n\n{{\"name\": \"{name}\"}}"),
                format!("DELETE /api/v2/buckets?name={name}"),
            ),
        };
        pair(&world, "001_a", script.0, &script.1, &script.2);
        for ca in [String::new(), format!("ca = {:?}\n", get("WRONG_CA"))] {
            world.write("stepladder.toml", format!("{section}{ca}"));
            says(&world.run("up"), 6, &["certificate: UnknownIssuer", "`ca` of a store that has this key"]);
        }
        world.write("stepladder.toml", format!("{section}ca = {:?}\n", get("CA")));
        for command in ["up", "doctor", "down", "fresh --yes", "down --all --yes"] {
            world.ok(command);
        }
    }
}

#[test]
fn a_login_that_is_refused_on_an_influxdb_1_is_told() {
    let (Some((world, _)), Some(url)) = (first("login"), server("STEPLADDER_TEST_INFLUXDB_URL")) else { return };
    pair(&world, "001_a", "influxql", "SHOW DATABASES", "-- nothing\n");
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, host) = (rest.split_once(':').unwrap().0, rest.rsplit_once('@').unwrap().1);
    for (login, words) in [
        (format!("{user}:wr0ng-4711@"), ["authorization failed (HTTP 401)", "see that user and password"]),
        (String::new(), ["credentials (HTTP 401)", "no login was given: put it into the URL"]),
    ] {
        let world = World::new()
            .file("stepladder.toml", "[stores.influxdb]\n")
            .variable("INFLUXDB_URL", &format!("{scheme}://{login}{host}/x"));
        pair(&world, "001_a", "influxql", "SHOW DATABASES", "-- nothing\n");
        for command in ["up", "status", "doctor"] {
            let said = world.run(command);
            says(&said, 6, &words);
            assert!(!said.all().contains("wr0ng-4711"), "{}", said.all());
        }
    }
}

/// One request of an administrator's to the InfluxDB 2.
fn ask(method: &str, path: &str, body: &str) -> serde_json::Value {
    let url = server("STEPLADDER_TEST_INFLUXDB2_URL").unwrap();
    let token = variable("STEPLADDER_TEST_INFLUXDB2_TOKEN").unwrap();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{url}{path}"))
        .header("authorization", format!("Token {token}"))
        .header("content-type", "application/json");
    let mut answer = ureq::run(request.body(body.to_owned()).unwrap()).unwrap();
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap_or_default()
}

/// A token that may not write, then is made inactive, then deleted.
#[test]
fn a_token_of_an_influxdb_2_that_is_not_enough_is_told() {
    let Some((world, _)) = second("token") else { return };
    let org = variable("STEPLADDER_TEST_INFLUXDB2_ORG").unwrap();
    let org = ask("GET", &format!("/api/v2/orgs?org={org}"), "")["orgs"][0]["id"].as_str().unwrap().to_owned();
    let may = serde_json::json!({ "orgID": org, "description": "a test's", "permissions": [
        { "action": "read", "resource": { "type": "buckets", "orgID": org } },
        { "action": "read", "resource": { "type": "orgs" } },
    ] });
    let made = ask("POST", "/api/v2/authorizations", &may.to_string());
    let (id, token) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let world = world.variable("INFLUXDB_TOKEN", token);
    pair(&world, "001_a", "http", "GET /api/v2/buckets", "# nothing\n");
    let told = |command: &str, words: &[&str]| {
        let said = world.run(command);
        says(&said, 6, words);
        assert!(!said.all().contains(token), "{}", said.all());
    };
    says(&world.run("status"), 0, &["001_a", "pending"]);
    says(&world.run("doctor"), 0, &["this token may not make buckets: no run can begin", "--all-access"]);
    told("up", &["/buckets is unauthorized (HTTP 401)", "read and write all buckets", "--all-access"]);
    let path = format!("/api/v2/authorizations/{id}");
    ask("PATCH", &path, "{\"status\": \"inactive\"}");
    for command in ["up", "status", "doctor"] {
        told(command, &["has no organisation", "one that was made inactive (`influx auth list`)"]);
    }
    ask("DELETE", &path, "");
    for command in ["up", "status", "doctor"] {
        told(command, &["unauthorized access (HTTP 401)", "does not any more: was it deleted", "INFLUXDB_TOKEN"]);
    }
    // It could make no ledger, and left nothing.
    assert!(
        !ask("GET", "/api/v2/buckets?limit=100", "").to_string().contains(&format!("cli_token_{}", std::process::id()))
    );
}
