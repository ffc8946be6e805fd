//! A step's script, ready to run: every line read, every tool found, before the first one starts.

use std::path::{Path, PathBuf};

use super::action::{Action, named_topics};
use super::endpoint::{Client, Endpoint};
use super::tools;
use crate::domain::lines::{Part, parts};
use crate::domain::{Failure, FailureKind};
use crate::process::CommandLine;
use crate::stores::Step;

/// One part, and how it is carried out.
#[derive(Clone, Debug)]
pub struct Job {
    /// The line that it begins on.
    pub line: usize,
    /// What it does, as far as it is understood.
    pub action: Option<Action>,
    /// The topics that it names, when it is not understood.
    pub named: Vec<String>,
    /// Kafka's own tool; none when it is carried out in process.
    pub tool: Option<CommandLine>,
    /// What it reads.
    pub input: Option<String>,
    /// As a person typed it.
    pub shown: String,
}

/// A script that cannot be run: nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// Where.
    pub line: Option<usize>,
    /// Why.
    pub message: String,
    /// What to do.
    pub hints: Vec<String>,
    /// Decides the exit code.
    pub kind: FailureKind,
}

/// What is needed to get jobs ready.
pub struct Place<'a> {
    /// Where the cluster is.
    pub endpoint: &'a Endpoint,
    /// The store's name.
    pub store: &'a str,
    /// The client properties for the tools.
    pub config: Option<&'a Path>,
    /// The folder that the tools are started in.
    pub root: &'a Path,
}

impl Place<'_> {
    /// Reads a script and finds its tools.
    ///
    /// # Errors
    /// The first line that cannot be run, and why.
    pub fn jobs(&self, text: &str) -> Result<Vec<Job>, Unfit> {
        let parts = parts(text).map_err(|wrong| Unfit {
            line: Some(wrong.line),
            message: wrong.message,
            hints: vec![wrong.hint.to_owned()],
            kind: FailureKind::Failed,
        })?;
        parts.into_iter().map(|part| self.job(part)).collect()
    }

    fn job(&self, part: Part) -> Result<Job, Unfit> {
        let line = part.line;
        let unfit = |message: String, hint: String| Unfit {
            line: Some(line),
            message,
            hints: vec![hint],
            kind: FailureKind::Failed,
        };
        let tool = tools::name_of(&part.words[0]).map_err(|(message, hint)| unfit(message, hint))?;
        let builtin = self.endpoint.client == Client::Builtin || tool == "sleep";
        let action = match builtin {
            true => Some(Action::read(tool, &part).map_err(|words| {
                unfit(
                    words,
                    "the built-in client carries out what it knows; Kafka's own tools know the rest: \
                    leave `client = \"builtin\"` out where they are installed"
                        .to_owned(),
                )
            })?),
            false => Action::of_tool(tool, &part),
        };
        let named = if action.is_some() { Vec::new() } else { named_topics(tool, &part) };
        let shown = shell_words::join(&part.words);
        let command = match builtin {
            true => None,
            false => {
                let program = self.find(tool).map_err(|failure| Unfit {
                    line: Some(line),
                    message: failure.message,
                    hints: failure.hints,
                    kind: failure.kind,
                })?;
                let mut command = tools::command(tool, &program, &part, self.endpoint, self.config);
                command.folder = Some(self.root.to_owned());
                Some(command)
            }
        };
        Ok(Job { line, action, named, tool: command, input: part.input, shown })
    }

    fn find(&self, tool: &str) -> Result<PathBuf, Failure> {
        tools::find(&self.endpoint.client, tool, self.store)
    }
}

impl Unfit {
    /// As it is told of whatever cannot be run.
    pub fn missing(&self) -> Failure {
        self.hints.iter().cloned().fold(Failure::new(self.kind, self.message.clone()), Failure::hint)
    }

    /// For a dry run, where there is no step to fail.
    pub fn failure(self, step: &Step) -> Failure {
        let place = self.line.map_or_else(|| step.path.clone(), |line| format!("{}:{line}", step.path));
        let failure = Failure::new(self.kind, format!("{} cannot be run", step.full_name()));
        let failure = failure.detail(format!("{place}: {}", self.message));
        self.hints.into_iter().fold(failure, Failure::hint)
    }
}
