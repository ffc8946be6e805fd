//! What a cluster's answers mean: failures that hide behind a 200, tasks, and what is not a script's to touch.

use serde_json::Value;

use super::words;
use crate::domain::http::{Form, Request};
use crate::stores::http::{Answer, Call, Fault, Manners, Progress, Task, Unsendable};

/// Knows the ledger's index.
#[derive(Clone, Debug)]
pub struct Ways {
    /// The ledger's index.
    pub ledger: String,
}

impl Manners for Ways {
    fn allow(&self, request: &Request, call: &Call) -> Result<(), Unsendable> {
        if names_in_path(&call.path, &self.ledger) || request.body.as_ref().is_some_and(|b| self.is_in(b.form, &b.text))
        {
            return Err((
                format!("names the index {}, which is the ledger", self.ledger),
                "the ledger is not a script's to touch; `ledger` under the store's section gives it another name"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn refusal(&self, _: &Request, answer: &Answer) -> Fault {
        let message = words::of(answer);
        let hints = words::hints(&words::kind(answer), &message);
        Fault { message, hints }
    }

    fn hidden(&self, request: &Request, answer: &Answer) -> Option<Fault> {
        if !answer.body.trim_start().starts_with('{') {
            return None;
        }
        let said = failure_in(&answer.json())?;
        let hints = words::hints("", &said);
        Some(Fault { message: format!("HTTP {}, and yet {said}", answer.status), hints })
            .map(|f| with_line(f, request, answer))
    }

    fn task(&self, answer: &Answer) -> Option<Task> {
        let name = answer.json()["task"].as_str().filter(|task| task.contains(':'))?.to_owned();
        let path = format!("/_tasks/{name}");
        let cancel = Call { method: "POST".to_owned(), ..Call::get(format!("{path}/_cancel")) };
        Some(Task { name, ask: Call::get(path), cancel: Some(cancel) })
    }

    fn progress(&self, answer: &Answer) -> Progress {
        if !answer.is_fine() {
            return Progress::Failed(Fault {
                message: format!("how the task ended cannot be asked: {}", words::of(answer)),
                hints: vec!["a task is forgotten when its node ends; look into the store what it has done".to_owned()],
            });
        }
        let said = answer.json();
        let failed = |message: String| {
            let hints = words::hints("", &message);
            Progress::Failed(Fault { message: format!("its task failed: {message}"), hints })
        };
        match said["completed"].as_bool() {
            Some(true) if said["error"].is_object() => failed(words::of_error(&said["error"])),
            Some(true) => match said["response"]["canceled"].as_str() {
                Some(why) => failed(format!("it was cancelled: {why}")),
                None => failure_in(&said["response"]).map_or(Progress::Finished, failed),
            },
            _ => Progress::Running,
        }
    }
}

impl Ways {
    /// Whether a body says that it means the ledger.
    fn is_in(&self, form: Form, text: &str) -> bool {
        if !text.contains(&self.ledger) {
            return false;
        }
        let names =
            |text: &str| serde_json::from_str(text).is_ok_and(|value: Value| names_in_body(&value, &self.ledger));
        match form {
            Form::Json => names(text),
            Form::Lines => text.lines().any(names),
            Form::Other => false,
        }
    }
}

/// Whether a path's first part is this index, alone or among others.
fn names_in_path(path: &str, index: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    let first = first.replace("%2C", ",").replace("%2c", ",").replace("%2D", "-").replace("%2d", "-");
    first.split(',').any(|name| name == index)
}

fn names_in_body(value: &Value, index: &str) -> bool {
    let is_name = |value: &Value| match value {
        Value::String(name) => name == index,
        Value::Array(names) => names.iter().any(|name| name == index),
        _ => false,
    };
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            matches!(key.as_str(), "_index" | "index" | "indices") && is_name(value) || names_in_body(value, index)
        }),
        Value::Array(items) => items.iter().any(|item| names_in_body(item, index)),
        _ => false,
    }
}

/// The failure that an answer tells of, whatever its status.
fn failure_in(said: &Value) -> Option<String> {
    if let Some(error) = said.get("error").filter(|error| error.is_object()) {
        return Some(words::of_error(error));
    }
    if said["errors"] == true {
        return Some(items_that_failed(said));
    }
    for (list, one) in
        [("failures", said["failures"].as_array()), ("_shards.failures", said["_shards"]["failures"].as_array())]
    {
        if let Some(first) = one.and_then(|failures| failures.first()) {
            let count = one.map_or(0, Vec::len);
            return Some(format!("`{list}` has {count}, the first: {}", reason(first)));
        }
    }
    if said["failures"] == true {
        return Some(format!("`failures` is true: {}", reason(&said["failed_indices"][0])));
    }
    if let Some(failed) = said["_shards"]["failed"].as_u64().filter(|failed| *failed > 0) {
        return Some(format!("{failed} of {} shards failed", said["_shards"]["total"]));
    }
    for (key, bad, words) in [
        (
            "timed_out",
            true,
            "`timed_out` is true: it was not done, or not everywhere, when the server's own time was over",
        ),
        ("acknowledged", false, "`acknowledged` is false: not all nodes know of it yet"),
        (
            "shards_acknowledged",
            false,
            "`shards_acknowledged` is false: the index is there, and its shards do not work; is the cluster red?",
        ),
    ] {
        if said[key] == bad {
            return Some(words.to_owned());
        }
    }
    let responses = said["responses"].as_array()?;
    let (at, first) = responses.iter().enumerate().find(|(_, one)| one["error"].is_object())?;
    Some(format!("answer {} of {} is an error: {}", at + 1, responses.len(), words::of_error(&first["error"])))
}

/// `errors` of a bulk request, or of actions on aliases.
fn items_that_failed(said: &Value) -> String {
    let items = said["items"].as_array().or(said["action_results"].as_array());
    let items: Vec<&Value> = items.into_iter().flatten().collect();
    let inner = |item: &Value| item.as_object().and_then(|o| o.values().find(|v| v["error"].is_object())).cloned();
    let failed: Vec<(usize, Value)> =
        items
            .iter()
            .enumerate()
            .filter_map(|(at, item)| {
                if item["error"].is_object() { Some((at, (*item).clone())) } else { inner(item).map(|i| (at, i)) }
            })
            .collect();
    let Some((at, first)) = failed.first() else { return "`errors` is true".to_owned() };
    let place = match (first["_index"].as_str(), first["_id"].as_str()) {
        (Some(index), Some(id)) => format!(" ({index}/{id})"),
        _ => String::new(),
    };
    let status = first["status"].as_u64().map(|s| format!("HTTP {s} ")).unwrap_or_default();
    let count = failed.len();
    format!(
        "{count} of {} items failed, the first is item {}{place}: {status}{}",
        items.len(),
        at + 1,
        words::of_error(&first["error"])
    )
}

/// Names the line of the body that the first failed item of a bulk request stands on.
fn with_line(mut fault: Fault, request: &Request, answer: &Answer) -> Fault {
    let Some(body) = request.body.as_ref().filter(|b| b.form == Form::Lines) else { return fault };
    let said = answer.json();
    let items = said["items"].as_array().into_iter().flatten();
    let failed = items.map(|item| item.as_object().is_some_and(|o| o.values().any(|v| v["error"].is_object())));
    let Some(at) = failed.into_iter().position(|failed| failed) else { return fault };
    // A deletion is one line, everything else two.
    let mut lines = (body.line..).zip(body.text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let mut item = 0;
    while let Some((number, line)) = lines.next() {
        if item == at {
            fault.message.push_str(&format!(" (line {number})"));
            break;
        }
        let is_deletion = serde_json::from_str::<Value>(line).is_ok_and(|action| action.get("delete").is_some());
        if !is_deletion {
            lines.next();
        }
        item += 1;
    }
    fault
}

/// Why something failed, in whatever form it is told.
fn reason(failure: &Value) -> String {
    for key in ["cause", "reason"] {
        match &failure[key] {
            Value::Object(_) => return words::of_error(&failure[key]),
            Value::String(words) => return words.clone(),
            _ => {}
        }
    }
    failure.to_string().chars().take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::http::requests;

    fn ways() -> Ways {
        Ways { ledger: "stepladder-ledger".to_owned() }
    }

    fn hidden(text: &str, body: &str) -> Option<String> {
        let request = &requests(text).unwrap()[0];
        let answer = Answer { status: 200, body: body.to_owned(), ..Answer::default() };
        ways().hidden(request, &answer).map(|fault| fault.message)
    }

    #[test]
    fn failures_behind_a_200_are_found() {
        let bulk = "POST /_bulk\n\n{\"delete\":{}}\n{\"index\":{}}\n{}\n{\"index\":{}}\n{}\n";
        let answer = r#"{"errors":true,"items":[{"delete":{"status":404}},{"index":{"status":201}},
            {"index":{"_index":"a","_id":"7","status":400,"error":{"type":"t","reason":"r"}}}]}"#;
        let said = hidden(bulk, answer).unwrap();
        assert!(said.ends_with("1 of 3 items failed, the first is item 3 (a/7): HTTP 400 t: r (line 6)"), "{said}");
        for (answer, words) in [
            (r#"{"timed_out":true}"#, "timed_out"),
            (r#"{"acknowledged":false}"#, "acknowledged"),
            (r#"{"acknowledged":true,"shards_acknowledged":false}"#, "shards do not work"),
            (
                r#"{"timed_out":false,"failures":[{"cause":{"type":"t","reason":"why"}},{}]}"#,
                "`failures` has 2, the first: t: why",
            ),
            (r#"{"failures":true,"failed_indices":[{"reason":"busy"}]}"#, "busy"),
            (r#"{"_shards":{"total":2,"failed":1}}"#, "1 of 2 shards failed"),
            (r#"{"responses":[{},{"error":{"type":"t","reason":"r"}}]}"#, "answer 2 of 2 is an error: t: r"),
            (r#"{"error":{"type":"t","reason":"r"}}"#, "t: r"),
            (r#"{"errors":true,"action_results":[{"status":404,"error":{"type":"gone","reason":"r"}}]}"#, "gone"),
        ] {
            let said = hidden("POST /x", answer).unwrap();
            assert!(said.contains(words), "{said}");
        }
        for fine in ["", "[]", r#"{"errors":false,"failures":[],"timed_out":false,"acknowledged":true}"#, "plain"] {
            assert_eq!(hidden("POST /x", fine), None);
        }
    }

    #[test]
    fn the_ledger_is_not_a_scripts_to_touch() {
        for text in [
            "DELETE /stepladder-ledger",
            "POST /a,stepladder-ledger/_search",
            "POST /_bulk\n\n{\"delete\":{\"_index\":\"stepladder-ledger\",\"_id\":\"1\"}}",
            "POST /_reindex\n\n{\"source\":{\"index\":[\"a\",\"stepladder-ledger\"]},\"dest\":{\"index\":\"b\"}}",
        ] {
            let request = &requests(text).unwrap()[0];
            let call = Call::new(request, "http://h:1").unwrap();
            assert!(ways().allow(request, &call).is_err(), "{text}");
        }
        let fine = &requests("PUT /a/_doc/1\n\n{\"text\":\"stepladder-ledger\"}").unwrap()[0];
        assert_eq!(ways().allow(fine, &Call::new(fine, "http://h:1").unwrap()), Ok(()));
    }

    #[test]
    fn a_task_is_followed_to_its_end() {
        let answer = |body: &str| Answer { status: 200, body: body.to_owned(), ..Answer::default() };
        assert_eq!(ways().task(&answer(r#"{"task":"n:12"}"#)).unwrap().ask.path, "/_tasks/n:12");
        assert_eq!(ways().task(&answer("{}")), None);
        assert_eq!(ways().progress(&answer(r#"{"completed":false}"#)), Progress::Running);
        assert_eq!(ways().progress(&answer(r#"{"completed":true,"response":{"failures":[]}}"#)), Progress::Finished);
        for bad in [
            r#"{"completed":true,"error":{"type":"t","reason":"r"}}"#,
            r#"{"completed":true,"response":{"failures":[{"cause":{"type":"t","reason":"r"}}]}}"#,
            r#"{"completed":true,"response":{"canceled":"by user request"}}"#,
        ] {
            assert!(matches!(ways().progress(&answer(bad)), Progress::Failed(_)), "{bad}");
        }
    }
}
