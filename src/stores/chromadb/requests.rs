//! `.http` scripts: requests to the server's API, run by [`crate::stores::http`]; what the answers mean to Chroma.

use serde_json::Value;

use super::endpoint::Endpoint;
use super::lease::is_ours;
use crate::domain::http::{Form, Request};
use crate::stores::http::{Answer, Call, Fault, Manners, Unsendable};

/// Whether a script is one of these.
pub const EXTENSION: &str = "http";

/// Knows the store's database.
#[derive(Clone, Debug)]
pub struct Ways {
    /// `/api/v2/tenants/t/databases/d`.
    database: String,
}

impl Ways {
    /// Of a store.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self { database: endpoint.path() }
    }
}

impl Manners for Ways {
    /// `/collections` is the store's own; what begins with `/api` is anything of the server's.
    fn place(&self, path: String) -> String {
        if path == "/api" || path.starts_with("/api/") { path } else { format!("{}{path}", self.database) }
    }

    fn allow(&self, request: &Request, call: &Call) -> Result<(), Unsendable> {
        let path = call.path.split('?').next().unwrap_or_default();
        let named = path.split("/collections/").nth(1).and_then(|rest| rest.split('/').next()).is_some_and(is_ours);
        let body = request.body.as_ref().filter(|b| b.form == Form::Json);
        let body: Value = body.and_then(|b| serde_json::from_str(&b.text).ok()).unwrap_or(Value::Null);
        let made = ["name", "new_name"].iter().any(|key| body[*key].as_str().is_some_and(is_ours));
        if !named && !made {
            return Ok(());
        }
        Err((
            "names a collection of the ledger".to_owned(),
            "the ledger and the lease are not a script's to touch; give the collection another name".to_owned(),
        ))
    }

    fn refusal(&self, request: &Request, answer: &Answer) -> Fault {
        let said = answer.json();
        let message = said["message"].as_str().unwrap_or(answer.body.trim());
        let hint = match answer.status {
            404 if request.method == "DELETE" => {
                Some("a thing that may be missing: `# @expect 200,404` before the request")
            }
            405 | 404 if message.is_empty() => {
                Some("this server has no such path: collections are below `/collections`, all else below `/api/v2`")
            }
            409 => Some("was a part of it done before? `# @expect 200,409` before the request takes both"),
            401 | 403 => Some("the token may not do that, or is not the right one"),
            _ => None,
        };
        Fault {
            message: format!("HTTP {} {message}", answer.status).trim_end().to_owned(),
            hints: hint.map(str::to_owned).into_iter().collect(),
        }
    }

    /// Chroma answers what it refused with a status that says so.
    fn hidden(&self, _: &Request, _: &Answer) -> Option<Fault> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::http::requests;

    fn ways() -> Ways {
        Ways { database: "/api/v2/tenants/t/databases/d".to_owned() }
    }

    #[test]
    fn paths_are_below_the_database_unless_they_say_otherwise() {
        assert_eq!(ways().place("/collections/a".to_owned()), "/api/v2/tenants/t/databases/d/collections/a");
        assert_eq!(ways().place("/api/v2/tenants".to_owned()), "/api/v2/tenants");
    }

    #[test]
    fn the_ledger_is_not_a_scripts_to_touch() {
        for (text, fine) in [
            ("DELETE /collections/stepladder_lease", false),
            ("POST /collections\n\n{\"name\": \"stepladder_ledger\"}", false),
            ("POST /collections\n\n{\"name\": \"mine\"}", true),
        ] {
            let request = &requests(text).unwrap()[0];
            assert_eq!(ways().allow(request, &Call::new(request, "http://h:1").unwrap()).is_ok(), fine, "{text}");
        }
    }
}
