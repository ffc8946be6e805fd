//! One file per command, thin: settings, core, report.

mod baseline;
mod call;
mod check;
mod completions;
mod confirm;
mod current;
mod doctor;
mod down;
mod dry_run;
mod fresh;
mod generate;
mod goto;
mod history;
mod init;
mod lock;
mod man;
mod numbering;
mod redo;
mod repair;
mod run;
mod seed;
mod settle;
mod status;
pub mod templates;
mod unlock;
mod up;
mod validate;
mod wait;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::cli::{Cli, Command};
use crate::domain::{Failure, FailureKind};
use crate::report::Screen;
use call::Call;

/// How a command ended when it has said everything itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Exit 0.
    Done,
    /// The exit code of this kind.
    With(FailureKind),
}

/// Parses the command line, runs the command and says how it went.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misuse(&error),
    };
    let call = Call::new(cli.globals);
    match carry_out(&call, cli.command) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::With(kind)) => ExitCode::from(kind.exit_code()),
        Err(failure) => {
            call.screen.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn carry_out(call: &Call, command: Command) -> Result<End, Failure> {
    match command {
        Command::Init => init::init(call),
        Command::Up(args) => up::up(call, &args),
        Command::Down(args) => down::down(call, &args),
        Command::Redo(args) => redo::redo(call, &args),
        Command::Goto(args) => goto::goto(call, &args),
        Command::Fresh(args) => fresh::fresh(call, &args),
        Command::Status(args) => status::status(call, &args),
        Command::Current => current::current(call),
        Command::History(args) => history::history(call, &args),
        Command::Check => check::check(call),
        Command::Validate => validate::validate(call),
        Command::Generate(args) => generate::generate(call, &args),
        Command::Seed(args) => seed::seed(call, &args),
        Command::Repair(args) => repair::repair(call, &args),
        Command::Baseline(args) => baseline::baseline(call, &args),
        Command::Lock => lock::lock(call),
        Command::Unlock(args) => unlock::unlock(call, &args),
        Command::Doctor => doctor::doctor(call),
        Command::Wait(args) => wait::wait(call, &args),
        Command::Completions(args) => completions::completions(call, &args),
        Command::Man(args) => man::man(call, &args),
        Command::Reset(args) => down::reset(call, &args),
        Command::Refresh(args) => redo::refresh(call, &args),
    }
}

/// What clap says about a command line: help, the version, or what is wrong with it.
fn misuse(error: &clap::Error) -> ExitCode {
    // Whoever reads `--help | head` may be gone.
    let _ = error.print();
    let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if !shown && std::env::args_os().any(|a| a == "--json") {
        let globals = crate::cli::Globals { json: true, ..crate::cli::Globals::default() };
        let words = error.to_string();
        let message = words.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let failure = serde_json::json!({ "error": crate::report::failure::value(&Failure::usage(message)) });
        Screen::new(&globals).value(&failure);
    }
    ExitCode::from(if shown { 0 } else { 2 })
}
