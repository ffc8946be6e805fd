//! clap types and nothing else: what can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::Version;
use crate::domain::directive::duration;

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

/// For commands that take leases.
#[derive(Args, Clone, Debug)]
pub struct LeaseArgs {
    /// Wait so long for a lease that another run holds
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "0s")]
    pub wait_lock: Duration,
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

/// `up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// Nothing above this version
    #[arg(long, value_name = "VERSION", value_parser = version)]
    pub to: Option<Version>,
    /// At most so many migrations
    #[arg(long, value_name = "N", alias = "step")]
    pub steps: Option<usize>,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Apply pending migrations below the highest applied one too
    #[arg(long)]
    pub out_of_order: bool,
    /// Plan against empty ledgers, connecting to nothing (a dry run)
    #[arg(long)]
    pub offline: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `down`.
#[derive(Args, Clone, Debug)]
pub struct DownArgs {
    /// So many migrations, 1 by default
    #[arg(value_name = "N", group = "target")]
    pub count: Option<usize>,
    /// So many migrations
    #[arg(long, value_name = "N", alias = "step", group = "target", hide = true)]
    pub steps: Option<usize>,
    /// Everything above this version
    #[arg(long, value_name = "VERSION", value_parser = version, group = "target")]
    pub to: Option<Version>,
    /// Exactly this version
    #[arg(long, value_name = "VERSION", value_parser = named, group = "target", hide = true)]
    pub version: Option<Named>,
    /// Everything that this run applied
    #[arg(long, value_name = "ID", group = "target")]
    pub run: Option<String>,
    /// Everything
    #[arg(long, group = "target")]
    pub all: bool,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `redo`.
#[derive(Args, Clone, Debug)]
pub struct RedoArgs {
    /// So many migrations
    #[arg(value_name = "N", default_value_t = 1)]
    pub count: usize,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `goto`.
#[derive(Args, Clone, Debug)]
pub struct GotoArgs {
    /// The version to be at; 0 means nothing applied
    #[arg(value_name = "VERSION", value_parser = version)]
    pub version: Version,
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `fresh`.
#[derive(Args, Clone, Debug)]
pub struct FreshArgs {
    /// Run the seed scripts afterwards
    #[arg(long)]
    pub seed: bool,
    /// Show what would be dropped and run, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `migrate:reset` and `migrate:refresh`.
#[derive(Args, Clone, Debug)]
pub struct ResetArgs {
    /// Show what would run and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Show all applied migrations, not only the newest
    #[arg(short, long)]
    pub all: bool,
}

/// `history`.
#[derive(Args, Clone, Debug)]
pub struct HistoryArgs {
    /// Only the newest N events
    #[arg(short = 'n', long, value_name = "N")]
    pub limit: Option<usize>,
}

/// `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// The store (the only one, or sqlite, when left out), and what the migration is about
    #[arg(value_names = ["STORE", "NAME"], num_args = 1..=2, required_unless_present = "list")]
    pub words: Vec<String>,
    /// Begin with this template
    #[arg(short, long, value_name = "NAME")]
    pub template: Option<String>,
    /// Number it by the time instead of the next number
    #[arg(long)]
    pub timestamp: bool,
    /// List the templates
    #[arg(long, conflicts_with_all = ["words", "template", "timestamp"])]
    pub list: bool,
}

/// `seed`.
#[derive(Args, Clone, Debug)]
pub struct SeedArgs {
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `repair`.
#[derive(Args, Clone, Debug)]
pub struct RepairArgs {
    /// The migration to settle; all that need it are listed without
    #[arg(value_name = "STORE/VERSION")]
    pub target: Option<String>,
    /// Run the rest of a half-applied script
    #[arg(long, group = "settle", requires = "target")]
    pub resume: bool,
    /// Say how it is to be seen: applied or reverted
    #[arg(long, value_name = "STANDING", value_enum, group = "settle", requires = "target")]
    pub mark: Option<Mark>,
    /// Take the file as it is now for what was applied
    #[arg(long, group = "settle", requires = "target")]
    pub accept_checksum: bool,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// How a migration is to be seen.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It was finished by hand
    Applied,
    /// It was undone by hand
    Reverted,
}

/// `baseline`.
#[derive(Args, Clone, Debug)]
pub struct BaselineArgs {
    /// The newest version that is there already
    #[arg(value_name = "VERSION", value_parser = version)]
    pub version: Version,
    /// Leases.
    #[command(flatten)]
    pub lease: LeaseArgs,
}

/// `unlock`.
#[derive(Args, Clone, Debug)]
pub struct UnlockArgs {
    /// Release it even though its holder may be at work
    #[arg(long)]
    pub force: bool,
}

/// `wait`.
#[derive(Args, Clone, Debug)]
pub struct WaitArgs {
    /// Give up after so long
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s")]
    pub timeout: Duration,
}

/// `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Write one page per command into this folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

fn time(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "expected a time such as 30s, 5m or 1h30m".to_owned())
}

/// A version with the name that was typed behind it, if one was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub version: Version,
    /// What stood behind the first underscore.
    pub name: Option<String>,
}

fn named(text: &str) -> Result<Named, String> {
    let name = text.split_once('_').map(|(_, name)| name.to_owned());
    Ok(Named { version: version(text)?, name })
}

/// A version as people copy it: `7`, `007` or `007_split_names`.
pub fn version(text: &str) -> Result<Version, String> {
    let digits = text.split_once('_').map_or(text, |(digits, _)| digits);
    digits.parse().map_err(|e: crate::domain::version::VersionError| e.to_string())
}
