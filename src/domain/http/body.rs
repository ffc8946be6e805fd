//! A request's body: where it begins and ends, what it is, and whether JSON is JSON.

use super::{Body, Form, Line, Request, VARIABLES, Wrong, comment, wrong};

const ONE_BODY: &str = "JSON has no `\"\"\"`, no comma before a `}`, and no variables; a comment in it has a line of its own, and `###` ends a body";

/// The body, from its first line that is not blank to its last.
pub fn body(text: &str, lines: &[Line<'_>], request: &Request) -> Result<Option<Body>, Wrong> {
    let filled = |line: &&Line<'_>| !line.text.trim().is_empty();
    let (Some(first), Some(last)) = (lines.iter().find(filled), lines.iter().rev().find(filled)) else {
        return Ok(None);
    };
    for line in lines {
        let start = line.text;
        let from_file = line.number == first.number && (start.starts_with("< ") || start.starts_with("<@"));
        if from_file {
            return wrong(
                line.number,
                "the body is to come from another file",
                "put the text in here: what was applied must not change unseen",
            );
        }
        if start.starts_with("> {%") || start.starts_with("< {%") || start.starts_with("<> ") {
            let hint = "leave it out; `# @expect` says which statuses are fine";
            return wrong(line.number, "a program that handles the answer is not run here", hint);
        }
        if start.contains("{{$") {
            return wrong(line.number, "`{{$` begins a variable", VARIABLES);
        }
    }
    let raw = &text[first.start..last.start + last.text.len()];
    let bare = without_comments(raw);
    let form = form(request, bare.as_deref().unwrap_or(raw));
    let is_json_or_unsaid = form != Form::Other || request.header("content-type").is_none();
    if is_json_or_unsaid && bare.as_ref().is_some_and(|bare| bare.trim().is_empty()) {
        return Ok(None);
    }
    // No JSON goes on over a line's end inside a string, so that a line like a comment is one.
    let raw = bare.as_deref().filter(|_| form != Form::Other).unwrap_or(raw);
    check(form, raw, first.number)?;
    let text = match form {
        // Every line of it needs its end, the last one too.
        Form::Lines => raw.replace("\r\n", "\n").replace('\r', "\n").trim_end_matches('\n').to_owned() + "\n",
        Form::Json | Form::Other => raw.to_owned(),
    };
    Ok(Some(Body { line: first.number, text, form }))
}

/// A body whose lines that are comments are empty; none when there are none.
fn without_comments(raw: &str) -> Option<String> {
    let is_comment = |line: &str| comment(line.trim_start()).is_some();
    if !raw.split(['\n', '\r']).any(is_comment) {
        return None;
    }
    let end = |line: &str| line.len() - line.trim_end_matches(['\n', '\r']).len();
    let keep =
        |line: &'_ str| if is_comment(line) { line[line.len() - end(line)..].to_owned() } else { line.to_owned() };
    let separator = if raw.contains('\n') { '\n' } else { '\r' };
    Some(raw.split_inclusive(separator).map(keep).collect())
}

/// What a body is: what its header says, else what it looks like.
fn form(request: &Request, raw: &str) -> Form {
    let said = request.header("content-type").map(|t| t.split(';').next().unwrap_or(t).trim().to_ascii_lowercase());
    let path = request.target.split('?').next().unwrap_or_default();
    // People send both of these as application/json, and servers take it.
    let is_lines = path.ends_with("/_bulk") || path.ends_with("/_msearch") || path.ends_with("/_msearch/template");
    match said.as_deref() {
        Some("application/x-ndjson" | "application/ndjson") => Form::Lines,
        Some(said) if said == "application/json" || said.ends_with("+json") && !said.contains("x-ndjson") => {
            if is_lines { Form::Lines } else { Form::Json }
        }
        Some(_) => Form::Other,
        None if is_lines => Form::Lines,
        None if raw.trim_start().starts_with(['{', '[']) => Form::Json,
        None => Form::Other,
    }
}

/// Whether JSON is JSON.
fn check(form: Form, raw: &str, first: usize) -> Result<(), Wrong> {
    let check = |text: &str, from: usize| {
        let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) else { return Ok(()) };
        let line = from + error.line().max(1) - 1;
        let said = error.to_string();
        let words = said.rsplit_once(" at line ").map_or(said.as_str(), |(words, _)| words);
        let column = error.column().max(1);
        wrong(line, format!("the body is no valid JSON at column {column}: {words}"), ONE_BODY)
    };
    match form {
        Form::Json => check(raw, first),
        Form::Lines => {
            (first..).zip(raw.lines()).filter(|(_, l)| !l.trim().is_empty()).try_for_each(|(n, l)| check(l, n))
        }
        Form::Other => Ok(()),
    }
}
