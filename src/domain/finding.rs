//! Something that is wrong with the files, or between files and ledgers. All of them are collected; nobody is
//! well served by the first one only.

use serde::Serialize;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a line, never a failure: an empty script, a file that is somebody else's.
    Note,
    /// `validate` fails (exit 3); `up` says it and goes on.
    Problem,
    /// `validate` fails and nothing runs (exit 3).
    Error,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// A stable name for programs, such as `duplicate-version`.
    pub code: &'static str,
    /// The store that it concerns, if one.
    pub store: Option<String>,
    /// The file that it concerns, relative to the project; or `store/version_name` where there is no file.
    pub place: String,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// What is wrong, as the rest of a sentence that begins with the place.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding about a place.
    pub fn new(severity: Severity, code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, code, store: None, place: place.into(), line: None, message: message.into(), hint: None }
    }

    /// [`Severity::Error`].
    pub fn error(code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, place, message)
    }

    /// [`Severity::Problem`].
    pub fn problem(code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Problem, code, place, message)
    }

    /// [`Severity::Note`].
    pub fn note(code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, place, message)
    }

    /// The same, at a line.
    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, of a store.
    #[must_use]
    pub fn of(mut self, store: impl Into<String>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// `path:line` or just the place.
    pub fn location(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.place),
            None => self.place.clone(),
        }
    }
}

/// Whether any of the findings keeps everything from running.
pub fn any_error(findings: &[Finding]) -> bool {
    findings.iter().any(|f| f.severity == Severity::Error)
}
