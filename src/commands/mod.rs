//! One file per command.

/// Parses the command line, runs the command and says how it went.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
