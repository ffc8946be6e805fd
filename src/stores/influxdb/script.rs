//! Scripts as requests: statements of InfluxQL, Flux as a query, and what an answer means.

use super::api::Api;
use super::complete;
use super::csv;
use super::query::{Said, said};
use crate::domain::Wrong;
use crate::domain::http::{Body, Form, Request, requests};
use crate::domain::influxql::{Sort, Statement, quoted, scan};
use crate::stores::Step;
use crate::stores::http::{Answer, Call, Fault, Manners, Unsendable, escaped};

/// What this kind knows of scripts and answers.
pub struct Ways {
    api: Api,
}

const FORM: &str = "application/x-www-form-urlencoded";
const FLUX: &str = "application/vnd.flux";

impl Ways {
    /// Of one store.
    pub fn new(api: Api) -> Self {
        Self { api }
    }

    /// Whether the server has this major version; no, when it has not been asked.
    fn is(&self, major: u8) -> bool {
        self.api.known().is_some_and(|server| server.major == major)
    }

    fn statement(&self, statement: &Statement<'_>) -> Result<Request, Wrong> {
        let endpoint = &self.api.endpoint;
        if names(statement.text, &endpoint.ledger) {
            return Err(Wrong {
                line: statement.line,
                message: format!("{} is the ledger's", endpoint.ledger),
                hint: "the ledger is not a script's to touch; `repair` settles what stands in it",
            });
        }
        let database =
            |said: &Option<String>| said.as_ref().or(endpoint.database.as_ref()).map(|d| format!("&db={}", escaped(d)));
        let (target, content_type, text) = match &statement.sort {
            Sort::Query => {
                let database = database(&None).unwrap_or_default();
                (format!("/query?epoch=ns{database}"), FORM, format!("q={}", escaped(statement.text)))
            }
            Sort::Insert { database: said, policy, point } => {
                let Some(database) = database(said) else {
                    return Err(Wrong {
                        line: statement.line,
                        message: "no database is named to insert into".to_owned(),
                        hint: "write `INSERT INTO \"database\".\"policy\" ...`, or put the database into the store's URL",
                    });
                };
                let policy = policy.as_ref().map(|rp| format!("&rp={}", escaped(rp))).unwrap_or_default();
                (format!("/write?precision=n{database}{policy}"), "text/plain; charset=utf-8", (*point).to_owned())
            }
            Sort::Sleep(_) => (String::new(), FORM, String::new()),
        };
        let mut request = request(statement.line, target, content_type, text);
        request.name = Some(statement.text.to_owned());
        request.pause = match statement.sort {
            Sort::Sleep(time) => Some(time),
            _ => None,
        };
        Ok(request)
    }
}

fn request(line: usize, target: String, content_type: &str, text: String) -> Request {
    Request {
        line,
        method: "POST".to_owned(),
        target,
        headers: vec![(line, "content-type".to_owned(), content_type.to_owned())],
        body: Some(Body { line, text, form: Form::Other }),
        ..Request::default()
    }
}

/// Whether a statement names something, as a word of its own or in double quotes.
fn names(statement: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = statement.split(|c| !is_word(c)).any(|word| word == name);
    statement.contains(&quoted(name)) || word && name.chars().all(is_word)
}

impl Manners for Ways {
    fn read(&self, step: &Step) -> Result<Vec<Request>, Wrong> {
        match step.extension.as_str() {
            "influxql" if self.is(2) => Err(Wrong {
                line: 1,
                message: "an InfluxDB 2 has no statements of InfluxQL that change buckets".to_owned(),
                hint: "write requests of its API (`.up.http`) or a query in Flux (`.up.flux`)",
            }),
            "influxql" => {
                let found = scan(&step.text);
                if let Some(open) = found.unclosed {
                    let message = format!("a {} is opened here and never closed", open.what);
                    return Err(Wrong { line: open.line, message, hint: "close it; nothing of the script was run" });
                }
                if let Some((line, message)) = found.wrong {
                    return Err(Wrong { line, message, hint: "nothing of the script was run" });
                }
                found.statements.iter().map(|statement| self.statement(statement)).collect()
            }
            "flux" => {
                let mut request = request(1, "/api/v2/query".to_owned(), FLUX, step.text.to_string());
                request.headers.push((1, "accept".to_owned(), "application/csv".to_owned()));
                request.name = Some(step.text.trim().to_owned());
                let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
                // The server has no answer to comments alone.
                Ok(if step.text.lines().any(says) { vec![request] } else { Vec::new() })
            }
            _ => requests(&step.text),
        }
    }

    fn shown(&self, request: &Request) -> Option<String> {
        let ours = request.target.is_empty()
            || request.headers.iter().any(|(line, name, _)| *line == request.line && name == "content-type");
        request.name.clone().filter(|_| ours)
    }

    fn complete(&self, _request: &Request, call: &Call) -> Result<Call, Fault> {
        match self.api.is_second() {
            Ok(true) => complete::complete(&self.api, call),
            Ok(false) => Ok(call.clone()),
            Err(failure) => Err(Fault { message: failure.message, hints: failure.hints }),
        }
    }

    fn allow(&self, _request: &Request, call: &Call) -> Result<(), Unsendable> {
        let ledger = &self.api.endpoint.ledger;
        let name = escaped(ledger);
        let asked = call.path.split(['?', '&']).skip(1).filter_map(|pair| pair.split_once('='));
        let ours = asked.filter(|(key, _)| matches!(*key, "bucket" | "db" | "name")).any(|(_, value)| value == name);
        if ours {
            return Err((
                format!("{ledger} is the ledger's"),
                "the ledger is not a script's to touch; `repair` settles what stands in it".to_owned(),
            ));
        }
        Ok(())
    }

    fn refusal(&self, request: &Request, answer: &Answer) -> Fault {
        fault(request, &self.api.words(answer))
    }

    fn hidden(&self, request: &Request, answer: &Answer) -> Option<Fault> {
        if answer.form == "text/csv" || answer.form == "application/csv" {
            let rows = csv::read(&answer.body);
            return csv::error(&rows).map(|words| fault(request, words));
        }
        if !answer.body.contains("error") || answer.json()["results"].is_null() {
            return None;
        }
        match said(answer) {
            Said::Rows(_) => None,
            Said::Refused(words) => Some(fault(request, &words)),
        }
    }
}

/// A refusal, its line numbers those of the user's file, with advice where there is some.
fn fault(request: &Request, words: &str) -> Fault {
    const HINTS: [(&str, &str); 9] = [
        ("database not found", "make it before, with `CREATE DATABASE`; the URL's database is made by nobody else"),
        ("retention policy not found", "make it before, with `CREATE RETENTION POLICY`"),
        (
            "retention policy already exists",
            "`ALTER RETENTION POLICY` changes one; the same words again change nothing",
        ),
        (
            "retention policy conflicts",
            "the database is there with another policy: `CREATE RETENTION POLICY` and `ALTER RETENTION POLICY` change it",
        ),
        ("continuous query already exists", "drop it before it is made again: it cannot be changed"),
        ("requires admin privilege", "an administrator says: GRANT ALL PRIVILEGES TO <user>"),
        ("not authorized", "the user may not do that here: an administrator grants it"),
        ("already exists", "take it away before, or leave it as it is: `# @expect 201,422` before the request"),
        ("could not find bucket", "make it before, with `POST /api/v2/buckets`"),
    ];
    let hints = HINTS.iter().find(|(part, _)| words.contains(part)).map(|(_, hint)| (*hint).to_owned());
    Fault { message: relined(words, request.line), hints: hints.into_iter().collect() }
}

/// `at line 2, char 3` of a statement that begins on the file's line 10 is the file's line 11.
fn relined(words: &str, first: usize) -> String {
    let Some(at) = words.find("at line ").map(|at| at + "at line ".len()) else { return words.to_owned() };
    let digits = words[at..].bytes().take_while(u8::is_ascii_digit).count();
    let Ok(line) = words[at..at + digits].parse::<usize>() else { return words.to_owned() };
    format!("{}{}{}", &words[..at], (line + first).saturating_sub(1), &words[at + digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_lines_become_the_files() {
        let words = "error parsing query: found X, expected Y at line 2, char 17";
        assert_eq!(relined(words, 10), "error parsing query: found X, expected Y at line 11, char 17");
        assert_eq!(relined("at line x", 3), "at line x");
        assert_eq!(relined("no line", 3), "no line");
    }

    #[test]
    fn the_ledger_is_found_in_a_statement_by_its_whole_name() {
        assert!(names("DROP DATABASE stepladder", "stepladder"));
        assert!(names("DROP DATABASE \"step ladder\"", "step ladder"));
        assert!(names("SELECT * FROM stepladder.autogen.entries", "stepladder"));
        assert!(!names("DROP DATABASE stepladder_x", "stepladder"));
        assert!(!names("DROP DATABASE \"my stepladders\"", "stepladder"));
    }
}
