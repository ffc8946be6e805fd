//! What went wrong, as data: a kind that decides the exit code, a sentence, details and, apart from them, advice.

use std::fmt;

use serde::Serialize;

/// Sorts failures by what a caller does about them; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A step or command failed: exit 1.
    Failed,
    /// Wrong usage or configuration: exit 2.
    Usage,
    /// Something was found that must be seen to first: exit 3.
    Findings,
    /// Another run holds a lease: exit 4.
    Leased,
    /// A half-applied migration must be settled first: exit 5.
    HalfApplied,
    /// A client is missing or a store cannot be reached: exit 6.
    Unreachable,
    /// Interrupted by a signal: exit 130.
    Interrupted,
}

impl FailureKind {
    /// The exit code of the process.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Findings => 3,
            Self::Leased => 4,
            Self::HalfApplied => 5,
            Self::Unreachable => 6,
            Self::Interrupted => 130,
        }
    }
}

/// A failure with everything that a person needs: what happened, where, what state the store is in, what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: FailureKind,
    /// One sentence without a full stop: what happened.
    pub message: String,
    /// Further lines: places, the client's own words, the state of the store.
    pub details: Vec<String>,
    /// What to do next, one piece of advice each.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Vec::new(), hints: Vec::new() }
    }

    /// [`FailureKind::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// [`FailureKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Usage, message)
    }

    /// [`FailureKind::Findings`].
    pub fn findings(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Findings, message)
    }

    /// [`FailureKind::Unreachable`].
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unreachable, message)
    }

    /// The same with one more line.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// The same with more lines.
    #[must_use]
    pub fn details(mut self, lines: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(lines);
        self
    }

    /// The same with one more piece of advice.
    #[must_use]
    pub fn hint(mut self, advice: impl Into<String>) -> Self {
        self.hints.push(advice.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl AsRef<Self> for Failure {
    fn as_ref(&self) -> &Self {
        self
    }
}
