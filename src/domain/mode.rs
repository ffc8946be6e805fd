//! Whether a script and its ledger entry can be one transaction, and if not, why.

use super::catalog::Script;
use super::sql::Mark;

/// How a step is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Script and ledger entry are one transaction: all of it or nothing.
    Atomic,
    /// A `begun` entry before the script, `done` or `failed` after it.
    TwoPhase(Reason),
}

impl Mode {
    /// Whether a failure leaves nothing behind.
    pub const fn is_atomic(&self) -> bool {
        matches!(self, Self::Atomic)
    }
}

/// Why a script is not one transaction with its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The store has no transactions that could hold a script.
    Kind,
    /// `stepladder: no-transaction` (or another tool's mark for the same) at this line.
    Directive(usize),
    /// The script begins or ends transactions by itself.
    OwnTransaction(Mark),
    /// A statement that the server refuses inside a transaction.
    OutsideTransaction(Mark),
    /// SQLite ignores `PRAGMA foreign_keys` inside a transaction.
    ForeignKeys(Mark),
    /// A program runs the script (`.sh`, `.py`): what it does is its own affair.
    Program,
}

impl Reason {
    /// `no transaction: VACUUM at line 3`, for plans and dry runs.
    pub fn sentence(&self) -> String {
        let at = |what: &str, mark: &Mark| format!("{what}: {} at line {}", mark.what, mark.line);
        match self {
            Self::Kind => "this store cannot undo a script".to_owned(),
            Self::Directive(line) => format!("no transaction: the directive at line {line}"),
            Self::OwnTransaction(mark) => at("its own transaction", mark),
            Self::OutsideTransaction(mark) => at("no transaction", mark),
            Self::ForeignKeys(mark) => at("no transaction", mark),
            Self::Program => "a program runs it".to_owned(),
        }
    }
}

/// Extensions that are run as programs in every store.
pub const PROGRAMS: [&str; 2] = ["sh", "py"];

/// In a kind's list of extensions: every other one as well, of files that can run by themselves.
pub const ANY: &str = "*";

/// Decides how a script runs. `atomic` is the card's word on the store; `extensions` are those that the kind runs
/// itself (ChromaDB runs `.py`), everything else of [`PROGRAMS`] is a program.
pub fn mode_of(script: &Script, atomic: bool, extensions: &[&str]) -> Mode {
    let shape = &script.shape;
    let reason = if is_program(&script.extension, extensions) {
        Some(Reason::Program)
    } else if !atomic {
        Some(Reason::Kind)
    } else if let Some(line) = script.directives.no_transaction {
        Some(Reason::Directive(line))
    } else if let Some(mark) = &shape.own_transaction {
        Some(Reason::OwnTransaction(mark.clone()))
    } else if let Some(mark) = &shape.outside_transaction {
        Some(Reason::OutsideTransaction(mark.clone()))
    } else {
        shape.foreign_keys_pragma.clone().map(Reason::ForeignKeys)
    };
    reason.map_or(Mode::Atomic, Mode::TwoPhase)
}

/// Whether a script is run as a program rather than by the store's client.
pub fn is_program(extension: &str, extensions: &[&str]) -> bool {
    PROGRAMS.contains(&extension) && !extensions.contains(&extension)
}
