//! Scripts of HTTP requests (`.http`), as editors' REST clients take them: a request line, headers, a blank line, a body, and
//! `###` between requests.
//!
//! What such editors do beyond sending requests (variables, files, handlers of answers) is refused with its line: a migration
//! says everything itself. A body that is to be JSON is checked here, before anything runs.

mod body;

use std::ops::Range;

use self::body::body;
use super::sql::Mark;
use super::wrong::Wrong;

/// A request of a script: one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The line of its first word.
    pub line: usize,
    /// From `# @name x`.
    pub name: Option<String>,
    /// In upper case.
    pub method: String,
    /// What stands behind the method, its query in one piece: a path, or a whole URL.
    pub target: String,
    /// Its headers, as written, each with its line.
    pub headers: Vec<(usize, String, String)>,
    /// What is sent; none without a body.
    pub body: Option<Body>,
    /// From `# @expect 200,404`: statuses that are fine; empty means 200 to 299.
    pub expect: Vec<Range<u16>>,
    /// From `# @await-task`: the answer names a task, which is to be waited for.
    pub await_task: bool,
    /// A pause instead of a request, in the languages that know one.
    pub pause: Option<std::time::Duration>,
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its first line.
    pub line: usize,
    /// As it is sent.
    pub text: String,
    /// What it is.
    pub form: Form,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON value.
    Json,
    /// A JSON value a line.
    Lines,
    /// Anything else.
    Other,
}

impl Request {
    /// `POST /_aliases`, without the query, which may be long.
    pub fn shown(&self) -> String {
        format!("{} {}", self.method, self.target.split('?').next().unwrap_or_default())
    }

    /// A header's value, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(_, n, _)| n.eq_ignore_ascii_case(name)).map(|(_, _, value)| value.as_str())
    }

    /// Whether a status is one that the script wants.
    pub fn wants(&self, status: u16) -> bool {
        match self.expect.is_empty() {
            true => (200..300).contains(&status),
            false => self.expect.iter().any(|range| range.contains(&status)),
        }
    }

    /// The content type that its body goes with.
    pub fn content_type(&self) -> Option<&str> {
        let form = self.body.as_ref()?.form;
        self.header("content-type").or(Some(match form {
            Form::Json => "application/json",
            Form::Lines => "application/x-ndjson",
            Form::Other => "text/plain; charset=utf-8",
        }))
    }
}

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

const REQUEST: &str = "a request is `METHOD /path`, headers, a blank line and the body; `###` on a line of its own stands between requests";
const VARIABLES: &str = "nothing is put in here: write the value out, or make it a `.up.sh` script, which has the connection in its environment";
const COMMANDS: &str = "what is known is `# @expect 200,404`, `# @await-task` and `# @name x`, before the body";

/// The first request of a script, as plans name it.
pub fn first(text: &str) -> Option<Mark> {
    match requests(text) {
        Ok(found) => found.first().map(|request| Mark { line: request.line, what: request.shown() }),
        Err(wrong) => Some(Mark { line: wrong.line, what: "requests".to_owned() }),
    }
}

/// Reads a script.
///
/// # Errors
/// The first thing that cannot be read, with its line.
pub fn requests(text: &str) -> Result<Vec<Request>, Wrong> {
    let text = text.trim_start_matches('\u{feff}');
    let lines: Vec<Line<'_>> = lines(text);
    let mut found = Vec::new();
    let mut from = 0;
    while from <= lines.len() {
        let length = lines[from..].iter().position(|line| line.text.starts_with("###"));
        let to = length.map_or(lines.len(), |length| from + length);
        found.extend(request(text, &lines[from..to])?);
        from = to + 1;
    }
    Ok(found)
}

/// A line without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

/// Lines ended by LF, CRLF or, where there is no LF at all, CR.
fn lines(text: &str) -> Vec<Line<'_>> {
    let end = if text.contains('\n') { '\n' } else { '\r' };
    let mut start = 0;
    let mut lines = Vec::new();
    for (number, whole) in (1..).zip(text.split_inclusive(end)) {
        let line = whole.strip_suffix(end).unwrap_or(whole);
        lines.push(Line { number, start, text: line.strip_suffix('\r').unwrap_or(line) });
        start += whole.len();
    }
    lines
}

fn wrong<T>(line: usize, message: impl Into<String>, hint: &'static str) -> Result<T, Wrong> {
    Err(Wrong { line, message: message.into(), hint })
}

/// What stands between two separators.
fn request(text: &str, lines: &[Line<'_>]) -> Result<Option<Request>, Wrong> {
    let mut request = Request::default();
    let mut at = 0;
    for line in lines {
        at += 1;
        let trimmed = line.text.trim();
        if let Some(comment) = comment(trimmed) {
            request.heed(comment, line.number)?;
        } else if trimmed.starts_with('@') && trimmed.contains('=') {
            return wrong(line.number, "a variable is set here", VARIABLES);
        } else if !trimmed.is_empty() {
            request.first_line(trimmed, line.number)?;
            break;
        }
    }
    if request.method.is_empty() {
        return Ok(None);
    }
    let mut in_query = true;
    while let Some(line) = lines.get(at) {
        let trimmed = line.text.trim();
        if trimmed.is_empty() {
            break;
        }
        if let Some(comment) = comment(trimmed) {
            request.heed(comment, line.number)?;
        } else if in_query && trimmed.starts_with(['?', '&']) {
            request.add_to_target(trimmed, line.number)?;
        } else {
            in_query = false;
            request.take_header(trimmed, line.number)?;
        }
        at += 1;
    }
    request.body = body(text, &lines[at..], &request)?;
    Ok(Some(request))
}

fn comment(trimmed: &str) -> Option<&str> {
    trimmed.strip_prefix('#').or_else(|| trimmed.strip_prefix("//")).map(str::trim)
}

impl Request {
    /// A comment: it may say something about the request.
    fn heed(&mut self, comment: &str, line: usize) -> Result<(), Wrong> {
        let Some(said) = comment.strip_prefix('@') else { return Ok(()) };
        let (word, argument) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
        let argument = argument.trim();
        match word {
            "name" => self.name = Some(argument.to_owned()).filter(|name| !name.is_empty()),
            "expect" => {
                let codes = argument.split([',', ' ']).filter(|code| !code.is_empty());
                for code in codes {
                    match statuses(code) {
                        Some(range) => self.expect.push(range),
                        None => return wrong(line, format!("`{code}` is no status: 404 and 2xx are"), COMMANDS),
                    }
                }
                if self.expect.is_empty() {
                    return wrong(line, "`@expect` names no status", COMMANDS);
                }
            }
            "await-task" if argument.is_empty() => self.await_task = true,
            "await-task" => return wrong(line, "`@await-task` takes nothing: the answer names the task", COMMANDS),
            // Wishes to an editor that change nothing of what is sent.
            "note" | "no-log" | "no-redirect" | "no-cookie-jar" => {}
            "prompt" => return wrong(line, "a value is asked for here", VARIABLES),
            // `# @someone wrote this` is no wish at all.
            _ => {
                let known = ["expect", "await-task", "name"];
                if let Some(meant) = super::directive::closest(word, known.into_iter()) {
                    return wrong(line, format!("`@{word}` is not known; did you mean `@{meant}`?"), COMMANDS);
                }
            }
        }
        Ok(())
    }

    /// The request line.
    fn first_line(&mut self, text: &str, line: usize) -> Result<(), Wrong> {
        self.line = line;
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let method = first.to_ascii_uppercase();
        let bare = text.starts_with('/') || text.starts_with("http://") || text.starts_with("https://");
        if METHODS.contains(&method.as_str()) && !rest.trim().is_empty() {
            self.method = method;
            return self.add_to_target(without_version(rest.trim()), line);
        }
        if bare {
            self.method = "GET".to_owned();
            return self.add_to_target(without_version(text), line);
        }
        let message = match first.starts_with(['{', '[', '<']) {
            true => "a body begins here without a request line".to_owned(),
            false if METHODS.contains(&method.as_str()) => format!("there is no path behind {method}"),
            false => format!("`{first}` is no method; there are {}", METHODS.join(", ")),
        };
        wrong(line, message, REQUEST)
    }

    fn add_to_target(&mut self, text: &str, line: usize) -> Result<(), Wrong> {
        if text.contains("{{") {
            return wrong(line, "`{{` begins a variable", VARIABLES);
        }
        if text.contains(char::is_whitespace) {
            return wrong(
                line,
                "there is a blank in the path",
                "write `%20` for a blank, and `+` or `%20` in the query",
            );
        }
        self.target.push_str(text);
        Ok(())
    }

    fn take_header(&mut self, text: &str, line: usize) -> Result<(), Wrong> {
        if text.starts_with(['{', '[', '<']) {
            return wrong(line, "the body begins here, and the blank line before it is missing", REQUEST);
        }
        let name = |name: &str| {
            let fine = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            !name.is_empty() && name.chars().all(fine)
        };
        let Some((key, value)) = text.split_once(':').filter(|(key, _)| name(key.trim_end())) else {
            let next = text.split_whitespace().next().unwrap_or_default();
            let message = match METHODS.contains(&next) {
                true => "another request begins here, and the `###` before it is missing",
                false => "this is no header: a header is `Name: value`",
            };
            return wrong(line, message, REQUEST);
        };
        if value.contains("{{") {
            return wrong(line, "`{{` begins a variable", VARIABLES);
        }
        self.headers.push((line, key.trim_end().to_owned(), value.trim().to_owned()));
        Ok(())
    }
}

/// `404` or `2xx`.
fn statuses(code: &str) -> Option<Range<u16>> {
    if let Some(hundred) = code.strip_suffix("xx").or_else(|| code.strip_suffix("XX")) {
        let hundred: u16 = hundred.parse().ok().filter(|n| (1..=5).contains(n))?;
        return Some(hundred * 100..hundred * 100 + 100);
    }
    let code: u16 = code.parse().ok().filter(|n| (100..600).contains(n))?;
    Some(code..code + 1)
}

/// A target without ` HTTP/1.1`.
fn without_version(target: &str) -> &str {
    match target.rsplit_once(char::is_whitespace) {
        Some((before, version)) if version.to_ascii_uppercase().starts_with("HTTP/") => before.trim_end(),
        _ => target,
    }
}

#[cfg(test)]
mod tests;
