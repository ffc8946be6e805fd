//! The binary: parse, run, exit.

fn main() -> std::process::ExitCode {
    stepladder::commands::main()
}
