//! `completions`.

use clap::CommandFactory;

use super::End;
use super::call::Call;
use crate::cli::{Cli, CompletionsArgs};
use crate::domain::Failure;

/// Prints a completion script.
pub(super) fn completions(call: &Call, args: &CompletionsArgs) -> Result<End, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "stepladder", &mut script);
    call.screen.raw(&String::from_utf8_lossy(&script));
    Ok(End::Done)
}
