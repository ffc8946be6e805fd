//! Questions before something that cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use super::call::Call;
use crate::domain::{Failure, FailureKind};

/// Asks for a yes; `--yes` is one. Without a terminal nobody can be asked.
pub(super) fn confirm(call: &Call, question: &str, what: &str) -> Result<(), Failure> {
    if call.globals.yes {
        return Ok(());
    }
    let answer = ask(call, &format!("{question} [y/N] "), what)?;
    match answer.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(FailureKind::Failed, "not confirmed; nothing was changed")),
    }
}

/// Asks for a text to be typed again; `--yes` stands for it.
pub(super) fn confirm_by_typing(call: &Call, text: &str, question: &str, what: &str) -> Result<(), Failure> {
    if call.globals.yes {
        return Ok(());
    }
    match ask(call, question, what)? == text {
        true => Ok(()),
        false => Err(Failure::failed(format!("that is not `{text}`; nothing was changed"))),
    }
}

fn ask(call: &Call, question: &str, what: &str) -> Result<String, Failure> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !terminal || call.globals.json {
        return Err(Failure::usage(format!("{what} needs a confirmation, and there is no terminal to ask on"))
            .hint("say it on the command line: `--yes`"));
    }
    let gone = |e: io::Error| Failure::usage(format!("the answer cannot be read: {e}"));
    let mut stderr = io::stderr();
    write!(stderr, "{question}").and_then(|()| stderr.flush()).map_err(gone)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(gone)?;
    Ok(line.trim().to_owned())
}
