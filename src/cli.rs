//! clap types and nothing else: what can be typed.

mod args;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::args::*;

/// Takes every data store of a system up and down the same ladder of migrations.
#[derive(Parser, Debug)]
#[command(
    name = "stepladder",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done · 1 failed · 2 usage or configuration · 3 findings · 4 leased by another run ·\n\
                  5 half-applied, settle it first · 6 client missing or store unreachable · 130 interrupted"
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Globals {
    /// Only this store (repeatable)
    #[arg(short, long = "store", aliases = ["database", "db"], value_name = "NAME", global = true)]
    pub stores: Vec<String>,
    /// Work in this folder
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub folder: Option<PathBuf>,
    /// Use this configuration file
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Use the overrides of this environment
    #[arg(short, long = "env", value_name = "NAME", global = true)]
    pub environment: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print what scripts and clients say too
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Colour the output
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true, global = true)]
    pub color: Color,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
}

/// When output is coloured.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Everywhere
    Always,
    /// Nowhere
    Never,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write stepladder.toml and a first pair of scripts
    #[command(after_help = "Examples:\n  stepladder init\n  stepladder -C services/shop init")]
    Init,
    /// Apply what is pending
    #[command(
        aliases = ["migrate", "run"],
        after_help = "Examples:\n  stepladder up\n  stepladder up -s postgres --to 14 --dry-run"
    )]
    Up(UpArgs),
    /// Roll back the last N applied (1 by default)
    #[command(
        aliases = ["rollback", "migrate:rollback"],
        after_help = "Examples:\n  stepladder down 2\n  stepladder down --run 7f3a\n  stepladder down -s postgres --to 12"
    )]
    Down(DownArgs),
    /// Roll back the last N applied and apply them again
    #[command(after_help = "Examples:\n  stepladder redo\n  stepladder redo 3 --dry-run")]
    Redo(RedoArgs),
    /// Go up or down to exactly one version of one store
    #[command(after_help = "Examples:\n  stepladder goto 14 -s postgres\n  stepladder goto 0 -s sqlite")]
    Goto(GotoArgs),
    /// Drop everything in the chosen stores and apply all
    #[command(
        alias = "migrate:fresh",
        after_help = "Examples:\n  stepladder fresh -s sqlite --seed\n  stepladder fresh --dry-run"
    )]
    Fresh(FreshArgs),
    /// Show where every migration stands
    #[command(
        aliases = ["migrate:status", "showmigrations"],
        after_help = "Examples:\n  stepladder status\n  stepladder status -s postgres --all"
    )]
    Status(StatusArgs),
    /// Show the newest applied migration of every store
    #[command(after_help = "Example:\n  stepladder current --json")]
    Current,
    /// Show past events
    #[command(after_help = "Examples:\n  stepladder history\n  stepladder history -s postgres --limit 20")]
    History(HistoryArgs),
    /// Exit 3 when something is pending, changed, missing or half-applied
    #[command(after_help = "Examples:\n  stepladder check\n  stepladder check -q && exec ./server")]
    Check,
    /// Check the files, without any server
    #[command(after_help = "Examples:\n  stepladder validate\n  stepladder validate --json")]
    Validate,
    /// Write the next pair of scripts from a template
    #[command(
        aliases = ["make:migration", "new", "create"],
        after_help = "Examples:\n  stepladder generate postgres \"Add user preferences\"\n  \
                      stepladder generate sqlite orders --template create_table\n  stepladder generate --list"
    )]
    Generate(GenerateArgs),
    /// Run the seed scripts
    #[command(alias = "db:seed", after_help = "Examples:\n  stepladder seed\n  stepladder seed -s sqlite")]
    Seed(SeedArgs),
    /// Show and settle half-applied and changed migrations
    #[command(after_help = "Examples:\n  stepladder repair\n  stepladder repair mysql/7 --resume\n  \
                      stepladder repair postgres/14 --accept-checksum")]
    Repair(RepairArgs),
    /// Record everything up to a version as applied, without running it
    #[command(after_help = "Example:\n  stepladder baseline 12 -s postgres")]
    Baseline(BaselineArgs),
    /// Show who holds the leases
    #[command(after_help = "Examples:\n  stepladder lock\n  stepladder lock --json")]
    Lock,
    /// Release a lease whose holder is gone
    #[command(after_help = "Examples:\n  stepladder unlock -s postgres\n  stepladder unlock -s postgres --force")]
    Unlock(UnlockArgs),
    /// Check clients, servers, ledgers and leases, with a hint for each fault
    #[command(after_help = "Examples:\n  stepladder doctor\n  stepladder doctor -s postgres")]
    Doctor,
    /// Wait until every store answers
    #[command(after_help = "Example:\n  stepladder wait --timeout 2m && stepladder up")]
    Wait(WaitArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  stepladder completions bash > ~/.local/share/bash-completion/completions/stepladder"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = "Examples:\n  stepladder man | man -l -\n  stepladder man --dir /usr/local/share/man/man1")]
    Man(ManArgs),
    /// Roll back everything
    #[command(name = "migrate:reset", hide = true)]
    Reset(ResetArgs),
    /// Roll back everything and apply it again
    #[command(name = "migrate:refresh", hide = true)]
    Refresh(ResetArgs),
}
