//! Where everything is written: data to standard output, messages and progress to standard error. Nothing
//! outside this file writes to either, so that a closed pipe is handled once.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;

use colored::Colorize;
use indicatif::MultiProgress;
use serde_json::Value;

use crate::cli::{Color, Globals};

/// How a piece of text is meant; a terminal shows it in colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Something is to be done.
    Waiting,
    /// Something is wrong.
    Bad,
    /// Of less interest.
    Dim,
    /// A heading.
    Strong,
    /// Advice.
    Advice,
}

/// Colours, on or off.
#[derive(Clone, Copy, Debug)]
pub struct Paint(bool);

impl Paint {
    /// A text in its style.
    pub fn of(self, style: Style, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let painted = match style {
            Style::Plain => return text.to_owned(),
            Style::Good => text.green(),
            Style::Waiting => text.yellow(),
            Style::Bad => text.red().bold(),
            Style::Dim => text.dimmed(),
            Style::Strong => text.bold(),
            Style::Advice => text.cyan(),
        };
        painted.to_string()
    }
}

/// Standard output and standard error of one call of the binary.
pub struct Screen {
    json: bool,
    quiet: bool,
    verbose: bool,
    /// Whether times are shown in local time.
    pub local_times: bool,
    /// Colours of data.
    pub paint: Paint,
    paint_messages: Paint,
    bars: Option<MultiProgress>,
    closed: Mutex<bool>,
}

impl Screen {
    /// As the flags and the environment say.
    pub fn new(globals: &Globals) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        colored::control::set_override(true);
        let plain = globals.json || globals.quiet;
        Self {
            json: globals.json,
            quiet: globals.quiet,
            verbose: globals.verbose,
            local_times: out,
            paint: Paint(is_coloured(globals.color, out)),
            paint_messages: Paint(is_coloured(globals.color, err)),
            bars: (err && !plain).then(MultiProgress::new),
            closed: Mutex::new(false),
        }
    }

    /// Whether answers are JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether everything is to be said.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Progress lines, on a terminal.
    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Data for a person: lines on standard output, unless JSON or nothing is wanted.
    pub fn data(&self, text: &str) {
        if !self.json && !self.quiet {
            self.out(text);
        }
    }

    /// Data for a program: one JSON value on one line of standard output.
    pub fn value(&self, value: &Value) {
        if self.json {
            self.out(&value.to_string());
        }
    }

    /// The answer of a command that looks: text or JSON, whichever is wanted, made only then.
    pub fn answer(&self, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) {
        match self.json {
            true => self.out(&json().to_string()),
            false if self.quiet => {}
            false => self.out(&text()),
        }
    }

    /// Text that is asked for whatever the flags are: completions, manual pages.
    pub fn raw(&self, text: &str) {
        self.out(text);
    }

    /// A message on standard error.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            self.err(text);
        }
    }

    /// A message with its first word in a style: `warning: ...`.
    pub fn call_out(&self, word: &str, style: Style, text: &str) {
        self.say(&format!("{} {text}", self.paint_messages.of(style, word)));
    }

    /// What went wrong, on standard error.
    pub(super) fn error(&self, make: impl FnOnce(Paint) -> String) {
        self.err(&make(self.paint_messages));
    }

    fn out(&self, text: &str) {
        let mut text = text.trim_end_matches('\n').to_owned();
        if text.is_empty() {
            return;
        }
        text.push('\n');
        let Ok(mut closed) = self.closed.lock() else { return };
        if *closed {
            return;
        }
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        };
        // Whoever read us has gone (`| head`): a run goes on to its end, nobody is left to be told.
        *closed = match &self.bars {
            Some(bars) => bars.suspend(write).is_err(),
            None => write().is_err(),
        };
    }

    fn err(&self, text: &str) {
        let write = || {
            let _ = writeln!(io::stderr().lock(), "{}", text.trim_end_matches('\n'));
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// The flag decides; then `NO_COLOR`, then `CLICOLOR_FORCE`, then whether it is a terminal.
fn is_coloured(flag: Color, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    match flag {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if set("NO_COLOR") => false,
        Color::Auto if set("CLICOLOR_FORCE") => std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0"),
        Color::Auto => terminal && std::env::var_os("TERM").is_none_or(|t| t != "dumb"),
    }
}
